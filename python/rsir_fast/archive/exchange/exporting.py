"""A version of an archive for other programs: GeoParquet, GeoJSON, or a matrix with a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive.exchange.geojson import write_geojson
from rsir_fast.archive.exchange.geoparquet import write_geoparquet, write_items
from rsir_fast.archive.exchange.hilbert import hilbert_order
from rsir_fast.archive.exchange.stac import as_json, stac_item
from rsir_fast.archive.snapshot import Snapshot
from rsir_fast.base.durable import replacing
from rsir_fast.base.looking import is_file
from rsir_fast.base.text import printable
from rsir_fast.errors import ArchiveError

__all__ = ["Exported", "export"]

_BATCH = 1 << 14


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes
    ----------
    files : tuple of Path
    version : int
    rows : int
    placed : int
        Rows that have a place.
    """

    files: tuple[Path, ...]
    version: int
    rows: int
    placed: int


def export(
    archive: str | Path, file: str | Path, *, version: int | None = None, force: bool = False, field: str | None = None
) -> Exported:
    """Write a version of an archive for other programs.

    Parameters
    ----------
    archive : path
    file : path
        By its ending: ``.parquet`` is GeoParquet 1.1 with every field, place, time and column, in Hilbert order of the
        places, and an Item of STAC beside it (``.stac.json``), which `import_vectors` takes back to the same bits;
        ``.geojson`` footprints, times and columns without vectors; ``.npy`` one field, float32 [rows, width] or codes
        uint8, with ``.items.parquet`` beside it.
    version : int, optional
        Default: the newest.
    force : bool
        Replace files that are there.
    field : str, optional
        Of a matrix. Default: the one that is searched.

    Returns
    -------
    Exported

    Raises
    ------
    ArchiveError
        If there is no such version, or files are there and not `force`.
    ValueError
        For another ending, or a field that is not there.
    MachineError
        If they cannot be written; what was there stays.
    """
    path = Path(file)
    writers: dict[str, Callable[[Snapshot, Path, str | None], list[tuple[Path, _Write]]]] = {
        ".parquet": _geoparquet,
        ".geojson": _geojson,
        ".npy": _matrix,
    }
    if path.suffix not in writers:
        raise ValueError(f"file: expected a name that ends in {', '.join(writers)}, got {printable(path.name)!r}")
    if field is not None and path.suffix != ".npy":
        raise ValueError(
            f"field: expected none for {path.suffix}, which holds all or none; leave it out, or write .npy"
        )
    snapshot = Snapshot(archive, version)
    outputs = writers[path.suffix](snapshot, path, field)
    there = [place for place, _ in outputs if is_file(place)]
    if there and not force:
        raise ArchiveError(f"{printable(there[0])} is there already: name another file, or replace it (force, --force)")
    for place, write in outputs:
        with replacing(place) as to:
            write(to)
    bounds = snapshot.items.bounds
    placed = 0 if bounds is None else int(np.isfinite(bounds).all(axis=1).sum())
    return Exported(tuple(place for place, _ in outputs), snapshot.version.number, len(snapshot), placed)


_Write = Callable[[BinaryIO], Any]


def _geoparquet(snapshot: Snapshot, path: Path, field: str | None) -> list[tuple[Path, _Write]]:
    item = as_json(stac_item(snapshot, path.name, "application/vnd.apache.parquet"))
    return [
        (path, lambda file: write_geoparquet(file, snapshot, _order(snapshot))),
        (path.with_suffix(".stac.json"), lambda file: file.write(item)),
    ]


def _geojson(snapshot: Snapshot, path: Path, field: str | None) -> list[tuple[Path, _Write]]:
    return [(path, lambda file: write_geojson(file, snapshot))]


def _matrix(snapshot: Snapshot, path: Path, field: str | None) -> list[tuple[Path, _Write]]:
    searched = [each.name for each in snapshot.spec.fields if each.is_searched]
    name = field or (searched[0] if len(searched) == 1 else snapshot.spec.searched().name)
    rows = snapshot[snapshot.spec.field(name).name]

    def write(file: BinaryIO) -> None:
        header = {"descr": np.dtype(rows.dtype).newbyteorder("<").str, "fortran_order": False, "shape": rows.shape}
        np.lib.format.write_array_header_1_0(file, header)
        for first in range(0, len(rows), _BATCH):
            file.write(np.ascontiguousarray(rows[first : first + _BATCH]).data)

    return [(path, write), (path.with_suffix(".items.parquet"), lambda file: write_items(file, snapshot))]


def _order(snapshot: Snapshot) -> NDArray[np.int64]:
    bounds = snapshot.items.bounds
    if bounds is None:
        return np.arange(len(snapshot))
    west, south, east, north = bounds.T
    middle = np.where(west > east, (west + east + 360) / 2, (west + east) / 2)
    return hilbert_order((middle + 180) % 360 - 180, (south + north) / 2)
