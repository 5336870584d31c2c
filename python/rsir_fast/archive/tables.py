"""The tables of a segment: sources (files, as they were) and items (what rows are of), in Arrow files that are mapped.

Apart, since many items can be of one source: the windows of a raster. What no row of a segment has is no column.
pyarrow is imported where it is used.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive.inputs import ROOT, Key, Value
from rsir_fast.archive.item_rows import BOUNDS, OWN, RESERVED, WINDOW, ItemRow, tables_of
from rsir_fast.base.digests import check_digest
from rsir_fast.base.mapping import let_go
from rsir_fast.base.reading import reading
from rsir_fast.datasets.windows import Place, Window
from rsir_fast.errors import ArchiveError

__all__ = ["BOUNDS", "ITEMS", "RESERVED", "SOURCES", "WINDOW", "ItemRow", "Tables", "as_file"]

SOURCES, ITEMS = "sources.arrow", "items.arrow"
_RESTORE = "restore it from a backup"


class Tables:
    """The two tables of some rows, whole in memory or mapped.

    Attributes
    ----------
    sources, items : pyarrow.Table
    """

    def __init__(self, sources: Any, items: Any) -> None:
        self.sources, self.items = sources, items

    @classmethod
    def of(cls, rows: Iterable[ItemRow]) -> Tables:
        """Return those of rows."""
        return cls(*tables_of((row, row.sha256) for row in rows))

    @classmethod
    def named(cls, names: Sequence[str], labels: NDArray[np.int64] | None, classes: Sequence[str]) -> Tables:
        """Return those of rows of which only names and classes are known, which are in no file."""
        import pyarrow as pa

        n = len(names)
        of = pa.nulls(n, pa.int32()) if labels is None else pa.array(labels.astype(np.int32))
        sources = {
            "root": pa.array([os.fsencode(ROOT)] * n, pa.binary()),
            "source": pa.array([os.fsencode(name) for name in names], pa.binary()),
            "size": pa.array(np.full(n, -1)),
            "mtime_ns": pa.array(np.full(n, -1)),
            "sha256": pa.array([bytes(32)] * n, pa.binary(32)),
        }
        labelled = pa.DictionaryArray.from_arrays(of, pa.array([os.fsencode(name) for name in classes], pa.binary()))
        items = {"source": pa.array(np.arange(n, dtype=np.int32)), "class": labelled}
        return cls(pa.table(sources), pa.table(items))

    @classmethod
    def read(cls, folder: Path, rows: int, files: Mapping[str, str]) -> Tables:
        """Map those of a segment.

        Parameters
        ----------
        folder
            Of the segment.
        rows
            How many there are.
        files
            SHA-256 of the tables; what is damaged is not even parsed.

        Raises
        ------
        ArchiveError
            If a table cannot be read or does not fit.
        """
        with reading(folder / SOURCES, "the sources of a segment", _RESTORE, ArchiveError):
            sources = _table(folder / SOURCES, files.get(SOURCES))
            for name in ("root", "source", "size", "mtime_ns", "sha256"):
                sources[name]
        with reading(folder / ITEMS, "the items of a segment", _RESTORE, ArchiveError):
            items = _table(folder / ITEMS, files.get(ITEMS))
            of: NDArray[np.int32] = items["source"].to_numpy()
            if len(of) != rows or (rows and (of.min() < 0 or of.max() >= len(sources))):
                raise ValueError(f"{len(of)} items of {len(sources)} sources are not the {rows} of the segment")
            items["class"]
        return cls(sources, items)

    def __len__(self) -> int:
        return len(self.items)

    @property
    def columns(self) -> list[str]:
        """Names of the columns that users named."""
        return [name for name in self.items.column_names if name not in OWN]

    @cached_property
    def _sources(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.sources.to_pylist()
        return found

    def rows(self, which: Sequence[int] | NDArray[np.int64] | None = None) -> list[ItemRow]:
        """Return what rows are of, all by default: an object each."""
        some = self.items if which is None else self.items.take(np.asarray(which, np.int64))
        own = self.columns
        if which is not None and len(some) < len(self):
            needed = np.unique(some["source"].to_numpy())
            of = dict(zip(needed.tolist(), self.sources.take(needed).to_pylist(), strict=True))
        else:
            of = dict(enumerate(self._sources))
        places = {number: _place(entry) for number, entry in of.items()}
        if "time" in some.column_names:
            import pyarrow as pa

            some = some.set_column(some.column_names.index("time"), "time", some["time"].cast(pa.int64()))
        return [_row(of[item["source"]], places[item["source"]], item, own) for item in some.to_pylist()]

    def of_keys(self, keys: Collection[Key]) -> NDArray[np.int64]:
        """Return which rows may be those of some items: all rows of the files named, ascending."""
        import pyarrow as pa
        import pyarrow.compute as pc

        wanted = {(root, source) for root, source, _ in keys}
        names = pa.array([os.fsencode(source) for source in {source for _, source in wanted}], pa.binary())
        hits = np.flatnonzero(pc.is_in(self.sources["source"], value_set=names).to_numpy(zero_copy_only=False))
        found = [hit for hit, file in zip(hits.tolist(), self.files(hits), strict=True) if file in wanted]
        is_wanted = np.zeros(len(self.sources), bool)
        is_wanted[found] = True
        return np.flatnonzero(is_wanted[self.items["source"].to_numpy()])

    def files(self, which: NDArray[Any]) -> list[tuple[str, str]]:
        """Return root and source of some sources."""
        some = self.sources.take(which)
        roots, sources = (some[name].to_pylist() for name in ("root", "source"))
        return [(os.fsdecode(root), os.fsdecode(source)) for root, source in zip(roots, sources, strict=True)]

    @cached_property
    def _roots(self) -> list[str]:
        """Those that occur."""
        return _texts(self.sources["root"].unique())

    @property
    def classes(self) -> list[str]:
        """Those that occur."""
        return _texts(self._class.dictionary)

    @property
    def labels(self) -> NDArray[np.int64]:
        """Of each row, into `classes`; -1 where it has none."""
        found: NDArray[np.int64] = self._class.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        return found

    @property
    def labels_or_null(self) -> Any:
        """The same as an array of pyarrow, where it lies; null where a row has no class."""
        return self._class.indices

    @cached_property
    def _class(self) -> Any:
        column = self.items["class"].combine_chunks()
        return column.chunk(0) if hasattr(column, "chunk") else column

    def names(self, which: NDArray[np.int64] | None = None) -> list[str]:
        """Return what rows are called, all by default."""
        items = self.items if which is None else self.items.take(which)
        of = items["source"]
        names = _texts(self.sources["source"].take(of))
        if self._roots != [ROOT]:
            # Most segments have one root: that of each item is looked up only where there are several.
            roots = self._roots * len(names) if len(self._roots) == 1 else _texts(self.sources["root"].take(of))
            names = [name if root == ROOT else f"{root}/{name}" for root, name in zip(roots, names, strict=True)]
        if WINDOW[0] not in items.column_names:
            return names
        windows = zip(*(items[name].to_pylist() for name in WINDOW), strict=True)
        return [
            name if window[0] is None else f"{name}#xywh={','.join(map(str, window))}"
            for name, window in zip(names, windows, strict=True)
        ]


def _texts(names: Any) -> list[str]:
    """Return the names of files, or what goes as one, that are kept as bytes."""
    import pyarrow as pa

    if sys.getfilesystemencoding() == "utf-8":
        with contextlib.suppress(pa.ArrowInvalid):
            found: list[str] = names.cast(pa.string()).to_pylist()
            return found
    return [os.fsdecode(name) for name in names.to_pylist()]  # not all are UTF-8


def _place(source: Mapping[str, Any]) -> Place | None:
    crs, transform = source.get("crs"), source.get("transform")
    return None if crs is None or transform is None else Place(crs, tuple(transform))


def _row(source: Mapping[str, Any], place: Place | None, item: Mapping[str, Any], own: Sequence[str]) -> ItemRow:
    window: list[Any] = [item.get(name) for name in WINDOW]
    bounds: list[Any] = [item.get(name) for name in BOUNDS]
    told: dict[str, Value] = {name: item[name] for name in own if item[name] is not None}
    return ItemRow(
        root=os.fsdecode(source["root"]),
        source=os.fsdecode(source["source"]),
        size=source["size"],
        mtime_ns=source["mtime_ns"],
        class_name=None if item["class"] is None else os.fsdecode(item["class"]),
        window=None if window[0] is None else Window(*window),
        place=place,
        bounds=None if bounds[0] is None else tuple(bounds),
        time=item.get("time"),
        columns=tuple(sorted(told.items())),
        geometry=item.get("geometry"),
        sha256=source["sha256"].hex(),
    )


def as_file(table: Any) -> bytes:
    """Return a table as it is written."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _table(path: Path, sha256: str | None) -> Any:
    import pyarrow as pa

    with open(path, "rb") as file:  # pyarrow's own map refuses names that are no UTF-8
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    check_digest(content, sha256)
    table = pa.ipc.open_file(pa.py_buffer(content)).read_all()
    table.validate(full=True)  # of one who wrote another digest, too
    let_go(content)  # of which a search reads some columns, or none
    return table
