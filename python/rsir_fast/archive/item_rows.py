"""What rows are of, an object each, and the tables that they become: by columns, of some thousands at a time."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive.inputs import Input
from rsir_fast.base.text import listed
from rsir_fast.errors import ArchiveError

__all__ = ["BOUNDS", "OWN", "RESERVED", "WINDOW", "ItemRow", "tables_of"]

WINDOW = ("column", "row", "width", "height")
BOUNDS = ("west", "south", "east", "north")
OWN = ("source", "class", *WINDOW, *BOUNDS, "time", "geometry")
"""Columns of items that are no user's."""
RESERVED = frozenset({*OWN, "item", "id", "root", "sha256", "label", "probability"})
"""Names that columns of a user cannot have."""

_AT_ONCE = 1 << 14
_OF_INPUT = tuple(field.name for field in fields(Input))


@dataclass(frozen=True, kw_only=True, slots=True)
class ItemRow(Input):
    """What a row is of: an input, and the SHA-256 of its content.

    Attributes
    ----------
    sha256 : str
    """

    sha256: str

    @classmethod
    def of(cls, each: Input, sha256: str) -> ItemRow:
        """Return the row of an input."""
        return cls(*(getattr(each, name) for name in _OF_INPUT), sha256=sha256)

    @property
    def content(self) -> tuple[str, tuple[Any, ...]]:
        """What it shows, and what it is said to be."""
        return self.sha256, self.told


def tables_of(rows: Iterable[ItemRow]) -> tuple[Any, Any]:
    """Return sources and items of rows as Arrow tables; each row is let go when it was read.

    Raises
    ------
    ArchiveError
        If a column has values of several kinds.
    """
    import pyarrow as pa

    sources, items, columns, left = _Sources(), _Parts(), _Columns(), iter(rows)
    of = [np.empty(0, np.int32)]
    while some := list(islice(left, _AT_ONCE)):
        of.append(sources.numbers(some))
        for name, values, kind in _items(some):
            items.add(name, pa.array(values, kind))
        columns.add(some)
    found = items.columns()
    found["class"] = found["class"].dictionary_encode() if "class" in found else _nothing()
    told = {name: column for name, column in found.items() if name == "class" or column.null_count < len(column)}
    return pa.table(sources.columns()), pa.table({"source": pa.array(np.concatenate(of)), **told, **columns.columns()})


def _nothing() -> Any:
    import pyarrow as pa

    return pa.array([], pa.binary()).dictionary_encode()


def _items(rows: Sequence[ItemRow]) -> list[tuple[str, list[Any], Any]]:
    """Return what is known of each row: names, values and kinds of columns."""
    import pyarrow as pa

    classes = {row.class_name for row in rows}
    as_bytes = {name: None if name is None else os.fsencode(name) for name in classes}
    found: list[tuple[str, list[Any], Any]] = [("class", [as_bytes[row.class_name] for row in rows], pa.binary())]
    for at, name in enumerate(WINDOW):
        found.append((name, [None if row.window is None else row.window[at] for row in rows], pa.int32()))
    for at, name in enumerate(BOUNDS):
        found.append((name, [None if row.bounds is None else row.bounds[at] for row in rows], pa.float64()))
    found.append(("time", [row.time for row in rows], pa.timestamp("us", tz="UTC")))
    found.append(("geometry", [row.geometry for row in rows], pa.binary()))
    return found


class _Parts:
    """Columns that come in parts."""

    def __init__(self) -> None:
        self._parts: dict[str, list[Any]] = {}

    def add(self, name: str, part: Any) -> None:
        self._parts.setdefault(name, []).append(part)

    def columns(self) -> dict[str, Any]:
        """Return each as one array."""
        import pyarrow as pa

        return {name: pa.concat_arrays(parts) for name, parts in self._parts.items()}


class _Sources:
    """The files of rows, each once, in the order in which they come."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[Any, ...], int] = {}
        self._parts = _Parts()
        self._is_placed = False
        self._add([])

    def numbers(self, rows: Sequence[ItemRow]) -> NDArray[np.int32]:
        """Return which file each row is of."""
        numbers, firsts, of = self._numbers, [], np.empty(len(rows), np.int32)
        for at, row in enumerate(rows):
            file = (row.root, row.source, row.size, row.mtime_ns, row.sha256, row.place)
            known = len(numbers)
            of[at] = numbers.setdefault(file, known)
            if len(numbers) > known:
                firsts.append(row)
        self._add(firsts)
        return of

    def _add(self, rows: Sequence[ItemRow]) -> None:
        import pyarrow as pa

        add = self._parts.add
        add("root", pa.array([os.fsencode(row.root) for row in rows], pa.binary()))
        add("source", pa.array([os.fsencode(row.source) for row in rows], pa.binary()))
        add("size", pa.array([row.size for row in rows], pa.int64()))
        add("mtime_ns", pa.array([row.mtime_ns for row in rows], pa.int64()))
        add("sha256", pa.array([bytes.fromhex(row.sha256) for row in rows], pa.binary(32)))
        add("crs", pa.array([row.place and row.place.crs for row in rows], pa.string()))
        transforms = [row.place and row.place.transform for row in rows]
        add("transform", pa.array(transforms, pa.list_(pa.float64(), 6)))
        self._is_placed |= any(row.place is not None for row in rows)

    def columns(self) -> dict[str, Any]:
        found = self._parts.columns()
        return found if self._is_placed else {name: found[name] for name in [*found][:5]}


class _Columns:
    """The columns that users named: text, whole numbers, numbers, or yes and no."""

    def __init__(self) -> None:
        self._rows = 0
        self._kinds: dict[str, set[type]] = {}
        self._parts: dict[str, list[Any]] = {}

    def add(self, rows: Sequence[ItemRow]) -> None:
        """Take the columns of some rows.

        Raises
        ------
        ArchiveError
            If one has values of several kinds, those before among them.
        """
        import pyarrow as pa

        for name in dict.fromkeys(name for row in rows for name, _ in row.columns):
            self._parts.setdefault(name, [pa.nulls(self._rows)])
            self._kinds.setdefault(name, set())
        told = [dict(row.columns) for row in rows] if self._parts else []
        for name, parts in self._parts.items():
            values = [each.get(name) for each in told]
            parts.append(self._array(name, values))
        self._rows += len(rows)

    def _array(self, name: str, values: list[Any]) -> Any:
        import pyarrow as pa

        here = {type(value) for value in values if value is not None}
        self._kinds[name] |= here
        kinds = self._kinds[name]
        if name in RESERVED or (not kinds <= {str} and not kinds <= {bool} and not kinds <= {int, float}):
            kinds_told = listed(sorted(kind.__name__ for kind in kinds))
            raise ArchiveError(
                f"column {name!r}: expected a name of its own and values of one kind, text, numbers, or true and "
                f"false, got {kinds_told}; call it otherwise, or make its values alike"
            )
        if kinds <= {str}:
            values = [
                None if value is None else str(value).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
                for value in values
            ]
        return pa.array(values, pa.float64() if here == {int, float} else None)

    def columns(self) -> dict[str, Any]:
        """Return each as one array."""
        return {name: _together(parts) for name, parts in self._parts.items()}


def _together(parts: Sequence[Any]) -> Any:
    """Return the parts of a column as one array: of nothing, or of one kind, whole numbers as numbers among these."""
    import pyarrow as pa

    kinds = {part.type for part in parts if not pa.types.is_null(part.type)}
    kind = pa.null() if not kinds else next(iter(kinds)) if len(kinds) == 1 else pa.float64()
    return pa.concat_arrays([part.cast(kind) for part in parts])
