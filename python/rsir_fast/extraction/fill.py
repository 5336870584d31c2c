"""What every extraction does, whatever makes the rows: shards, progress, resumption, the finished matrix."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsir_fast.base.counts import as_count
from rsir_fast.base.meter import Meter
from rsir_fast.base.progress import OnProgress
from rsir_fast.base.shared import within
from rsir_fast.base.text import listed
from rsir_fast.datasets import Dataset
from rsir_fast.errors import FeaturesError, NoImageReadError
from rsir_fast.extraction.features import Features, Skipped
from rsir_fast.extraction.parts import Parts
from rsir_fast.extraction.stamps import Stamps
from rsir_fast.extraction.store import FeatureStore

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
        Number and reason of each unreadable one.
    """

    matrix: NDArray[np.float32] | None
    count: int
    skipped: list[tuple[int, str]]


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
    progress: OnProgress | None = None,
    timing: Callable[[], dict[str, Any]] = dict,
    keep: Mapping[str, bytes] | None = None,
) -> Features:
    """Make the features of a data set shard by shard, in memory or in a folder.

    Parameters
    ----------
    data
        The images.
    rows
        Given image numbers, yields their features in order, in parts that never cross the end of a shard.
    dim
        Length of a row.
    provenance
        Everything beside the data set and its reader that decides the matrix, JSON-able.
    shard
        Images a shard.
    out, resume, force, progress
        As for `rsir_fast.encode`.
    timing
        Called at the end for more figures of the run.
    keep
        Files that belong to the features, such as a vocabulary: written into the folder before the first shard.

    Returns
    -------
    Features

    Raises
    ------
    DatasetError
        If an image is replaced, changed or removed while the run reads it; finished shards stay.
    FeaturesError
        If the folder cannot be used; the message says why.
    NoImageReadError
        If there are images and none could be read; nothing is left in the folder.
    MachineError
        If the machine failed; finished shards stay.
    RsirError
        If `progress` stopped the run.
    """
    stamps = Stamps(data)
    if out is None:
        sink: FeatureStore | _Memory = _Memory()
    else:
        check_resumable(data, resume)
        settings = {"dataset": stamps.fingerprint(), "shard_size": shard, **_deciding(provenance)}
        sink = FeatureStore(out, settings, resume=resume, force=force)
    with sink:
        if isinstance(sink, FeatureStore):
            sink.keep(keep or {})
            if sink.is_complete:
                finished = Features.load(sink.folder, verify=False)
                # Where the images are, and of folders, what is true now.
                unread = [entry for entry in finished.skipped if not entry.item.endswith("/")]
                return replace(finished, root=data.root, skipped=(*data.unreadable, *unread))
        todo = [first for first in range(0, len(data), shard) if first not in sink.shards]
        numbers = [i for first in todo for i in range(first, min(first + shard, len(data)))]
        meter = Meter("extract", len(data), len(data) - len(numbers), progress)
        with contextlib.closing(rows(numbers)) as made:
            for first in todo:
                images = min(shard, len(data) - first)
                matrix, found = _shard(made, images, dim, meter)
                stamps.check(first, images)
                told = [(number, within(reason, data.root)) for number, reason in found]
                sink.add_shard(first, images, matrix, told)
        skipped = [number for number, _ in sink.unreadable]
        if data.items and len(skipped) == len(data):
            reasons = [Skipped(data.items[number], reason) for number, reason in sink.unreadable]
            sink.abandon()
            raise NoImageReadError(data.name, [*data.unreadable, *reasons])
        parts = sink.finish(
            items=data.items,
            labels=data.labels,
            classes=data.classes,
            name=data.name,
            root=data.root,
            dim=dim,
            provenance={**provenance, **data.reader.provenance()},
            timing=meter.timing() | timing(),
            notes=(*data.notes, *_classes_lost(data, skipped)),
            before=data.unreadable,
        )
        return Features(*parts)


def _classes_lost(data: Dataset, skipped: list[int]) -> list[str]:
    """Say of which classes no image could be read."""
    if data.labels is None or not skipped:
        return []
    left = np.bincount(np.delete(data.labels, skipped), minlength=len(data.classes))
    lost = [data.classes[label] for label in np.flatnonzero((left == 0) & (data.class_counts() > 0))]
    return [f"no image could be read of {'class' if len(lost) == 1 else 'classes'} {listed(lost)}"] if lost else []


def _deciding(provenance: dict[str, Any]) -> dict[str, Any]:
    """Leave out where the weight file lay: its SHA-256 decides the matrix."""
    weights = provenance.get("weights")
    if not isinstance(weights, dict):
        return provenance
    return {**provenance, "weights": {key: value for key, value in weights.items() if key != "source"}}


def check_resumable(data: Dataset, resume: bool) -> None:
    """Raise FeaturesError for a data set in memory that is to be resumed."""
    if resume and data.root is None:
        raise FeaturesError(
            f"{data.name}: a data set in memory cannot be known again, so it cannot be resumed; "
            "leave resume out (and force to replace), or put the images into a folder"
        )


def _shard(
    made: Iterator[Rows], images: int, dim: int, meter: Meter
) -> tuple[NDArray[np.float32], list[tuple[int, str]]]:
    """Return the features [rows, dim] of the next `images` images, and those skipped."""
    parts, skipped, count = [], [], 0
    while count < images:
        rows = next(made)
        count += rows.count
        skipped += rows.skipped
        if rows.matrix is not None:
            parts.append(rows.matrix)
        meter.add(rows.count, len(rows.skipped))
    return np.concatenate([np.empty((0, dim), np.float32), *parts]), skipped


def at_least(least: int, value: object, name: str) -> int:
    """Return a count, refused below `least`."""
    return as_count(value, name, least=least, noun="")


class _Memory:
    """Stands in for a `FeatureStore` where nothing is to be written."""

    def __init__(self) -> None:
        self.parts: list[NDArray[np.float32]] = []
        self.shards: dict[int, Any] = {}
        self.unreadable: list[tuple[int, str]] = []

    def __enter__(self) -> _Memory:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def add_shard(self, first: int, images: int, matrix: NDArray[np.float32], skipped: list[tuple[int, str]]) -> None:
        self.parts.append(matrix)
        self.unreadable += skipped

    def abandon(self) -> None:
        pass

    def finish(
        self,
        *,
        items: tuple[str, ...],
        labels: NDArray[np.int64] | None,
        dim: int,
        before: tuple[Skipped, ...],
        **rest: Any,
    ) -> Parts:
        kept = np.setdiff1d(np.arange(len(items)), [number for number, _ in self.unreadable])
        return Parts(
            table=np.concatenate([np.empty((0, dim), np.float32), *self.parts]),
            items=tuple(items[i] for i in kept),
            labels=None if labels is None else np.asarray(labels)[kept],
            skipped=(*before, *(Skipped(items[number], reason) for number, reason in self.unreadable)),
            **rest,
        )
