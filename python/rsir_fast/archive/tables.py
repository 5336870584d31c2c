"""The tables of a segment: sources (files, as they were) and items (what rows are of), in Arrow files that are mapped.

Apart, since many items can be of one source: the tiles of a scene. pyarrow is imported where it is used.
"""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive.inputs import Input
from rsir_fast.base.reading import reading
from rsir_fast.errors import ArchiveError

__all__ = ["ITEMS", "SOURCES", "ItemRow", "Names", "items_bytes", "read_names", "read_rows"]

SOURCES, ITEMS = "sources.arrow", "items.arrow"


@dataclass(frozen=True, kw_only=True)
class ItemRow(Input):
    """What a row is of: an input, and the SHA-256 of its content.

    Attributes
    ----------
    sha256 : str
    """

    sha256: str

    @property
    def content(self) -> tuple[str, str | None]:
        """What it shows, and what it is said to be."""
        return self.sha256, self.class_name


def items_bytes(rows: Sequence[ItemRow]) -> dict[str, bytes]:
    """Return the two files of a segment's rows."""
    import pyarrow as pa

    numbers: dict[ItemRow, int] = {}
    for row in rows:
        numbers.setdefault(row, len(numbers))
    sources = list(numbers)
    table = pa.table(
        {
            "root": pa.array([os.fsencode(source.root) for source in sources], pa.binary()),
            "source": pa.array([os.fsencode(source.source) for source in sources], pa.binary()),
            "size": pa.array([source.size for source in sources], pa.int64()),
            "mtime_ns": pa.array([source.mtime_ns for source in sources], pa.int64()),
            "sha256": pa.array([bytes.fromhex(source.sha256) for source in sources], pa.binary(32)),
        }
    )
    classes = [None if row.class_name is None else os.fsencode(row.class_name) for row in rows]
    items = pa.table(
        {
            "source": pa.array([numbers[row] for row in rows], pa.int32()),
            "class": pa.array(classes, pa.binary()).dictionary_encode(),
        }
    )
    return {SOURCES: _file(table), ITEMS: _file(items)}


def read_rows(folder: Path, rows: int, files: Mapping[str, str]) -> list[ItemRow]:
    """Return what the rows of a segment are of.

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
    with reading(folder / SOURCES, "the sources of a segment", "restore it from a backup", ArchiveError):
        sources = _table(folder / SOURCES, files.get(SOURCES))
        columns = [sources[name].to_pylist() for name in ("root", "source", "size", "mtime_ns", "sha256")]
    with reading(folder / ITEMS, "the items of a segment", "restore it from a backup", ArchiveError):
        items = _table(folder / ITEMS, files.get(ITEMS))
        of: NDArray[np.int32] = items["source"].to_numpy()
        classes = items["class"].to_pylist()
        if len(of) != rows or (rows and (of.min() < 0 or of.max() >= len(columns[0]))):
            raise ValueError(f"{len(of)} items of {len(columns[0])} sources are not the {rows} of the segment")
        return [_row(columns, int(number), name) for number, name in zip(of, classes, strict=True)]


class Names(NamedTuple):
    """What rows are of, column by column: a million rows as objects would take seconds.

    Attributes
    ----------
    sources : list of str
        Path of each row's file.
    classes : list of str
        Those that occur.
    labels : array, int64
        Of each row, into `classes`; -1 where it has none.
    """

    sources: list[str]
    classes: list[str]
    labels: NDArray[np.int64]


def read_names(folder: Path, rows: int, files: Mapping[str, str]) -> Names:
    """Return names and classes of the rows of a segment; arguments as for `read_rows`.

    Raises
    ------
    ArchiveError
        If a table cannot be read or does not fit.
    """
    with reading(folder / SOURCES, "the sources of a segment", "restore it from a backup", ArchiveError):
        sources = _table(folder / SOURCES, files.get(SOURCES))["source"].combine_chunks()
    with reading(folder / ITEMS, "the items of a segment", "restore it from a backup", ArchiveError):
        items = _table(folder / ITEMS, files.get(ITEMS))
        of: NDArray[np.int32] = items["source"].to_numpy()
        if len(of) != rows or (rows and (of.min() < 0 or of.max() >= len(sources))):
            raise ValueError(f"{len(of)} items of {len(sources)} sources are not the {rows} of the segment")
        column = items["class"].combine_chunks()
        labels = column.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        return Names(_texts(sources.take(items["source"].combine_chunks())), _texts(column.dictionary), labels)


def _texts(names: Any) -> list[str]:
    """Return the names of files, or what goes as one, that are kept as bytes."""
    import pyarrow as pa

    if sys.getfilesystemencoding() == "utf-8":
        with contextlib.suppress(pa.ArrowInvalid):
            found: list[str] = names.cast(pa.string()).to_pylist()
            return found
    return [os.fsdecode(name) for name in names.to_pylist()]  # not all are UTF-8


def _row(columns: list[list[Any]], number: int, class_name: bytes | None) -> ItemRow:
    root, source, size, mtime_ns, sha256 = (column[number] for column in columns)
    name = None if class_name is None else os.fsdecode(class_name)
    return ItemRow(os.fsdecode(root), os.fsdecode(source), size, mtime_ns, name, sha256=sha256.hex())


def _file(table: Any) -> bytes:
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
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError("its SHA-256 is not that in segment.json")
    table = pa.ipc.open_file(pa.py_buffer(content)).read_all()
    table.validate(full=True)  # of one who wrote another digest, too
    return table
