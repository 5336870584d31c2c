"""Compaction: adjacent segments become one, without the rows that are hidden; ids stay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive.changes import change_of
from rsir_fast.archive.commit import committed, following
from rsir_fast.archive.merged import kinds_of
from rsir_fast.archive.next_version import keep_ids
from rsir_fast.archive.records import SegmentEntry, Version
from rsir_fast.archive.rewritten import write_rows
from rsir_fast.archive.segment import IDS, SEGMENT_ROWS, Segment
from rsir_fast.archive.snapshot import Snapshot
from rsir_fast.archive.versions import segment_folder
from rsir_fast.archive.work import Work, take_over
from rsir_fast.base.held import remove_folder
from rsir_fast.base.ids import without
from rsir_fast.base.text import printable
from rsir_fast.encoders.fields import Frozen
from rsir_fast.errors import ArchiveError

__all__ = ["Compacted", "compact"]

_AT_ONCE = 64 << 20
"""Bytes of a field that are copied together."""


class Compacted(Frozen):
    """What a compaction did, or would do.

    Attributes
    ----------
    version : int
        That was committed, or is the newest where there was nothing to do.
    segments_before, segments : int
    dropped : int
        Rows that were hidden.
    written : int
        Rows that were copied.
    """

    version: int
    segments_before: int
    segments: int
    dropped: int
    written: int


def compact(folder: Path, *, dry_run: bool = False) -> Compacted:
    """Merge adjacent segments of the same run, and leave out hidden rows, in one commit.

    Readers and other writers go on; what they add or remove meanwhile stays so. The files that were copied are compared
    with their SHA-256 first. Their bytes go with `vacuum`, once no version needs them.

    Parameters
    ----------
    folder
        The archive.
    dry_run
        Tell what would be done.

    Raises
    ------
    ArchiveError
        If a file is damaged, or another compaction of the same segments was first: nothing is changed then.
    MachineError
        If it cannot be written.
    """
    before = Snapshot(folder)
    if any(field.name == IDS.removesuffix(".npy") for field in before.spec.fields):
        raise ArchiveError(f"{printable(folder)}: expected no field called {IDS.removesuffix('.npy')} to compact")
    groups = [group for group in _groups(before) if len(group.segments) > 1 or len(group.dropped)]
    segments = len(before.segments) - sum(len(group.segments) - bool(group.rows) for group in groups)
    counts = {
        "segments_before": len(before.segments),
        "segments": segments,
        "dropped": sum(len(group.dropped) for group in groups),
        "written": sum(group.rows for group in groups),
    }
    if dry_run or not groups:
        return Compacted(version=before.version.number, **counts)
    for work in take_over(folder, before.spec, ()):  # of compactions that were killed
        work.remove()
    work = Work.begin(folder, before.spec, {})
    made: list[str] = []
    try:
        entries: list[SegmentEntry | None] = []
        for number, group in enumerate(groups):
            made.append(f"{work.owner.nonce}-{number}")
            place = segment_folder(folder, made[-1])
            entries.append(group.write(place, before) if group.rows else None)
        version = committed(
            folder,
            lambda: Snapshot(folder, before=before),
            lambda found, number: None if found is None else _replaced(folder, found, number, groups, entries),
        )
        made.clear()
    finally:
        for name in made:
            remove_folder(segment_folder(folder, name))
        work.remove()
    return Compacted(version=before.version.number if version is None else version.number, **counts)


def _replaced(
    folder: Path, found: Snapshot, number: int, groups: Sequence[_Group], entries: Sequence[SegmentEntry | None]
) -> Version:
    """Return the version after one, with new segments in place of groups of its own."""
    segments = list(found.version.segments)
    for group, entry in zip(groups, entries, strict=True):
        old = [segment.entry for segment in group.segments]
        at = segments.index(old[0]) if old[0] in segments else 0
        if segments[at : at + len(old)] != old or np.isin(group.dropped, found.ids).any():
            raise ArchiveError(
                f"{printable(folder)}: expected its segments to stay while they were compacted, another process "
                "compacted them, or showed hidden rows again; nothing is changed: run the same command again"
            )
        segments[at : at + len(old)] = [] if entry is None else [entry]
    removed = without(found.removed, np.concatenate([group.dropped for group in groups]))
    return following(
        number,
        found.version,
        segments=tuple(segments),
        removed=keep_ids(folder, "removed", removed) if len(removed) else None,
        change=change_of("compact", found.ids, found.ids),
        timing={},
    )


def _groups(snapshot: Snapshot) -> list[_Group]:
    """Return all segments in groups, each as large as it may be."""
    groups: list[_Group] = []
    for segment in snapshot.segments:
        live = ~np.isin(segment.ids, snapshot.removed, assume_unique=True)
        if groups and groups[-1].takes(segment, live):
            groups[-1].add(segment, live)
        else:
            groups.append(_Group(segment, live))
    return groups


class _Group:
    """Adjacent segments, which of their rows stay, and how many."""

    def __init__(self, segment: Segment, live: NDArray[np.bool_]) -> None:
        self.segments: list[Segment] = []
        self.live: list[NDArray[np.bool_]] = []
        self._kinds: dict[str, Any] = {}
        self.rows = 0
        self.add(segment, live)

    def add(self, segment: Segment, live: NDArray[np.bool_]) -> None:
        self.segments.append(segment)
        self.live.append(live)
        self.rows += int(live.sum())
        self._kinds |= kinds_of(segment.tables)

    def takes(self, segment: Segment, live: NDArray[np.bool_]) -> bool:
        """Whether a segment is of the same run, its columns are of the same kinds, and there is room."""
        room = self.rows + int(live.sum()) <= SEGMENT_ROWS
        kinds = kinds_of(segment.tables)
        fits = all(self._kinds.get(name, kind) == kind for name, kind in kinds.items())
        return room and fits and self.segments[-1].record.run == segment.record.run

    @property
    def dropped(self) -> NDArray[np.int64]:
        """Ids that go."""
        return np.concatenate([one.ids[~live] for one, live in zip(self.segments, self.live, strict=True)])

    def write(self, place: Path, of: Snapshot) -> SegmentEntry:
        """Write the segment that takes their place."""
        for segment in self.segments:
            segment.verify()  # else damage would get a digest of its own
        kept = [np.flatnonzero(live) for live in self.live]
        tables = [(segment.tables, which) for segment, which in zip(self.segments, kept, strict=True)]
        ids = np.concatenate([one.ids[which] for one, which in zip(self.segments, kept, strict=True)])
        blocks = {field.name: self._blocks(field.name, kept) for field in of.spec.fields}
        return write_rows(place, of, self.segments[0].record.run, tables, ids, blocks)

    def _blocks(self, field: str, kept: list[NDArray[np.int64]]) -> Iterator[NDArray[Any]]:
        for segment, which in zip(self.segments, kept, strict=True):
            array = segment[field]
            step = max(1, _AT_ONCE // (array.shape[1] * array.itemsize))
            for first in range(0, len(which), step):
                yield array[which[first : first + step]]
