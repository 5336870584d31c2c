"""Segments: rows that are written once, with all that tells what they are, and mapped for ever after."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive.item_rows import Row, tables_of
from rsir_fast.archive.records import SegmentEntry, SegmentRecord, as_json
from rsir_fast.archive.sidecars import read_sidecar, sidecar_name, write_sidecars
from rsir_fast.archive.tables import ITEMS, SOURCES, ItemRow, Tables, as_file
from rsir_fast.archive.versions import SEGMENT
from rsir_fast.base.digests import check_digest, check_file_digest, file_digest
from rsir_fast.base.looking import is_folder
from rsir_fast.base.placed import add_file, adding, place_folder, placing_folder
from rsir_fast.base.reading import read_record, reading
from rsir_fast.base.text import printable
from rsir_fast.encoders.fields import FieldSpec
from rsir_fast.encoders.spec import Spec
from rsir_fast.errors import ArchiveError
from rsir_fast.ops import Sidecar

__all__ = ["IDS", "SEGMENT_ROWS", "Segment", "map_array", "place_segment", "write_arrays", "write_segment"]

IDS = "ids.npy"
"""Of rows that a compaction left, whose ids do not follow each other."""

SEGMENT_ROWS = 1 << 20
"""A segment has no more."""

_RESTORE = "restore it from a backup, or make the features anew in another folder"


def write_segment(
    place: Path,
    spec: Spec,
    run: Mapping[str, Any],
    rows: Iterable[Row],
    blocks: Mapping[str, Iterable[NDArray[Any]]],
    normalize: str = "none",
) -> str:
    """Write a segment: all of it is on the disk before it has its name.

    Parameters
    ----------
    place
        ``segments/NAME``; what is there is left as it is.
    spec, run
        What the rows mean, and how they were made.
    rows
        What they are of, each read once.
    blocks
        By field, its rows in consecutive blocks [m, width]; read one after the other.
    normalize
        With what vectors are searched: integer copies of them are kept.

    Returns
    -------
    str
        SHA-256 of its segment.json.

    Raises
    ------
    ArchiveError
        If a column has values of several kinds.
    MachineError
        If it cannot be written; nothing is left under its name.
    """
    tables = Tables(*tables_of(rows))
    files = {SOURCES: as_file(tables.sources), ITEMS: as_file(tables.items)}
    return place_segment(place, spec, run, len(tables), files, blocks, normalize)


def place_segment(
    place: Path,
    spec: Spec,
    run: Mapping[str, Any],
    rows: int,
    tables: Mapping[str, bytes],
    blocks: Mapping[str, Iterable[NDArray[Any]]],
    normalize: str,
) -> str:
    """Write a segment whose other files than those of fields are there already, by name; as `write_segment`."""
    if not is_folder(place):
        with placing_folder(place) as workshop:
            files = {}
            for name, content in tables.items():
                add_file(workshop / name, content)
                files[name] = hashlib.sha256(content).hexdigest()
            files |= write_arrays(workshop, spec.fields, rows, blocks)
            arrays = {field.name: map_array(workshop / f"{field.name}.npy", field, rows) for field in spec.fields}
            record = SegmentRecord(
                rows=rows,
                fields=spec.fields,
                encoder=spec.digest(),
                run=dict(run),
                files=files,
                sidecars=write_sidecars(workshop, spec, arrays, files, normalize),
            )
            add_file(workshop / SEGMENT, as_json(record))
            place_folder(workshop, place)
    with reading(place / SEGMENT, "a segment of an archive", _RESTORE, ArchiveError):
        return file_digest(place / SEGMENT)


def write_arrays(
    folder: Path, fields: Iterable[FieldSpec], rows: int, blocks: Mapping[str, Iterable[NDArray[Any]]]
) -> dict[str, str]:
    """Write one .npy a field, block by block, into a new folder; return their SHA-256 by name."""
    files = {}
    for field in fields:
        path = folder / f"{field.name}.npy"
        dtype = _dtype(field)
        digest = hashlib.sha256()
        with adding(path, size=rows * field.width * dtype.itemsize) as file:
            header = _Header()
            np.lib.format.write_array_header_1_0(
                header, {"descr": dtype.str, "fortran_order": False, "shape": (rows, field.width)}
            )
            file.write(header.content)
            digest.update(header.content)
            for block in blocks[field.name]:
                content = _bytes(block, field)
                file.write(content.data)
                digest.update(content.data)
        files[path.name] = digest.hexdigest()
    return files


class _Header:
    """Takes what NumPy writes before an array."""

    def __init__(self) -> None:
        self.content = b""

    def write(self, content: bytes) -> None:
        self.content += content


def _dtype(field: FieldSpec) -> np.dtype[Any]:
    return np.dtype(field.dtype).newbyteorder("<")


def _bytes(block: NDArray[Any], field: FieldSpec) -> NDArray[Any]:
    if block.ndim != 2 or block.shape[1] != field.width or block.dtype != np.dtype(field.dtype):
        raise ValueError(
            f"field {field.name}: expected {field.dtype} [rows, {field.width}], got {block.dtype} {list(block.shape)}"
        )
    return np.ascontiguousarray(block, dtype=_dtype(field)).reshape(-1).view(np.uint8)


def map_array(path: Path, field: FieldSpec, rows: int) -> NDArray[Any]:
    """Return the rows of a field, mapped and read-only.

    Raises
    ------
    ArchiveError
        If the file is missing or not of this shape and type.
    """
    with reading(path, f"the field {field.name}", _RESTORE, ArchiveError):
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        if array.shape != (rows, field.width) or array.dtype != _dtype(field) or not array.flags.c_contiguous:
            raise ValueError(f"{array.dtype} {list(array.shape)} is not {field.dtype} [{rows}, {field.width}]")
    return array


class Segment:
    """A segment of a version, its files mapped.

    Attributes
    ----------
    entry : SegmentEntry
        Its name, and the ids of its rows.
    record : SegmentRecord
    folder : Path
    """

    def __init__(self, folder: Path, entry: SegmentEntry) -> None:
        self.folder = folder
        self.entry = entry
        self.record = self.recorded(folder)
        if self.record.rows != entry.rows:
            raise ArchiveError(f"{printable(folder)}: expected {entry.rows} rows, got {self.record.rows}; {_RESTORE}")
        self._arrays = {
            field.name: map_array(folder / f"{field.name}.npy", field, entry.rows) for field in self.record.fields
        }
        self._sidecars: dict[str, Sidecar | None] = {}
        self._ids = self.ids_in(folder, entry, self.record) if IDS in self.record.files else None

    @staticmethod
    def recorded(folder: Path) -> SegmentRecord:
        """Return what vouches for a segment.

        Raises
        ------
        ArchiveError
            If it cannot be read.
        """
        return read_record(SegmentRecord, folder / SEGMENT, "a segment of an archive", _RESTORE, ArchiveError)

    def __len__(self) -> int:
        return self.entry.rows

    @property
    def ids(self) -> NDArray[np.int64]:
        """Of its rows, ascending."""
        if self._ids is not None:
            return self._ids
        return np.arange(self.entry.first, self.entry.first + self.entry.rows, dtype=np.int64)

    @staticmethod
    def ids_in(folder: Path, entry: SegmentEntry, record: SegmentRecord) -> NDArray[np.int64]:
        """Return the ids that a compaction left.

        Raises
        ------
        ArchiveError
            If they are not as they were written.
        """
        path = folder / IDS
        with reading(path, "the ids of a segment", _RESTORE, ArchiveError):
            content = path.read_bytes()
            check_digest(content, record.files[IDS])
            ids: NDArray[np.int64] = np.load(io.BytesIO(content), allow_pickle=False)
            inside = len(ids) == entry.rows and entry.first <= ids[0] and ids[-1] < entry.end
            if not inside or (np.diff(ids) <= 0).any():
                raise ValueError(f"they are not {entry.rows} ids from {entry.first} to {entry.end}")
        return ids

    def __getitem__(self, field: str) -> NDArray[Any]:
        """Return all rows of a field, those that the version hides, too."""
        return self._arrays[field]

    def sidecar(self, field: str, normalize: str) -> Sidecar | None:
        """Return the integer copy of a field that was saved, mapped; None where there is none that is sound."""
        name = sidecar_name(field, normalize)
        if name in self.record.sidecars and name not in self._sidecars:
            digest = self.record.files[f"{field}.npy"]
            self._sidecars[name] = read_sidecar(self.folder / name, self.record.sidecars[name], digest)
        return self._sidecars.get(name)

    @cached_property
    def tables(self) -> Tables:
        """What its rows are of; mapped, read when it is asked for first."""
        return Tables.read(self.folder, self.entry.rows, self.record.files)

    @property
    def rows(self) -> list[ItemRow]:
        """What its rows are of, an object each."""
        return self.tables.rows()

    def verify(self) -> None:
        """Compare every file with its SHA-256, which reads all of them.

        Raises
        ------
        ArchiveError
            Naming the first that differs.
        """
        for name, sha256 in self.record.files.items():
            with reading(self.folder / name, "a file of an archive", _RESTORE, ArchiveError):
                check_file_digest(self.folder / name, sha256)
