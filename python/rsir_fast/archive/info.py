"""What there is to know of an archive: what it holds, where on Earth and when, and how it came to be."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive.records import Change, NameOnDisk
from rsir_fast.archive.snapshot import Snapshot
from rsir_fast.archive.versions import numbers, refuse_no_archive, version_file
from rsir_fast.base.objects import url_of_path
from rsir_fast.base.reading import reading
from rsir_fast.encoders.fields import FieldSpec, Frozen
from rsir_fast.errors import ArchiveError

__all__ = ["Info", "LogEntry", "describe", "extent", "history"]


class Info(Frozen):
    """What a version of an archive holds.

    Attributes
    ----------
    folder : str
    version, versions : int
        Its number, and how many there are.
    created : str
        When it was committed (UTC).
    data_set, encoder : str
        Names.
    digest : str
        SHA-256 of what the encoder means.
    normalize : {"none", "row"}
        With what vectors are searched.
    items, hidden : int
        Rows that count, and rows that were removed and still take room.
    skipped, empty : int
        Inputs that could not be read, and inputs that show nothing.
    classes : dict
        Items of each class, in the order of the data set.
    roots : dict
        Folders of the sources, by name.
    bounds : tuple of float or None
        West, south, east, north of all items, degrees (WGS 84); west > east crosses the antimeridian.
    times : tuple of str or None
        When the first and the last were taken (UTC).
    columns : tuple of str
        That items have beside these.
    fields : tuple of FieldSpec
    segments : int
    runs : tuple of dict
        How the encoder was run for the rows that count, as far as runs differ.
    bytes : int
        On disk, of all versions together.
    overhead : float
        Bytes on disk beside the fields of rows that count, as a share of those.
    problems : tuple of str
        What is wrong with newer versions.
    """

    folder: NameOnDisk
    version: int
    versions: int
    created: str
    data_set: NameOnDisk
    encoder: str
    digest: str
    normalize: str
    items: int
    hidden: int
    skipped: int
    empty: int
    classes: dict[NameOnDisk, int]
    roots: dict[NameOnDisk, NameOnDisk]
    bounds: tuple[float, float, float, float] | None
    times: tuple[str, str] | None
    columns: tuple[str, ...]
    fields: tuple[FieldSpec, ...]
    segments: int
    runs: tuple[dict[str, Any], ...]
    bytes: int
    overhead: float
    problems: tuple[NameOnDisk, ...]


class LogEntry(Frozen):
    """One version.

    Attributes
    ----------
    version : int
    created : str
        When it was committed (UTC).
    change : Change or None
        What it did to the version before; None where it was not told.
    problem : str or None
        Why it cannot be read: then nothing else is known.
    """

    version: int
    created: str | None = None
    change: Change | None = None
    problem: NameOnDisk | None = None


def describe(snapshot: Snapshot) -> Info:
    """Return what there is to know of a version; reads its tables, and no vectors."""
    version = snapshot.version
    labels = snapshot.labels
    counts = np.bincount(labels[labels >= 0], minlength=len(version.classes)).tolist()
    row = sum(np.dtype(field.dtype).itemsize * field.width for field in snapshot.spec.fields)
    size, needed = folder_bytes(snapshot.folder), row * len(snapshot)
    return Info(
        folder=str(snapshot.folder),
        version=version.number,
        versions=len(numbers(snapshot.folder)),
        created=version.created,
        data_set=version.name,
        encoder=snapshot.spec.title,
        digest=snapshot.spec.digest(),
        normalize=version.normalize,
        items=len(snapshot),
        hidden=sum(map(len, snapshot.segments)) - len(snapshot),
        skipped=sum(not unread.empty for unread in snapshot.skipped),
        empty=sum(unread.empty for unread in snapshot.skipped),
        classes=dict(zip(version.classes, counts, strict=True)),
        roots={name: url_of_path(folder) for name, folder in version.roots.items()},
        bounds=extent(snapshot.items.bounds),
        times=_times(snapshot),
        columns=snapshot.items.columns,
        fields=snapshot.spec.fields,
        segments=len(snapshot.segments),
        runs=tuple(snapshot.runs),
        bytes=size,
        overhead=(size - needed) / needed if needed else 0.0,
        problems=snapshot.problems,
    )


def history(folder: Path) -> list[LogEntry]:
    """Return the versions that there are, the oldest first; reads nothing but them.

    Raises
    ------
    ArchiveError
        If there are none; what is damaged is an entry.
    """
    refuse_no_archive(folder)
    found = []
    for number in numbers(folder):
        try:
            version = version_file(folder, number)
        except ArchiveError as error:
            found.append(LogEntry(version=number, problem=str(error)))
            continue
        found.append(LogEntry(version=number, created=version.created, change=version.change))
    return found


def folder_bytes(folder: Path) -> int:
    """Add up the sizes of all files in a folder; what another process removes meanwhile is passed over."""
    total = 0

    def failed(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise error

    with reading(folder, "an archive", "check its permissions", ArchiveError):
        for place, _, names in os.walk(folder, onerror=failed):
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    total += os.lstat(os.path.join(place, name)).st_size
    return total


def extent(bounds: NDArray[np.float64] | None) -> tuple[float, float, float, float] | None:
    """Return the smallest box around boxes on the globe; None where there are none.

    Parameters
    ----------
    bounds : array, float64 [n, 4], or None
        West, south, east, north in degrees; west > east crosses the antimeridian; NaN: none.

    Examples
    --------
    >>> extent(np.array([[10.0, 0, 20, 5], [15, -5, 30, 2], [np.nan] * 4]))
    (10.0, -5.0, 30.0, 5.0)
    >>> extent(np.array([[170.0, 0, 175, 1], [-178, 0, -170, 1]]))
    (170.0, 0.0, -170.0, 1.0)
    """
    there = None if bounds is None else bounds[~np.isnan(bounds).any(axis=1)]
    if there is None or not len(there):
        return None
    west, south, east, north = there.T
    start = np.argsort(west)
    west, reach = west[start], np.where(east < west, east + 360, east)[start]
    around = reach.max() - 360  # what comes round the globe
    covered = np.maximum.accumulate(np.append(around, reach[:-1]))
    gap = west - covered
    at = int(gap.argmax())
    if gap[at] <= 0:
        return -180.0, float(south.min()), 180.0, float(north.max())
    last = east[start][reach.argmax()] if covered[at] == around else covered[at]
    return float(west[at]), float(south.min()), float(last), float(north.max())


def _times(snapshot: Snapshot) -> tuple[str, str] | None:
    if "time" not in snapshot.items.columns:
        return None
    import pyarrow.compute as pc

    span = pc.min_max(snapshot.items.column("time")).as_py()
    return None if span["min"] is None else (span["min"].isoformat(), span["max"].isoformat())
