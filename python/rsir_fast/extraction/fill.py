"""What every extraction does, whatever makes the rows: parts, progress, resumption, the finished features."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive import Features
from rsir_fast.archive.columns import split
from rsir_fast.base.counts import as_count
from rsir_fast.base.meter import Meter
from rsir_fast.base.progress import OnProgress
from rsir_fast.base.shared import within
from rsir_fast.base.text import listed
from rsir_fast.datasets import Dataset, Skipped
from rsir_fast.datasets.skipped import Unread
from rsir_fast.errors import FeaturesError, NoImageReadError
from rsir_fast.extraction.sinks import Sink, sink_for
from rsir_fast.extraction.stamps import Stamps

__all__ = ["Rows", "at_least", "check_resumable", "fill"]


@dataclass(frozen=True)
class Rows:
    """The features of some consecutive images.

    Attributes
    ----------
    matrix
        Float32 [m, dim], the readable ones in order; None if there are none.
    count
        Images asked for, readable or not.
    skipped
        The others, and why.
    """

    matrix: NDArray[np.float32] | None
    count: int
    skipped: list[Unread]


def fill(
    data: Dataset,
    rows: Callable[[Sequence[int]], Generator[Rows, None, None]],
    *,
    dim: int,
    provenance: dict[str, Any],
    shard: int,
    out: Path | None = None,
    resume: bool = False,
    force: bool = False,
    mirror: bool = True,
    progress: OnProgress | None = None,
    timing: Callable[[], dict[str, Any]] = dict,
    keep: Mapping[str, bytes] | None = None,
) -> Features:
    """Make the features of a data set part by part, in memory or into an archive.

    Parameters
    ----------
    data
        The images.
    rows
        Given image numbers, yields their features in order, in parts that never cross the end of a shard of them.
    dim
        Length of a row.
    provenance
        Everything beside the data set and its reader that decides the matrix, JSON-able.
    shard
        Images that are written at a time: what an interruption can lose.
    out, resume, force, mirror, progress
        As for `rsir_fast.encode`.
    timing
        Called at the end for more figures of the run.
    keep
        Files that belong to the features, such as a vocabulary: written into the archive before the first part.

    Returns
    -------
    Features

    Raises
    ------
    DatasetError
        If an image is replaced, changed or removed while the run reads it; finished parts stay.
    FeaturesError
        If the folder cannot be used; the message says why.
    NoImageReadError
        If there are images and none could be read; nothing is left in the folder.
    MachineError
        If the machine failed; finished parts stay.
    RsirError
        If `progress` stopped the run.
    """
    if out is not None:
        check_resumable(data, resume)
    stamps = Stamps(data)
    with sink_for(data, stamps, provenance, dim, out=out, resume=resume, force=force, mirror=mirror, keep=keep) as sink:
        figures = _encode(data, rows, sink, stamps, provenance, dim, shard, progress) if sink.todo else {}
        if sink.skipped and len(sink.skipped) + len(sink.empty) == len(data):
            reasons = [Skipped(data.items[number], reason) for number, reason in sink.skipped]
            sink.abandon()
            raise NoImageReadError(data.name, [*data.unreadable, *reasons])
        skipped = [number for number, _ in sink.skipped]
        notes = (*data.notes, *_classes_lost(data, skipped))
        return Features(*sink.finish(notes, figures | timing() if figures else {}))


def _encode(
    data: Dataset,
    rows: Callable[[Sequence[int]], Generator[Rows, None, None]],
    sink: Sink,
    stamps: Stamps,
    provenance: dict[str, Any],
    dim: int,
    shard: int,
    progress: OnProgress | None,
) -> dict[str, Any]:
    """Make what is to do, part by part; return figures of the run."""
    todo = sink.todo
    meter = Meter("extract", len(data), len(data) - len(todo), progress)
    with contextlib.closing(rows(todo)) as made:
        for first in range(0, len(todo), shard):
            some = todo[first : first + shard]
            matrix, found = _part(made, len(some), dim, meter)
            stamps.check(some)
            told = [each._replace(reason=within(each.reason, data.root)) for each in found]
            unread = {each.number for each in told}
            read = [number for number in some if number not in unread]
            sink.add(read, split(data.name, provenance, matrix), told)
    return meter.timing()


def _classes_lost(data: Dataset, skipped: list[int]) -> list[str]:
    """Say of which classes no image could be read."""
    if data.labels is None or not skipped:
        return []
    left = np.bincount(np.delete(data.labels, skipped), minlength=len(data.classes))
    lost = [data.classes[label] for label in np.flatnonzero((left == 0) & (data.class_counts() > 0))]
    return [f"no image could be read of {'class' if len(lost) == 1 else 'classes'} {listed(lost)}"] if lost else []


def check_resumable(data: Dataset, resume: bool) -> None:
    """Raise FeaturesError for a data set in memory that is to be resumed."""
    if resume and data.root is None:
        raise FeaturesError(
            f"{data.name}: a data set in memory cannot be known again, so it cannot be resumed; "
            "leave resume out (and force to replace), or put the images into a folder"
        )


def _part(made: Iterator[Rows], images: int, dim: int, meter: Meter) -> tuple[NDArray[np.float32], list[Unread]]:
    """Return the features [rows, dim] of the next `images` images, and those skipped."""
    parts: list[NDArray[np.float32]] = []
    skipped: list[Unread] = []
    count = 0
    while count < images:
        rows = next(made)
        count += rows.count
        skipped += rows.skipped
        if rows.matrix is not None:
            parts.append(rows.matrix)
        meter.add(rows.count, sum(not each.empty for each in rows.skipped))
    return np.concatenate([np.empty((0, dim), np.float32), *parts]), skipped


def at_least(least: int, value: object, name: str) -> int:
    """Return a count, refused below `least`."""
    return as_count(value, name, least=least, noun="")
