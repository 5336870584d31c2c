"""What rows are of, an object each, and the tables that they become: by columns, of some thousands at a time."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive.inputs import Input
from rsir_fast.base.text import listed
from rsir_fast.datasets.windows import Place
from rsir_fast.errors import ArchiveError

__all__ = ["BOUNDS", "OWN", "RESERVED", "WINDOW", "ItemRow", "Row", "tables_of"]

WINDOW = ("column", "row", "width", "height")
BOUNDS = ("west", "south", "east", "north")
OWN = ("source", "class", *WINDOW, *BOUNDS, "time", "geometry")
"""Columns of items that are no user's."""
RESERVED = frozenset({*OWN, "item", "id", "root", "sha256", "label", "probability"})
"""Names that columns of a user cannot have."""

_AT_ONCE = 1 << 14
_REACH = 1 << 31
"""Of offsets into text and bytes."""

Row: TypeAlias = tuple[Input, str]
"""An input, and the SHA-256 of its content."""
_File: TypeAlias = "tuple[str, str, int, int, str, Place | None]"


@dataclass(frozen=True, kw_only=True, slots=True)
class ItemRow(Input):
    """What a row is of: an input, and the SHA-256 of its content.

    Attributes
    ----------
    sha256 : str
    """

    sha256: str

    @property
    def content(self) -> tuple[str, tuple[Any, ...]]:
        """What it shows, and what it is said to be."""
        return self.sha256, self.told


def tables_of(rows: Iterable[Row]) -> tuple[Any, Any]:
    """Return sources and items of rows as Arrow tables; each row is let go when it was read.

    Raises
    ------
    ArchiveError
        If a column has values of several kinds.
    """
    import pyarrow as pa

    sources, items, columns, left = _Sources(), _Parts(), _Columns(), iter(rows)
    of = []
    for some in chain([[]], iter(lambda: list(islice(left, _AT_ONCE)), [])):  # of no rows, too, columns have kinds
        of.append(sources.numbers(some))
        inputs = [each for each, _ in some]
        for name, values, kind in _items(inputs):
            items.add(name, pa.nulls(len(some), kind) if values is None else pa.array(values, kind))
        columns.add(inputs)
    found = items.columns()
    found["class"] = found["class"].dictionary_encode()
    told = {name: column for name, column in found.items() if name == "class" or column.null_count < len(column)}
    return pa.table(sources.columns()), pa.table({"source": pa.array(np.concatenate(of)), **told, **columns.columns()})


def _items(rows: Sequence[Input]) -> Iterator[tuple[str, list[Any] | None, Any]]:
    """Yield what is known of each row: name, values (None: of no row) and kind of a column."""
    import pyarrow as pa

    classes = {name: None if name is None else os.fsencode(name) for name in {row.class_name for row in rows}}
    yield "class", [classes[row.class_name] for row in rows], pa.binary()
    windows = [row.window for row in rows] if any(row.window is not None for row in rows) else None
    for at, name in enumerate(WINDOW):
        yield name, windows and [None if window is None else window[at] for window in windows], pa.int32()
    boxes = [row.bounds for row in rows] if any(row.bounds is not None for row in rows) else None
    for at, name in enumerate(BOUNDS):
        yield name, boxes and [None if box is None else box[at] for box in boxes], pa.float64()
    yield "time", [row.time for row in rows], pa.timestamp("us", tz="UTC")
    yield "geometry", [row.geometry for row in rows], pa.binary()


class _Parts:
    """Columns that come in parts."""

    def __init__(self) -> None:
        self._parts: dict[str, list[Any]] = {}

    def add(self, name: str, part: Any) -> None:
        self._parts.setdefault(name, []).append(part)

    def columns(self) -> dict[str, Any]:
        """Return each in one piece."""
        return {name: _in_one(parts) for name, parts in self._parts.items()}


class _Sources:
    """The files of rows, each once, in the order in which they come."""

    def __init__(self) -> None:
        self._numbers: dict[_File, int] = {}
        self._parts = _Parts()
        self._is_placed = False

    def numbers(self, rows: Sequence[Row]) -> NDArray[np.int32]:
        """Return which file each row is of."""
        numbers = self._numbers
        files = [(row.root, row.source, row.size, row.mtime_ns, sha256, row.place) for row, sha256 in rows]
        new = [file for file in dict.fromkeys(files) if file not in numbers]
        numbers.update(zip(new, range(len(numbers), len(numbers) + len(new)), strict=True))
        self._add(new)
        return np.array([numbers[file] for file in files], np.int32)

    def _add(self, files: Sequence[_File]) -> None:
        import pyarrow as pa

        add = self._parts.add
        roots, sources, sizes, times, digests, places = zip(*files, strict=True) if files else [()] * 6
        add("root", pa.array([*map(os.fsencode, roots)], pa.binary()))
        add("source", pa.array([*map(os.fsencode, sources)], pa.binary()))
        add("size", pa.array(sizes, pa.int64()))
        add("mtime_ns", pa.array(times, pa.int64()))
        add("sha256", pa.array([*map(bytes.fromhex, digests)], pa.binary(32)))
        add("crs", pa.array([place and place.crs for place in places], pa.string()))
        add("transform", pa.array([place and place.transform for place in places], pa.list_(pa.float64(), 6)))
        self._is_placed |= any(place is not None for place in places)

    def columns(self) -> dict[str, Any]:
        found = self._parts.columns()
        return found if self._is_placed else {name: found[name] for name in [*found][:5]}


class _Columns:
    """The columns that users named: text, whole numbers, numbers, or yes and no."""

    def __init__(self) -> None:
        self._rows = 0
        self._kinds: dict[str, set[type]] = {}
        self._parts: dict[str, list[Any]] = {}

    def add(self, rows: Sequence[Input]) -> None:
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
    return _in_one([part.cast(kind) for part in parts])


def _in_one(parts: Sequence[Any]) -> Any:
    """Return parts as one array, or as chunks where the offsets of one could not reach its end."""
    import pyarrow as pa

    is_long = sum(part.nbytes for part in parts) >= _REACH
    return pa.chunked_array(parts) if is_long else pa.concat_arrays(parts)
