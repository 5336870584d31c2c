"""The items of a version, or of features in memory: a table that is read column by column, when it is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive.inputs import ROOT
from rsir_fast.archive.tables import BOUNDS, ItemRow, Tables
from rsir_fast.datasets.windows import Placed, Places, Window

__all__ = ["FilesOf", "Items"]

_AT_ONCE = 1 << 16


class Items(Sequence[str]):
    """What rows are of: a sequence of their names, with columns.

    Nothing is read before it is asked for: a million names as objects take a second, and the memory of the vectors.

    Parameters
    ----------
    tables : sequence of Tables
        One after the other.
    places : array, int64 [n], optional
        Which of their rows, in which order; all by default.

    Examples
    --------
    >>> row = ItemRow("images", "forest/1.png", 10, 10, "forest", sha256="0" * 64)
    >>> items = Items([Tables.of([row])])
    >>> items[0], items == ("forest/1.png",), items.columns
    ('forest/1.png', True, ('item', 'class'))
    """

    def __init__(self, tables: Sequence[Tables], places: NDArray[np.int64] | None = None) -> None:
        self._tables = list(tables)
        self._ends = np.cumsum([0, *map(len, self._tables)])
        self._places = places

    @classmethod
    def named(cls, names: Sequence[str], labels: NDArray[np.int64] | None, classes: Sequence[str]) -> Items:
        """Return items of which only names and classes are known.

        Examples
        --------
        >>> Items.named(("a/1.png", "b/1.png"), np.array([1, 0]), ("b", "a")).column("class").to_pylist()
        ['a', 'b']
        """
        return cls([Tables.named(names, labels, classes)])

    def take(self, places: NDArray[np.int64]) -> Items:
        """Return some items, in another order."""
        return Items(self._tables, places if self._places is None else self._places[places])

    def __len__(self) -> int:
        return int(self._ends[-1]) if self._places is None else len(self._places)

    @overload
    def __getitem__(self, which: int) -> str: ...

    @overload
    def __getitem__(self, which: slice) -> tuple[str, ...]: ...

    def __getitem__(self, which: int | slice) -> str | tuple[str, ...]:
        if isinstance(which, slice):
            return tuple(self._named(np.arange(len(self))[which]))
        number = range(len(self))[which]
        return next(iter(self._named(np.array([number]))))

    def __iter__(self) -> Iterator[str]:
        for first in range(0, len(self), _AT_ONCE):
            yield from self._named(np.arange(first, min(first + _AT_ONCE, len(self))))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(mine == theirs for mine, theirs in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = ", ".join(map(repr, self[:3]))
        return f"Items({shown}{', ...' if len(self) > 3 else ''})"

    def _named(self, which: NDArray[np.int64]) -> list[str]:
        at = which if self._places is None else self._places[which]
        names: list[str] = [""] * len(at)
        for number, places in self._by_table(at):
            of = self._tables[number].names(at[places] - self._ends[number])
            for place, name in zip(places.tolist(), of, strict=True):
                names[place] = name
        return names

    def _by_table(self, at: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
        number = np.searchsorted(self._ends, at, side="right") - 1
        for table in np.unique(number).tolist():
            yield table, np.flatnonzero(number == table)

    @property
    def files(self) -> list[tuple[str, str]]:
        """Root and path below it of each file that items are of, once."""
        places = np.arange(len(self)) if self._places is None else self._places
        found: dict[tuple[str, str], None] = {}
        for number, at in self._by_table(places):
            table = self._tables[number]
            sources = np.unique(table.items["source"].to_numpy()[places[at] - self._ends[number]])
            found |= dict.fromkeys(table.files(sources))
        return list(found)

    def rows(self, which: Sequence[int] | NDArray[np.int64] | None = None) -> list[ItemRow]:
        """Return what some rows are of, all by default, an object each."""
        wanted = np.arange(len(self)) if which is None else np.asarray(which, np.int64)
        at = wanted if self._places is None else self._places[wanted]
        found: list[ItemRow | None] = [None] * len(at)
        for number, places in self._by_table(at):
            rows = self._tables[number].rows(at[places] - self._ends[number])
            for place, row in zip(places.tolist(), rows, strict=True):
                found[place] = row
        return [row for row in found if row is not None]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of what `column` returns."""
        there = {name for table in self._tables for name in table.items.column_names}
        own = dict.fromkeys(name for table in self._tables for name in table.columns)
        known = [name for name in ("time", *BOUNDS) if name in there]
        has_class = any(len(table.classes) for table in self._tables)
        return ("item", *(["class"] if has_class else []), *known, *own)

    def column(self, name: str) -> Any:
        """Return a column, a value a row: a pyarrow.ChunkedArray; null where there is none.

        ``item`` (name), ``class`` (as a dictionary), ``time`` (timestamp, UTC), ``west``, ``south``, ``east``,
        ``north`` (degrees, WGS 84), and what users named.

        Raises
        ------
        KeyError
            If there is no such column.
        """
        import pyarrow as pa

        if name == "item":
            return pa.chunked_array([pa.array(_valid(self._named(np.arange(len(self)))), pa.string())])
        if name not in self.columns:
            raise KeyError(name)
        parts = [self._column(table, name) for table in self._tables]
        kinds = list({part.type for part in parts if not pa.types.is_null(part.type)})
        kind = (
            kinds[0] if len(kinds) == 1 else pa.float64() if set(kinds) == {pa.float64(), pa.int64()} else pa.string()
        )
        column = pa.chunked_array([chunk for part in parts for chunk in part.cast(kind).chunks], kind)
        return column if self._places is None else column.take(pa.array(self._places))

    @staticmethod
    def _column(table: Tables, name: str) -> Any:
        import pyarrow as pa

        if name not in table.items.column_names:
            return pa.chunked_array([pa.nulls(len(table))])
        if name != "class":
            return table.items[name]
        classes = pa.array(_valid(table.classes), pa.string())
        return pa.chunked_array([pa.DictionaryArray.from_arrays(table.labels_or_null, classes)])

    @property
    def window_sizes(self) -> list[tuple[int, int]]:
        """Width and height of the windows that rows are of, each pair once."""
        sizes: set[tuple[int, int]] = set()
        for table in self._tables:
            if "width" in table.items.column_names:
                both = np.stack([table.items[name].drop_null().to_numpy() for name in ("width", "height")], axis=1)
                sizes |= {(int(width), int(height)) for width, height in np.unique(both, axis=0)}
        return sorted(sizes)

    @cached_property
    def bounds(self) -> NDArray[np.float64] | None:
        """West, south, east, north of each row [n, 4]; NaN where there are none, None where no row has any."""
        if "west" not in self.columns:
            return None
        return np.stack([self.column(name).to_numpy() for name in BOUNDS], axis=1).astype(np.float64)


class FilesOf(Places):
    """Where the images of items are.

    Parameters
    ----------
    items
    roots
        Folders by the names of roots.
    folder
        Of the data set: files of other roots are named by their whole path.
    """

    def __init__(self, items: Items, roots: Mapping[str, Path], folder: Path) -> None:
        self._items, self._roots, self._folder = items, roots, folder

    def __len__(self) -> int:
        return len(self._items)

    def at(self, number: int) -> tuple[str, Window | None]:
        """Return file and window of an item."""
        placed = self.placed(number)
        return placed.source, placed.window

    def placed(self, number: int) -> Placed:
        """Return all that is known of an item."""
        row = self._items.rows([range(len(self))[number]])[0]
        root = self._folder if row.root == ROOT else self._roots.get(row.root, self._folder)
        source = row.source if root == self._folder else str(root / row.source)
        return Placed(source, row.window, row.place, row.bounds, row.time, row.columns)


def _valid(names: Sequence[str]) -> list[str]:
    """Return names as text that Arrow takes: bytes that are no UTF-8 become question marks."""
    return [name if name.isascii() else name.encode("utf-8", "replace").decode() for name in names]
