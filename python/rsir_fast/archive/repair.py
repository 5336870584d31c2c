"""Repair: what damage took is made again where it can be, under the same ids, in a new version."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive.changes import change_of
from rsir_fast.archive.commit import committed, following
from rsir_fast.archive.next_version import keep_ids
from rsir_fast.archive.records import NameOnDisk, SegmentEntry, Version
from rsir_fast.archive.rewritten import write_rows
from rsir_fast.archive.segment import Segment
from rsir_fast.archive.sidecars import check_sidecar, mend_sidecar
from rsir_fast.archive.snapshot import Snapshot
from rsir_fast.archive.tables import ItemRow, Tables
from rsir_fast.archive.verify import Damage, verify
from rsir_fast.archive.versions import SEGMENT, check_file, numbers, segment_folder, version_file
from rsir_fast.archive.work import Work
from rsir_fast.base.held import remove_folder
from rsir_fast.base.ids import without
from rsir_fast.base.text import printable
from rsir_fast.encoders.fields import Frozen
from rsir_fast.errors import ArchiveError, RsirError

__all__ = ["Again", "Made", "Repaired", "repair"]


@dataclass(frozen=True)
class Made:
    """Rows that were encoded again.

    Attributes
    ----------
    arrays : mapping of ndarray
        By field, a row for each that was asked for.
    run : mapping
        How the encoder was run.
    """

    arrays: Mapping[str, NDArray[Any]]
    run: Mapping[str, Any]


Again: TypeAlias = Callable[[Snapshot, Sequence[ItemRow], Mapping[str, Any]], Made]
"""Encodes items again, in their order and as a run did; raises RsirError, saying why, where it cannot make them all."""


class Repaired(Frozen):
    """What was mended.

    Attributes
    ----------
    version : int
        The newest now.
    mended : tuple of str
        Files that are whole again, or whose rows the newest version has in a new segment.
    restored, encoded : int
        Rows found in another segment, and rows encoded again.
    left : tuple of Damage
        What is still damaged in the newest version, and why.
    older : tuple of str
        Damaged files that only older versions need: they go with `vacuum`.
    """

    version: int
    mended: tuple[NameOnDisk, ...]
    restored: int
    encoded: int
    left: tuple[Damage, ...]
    older: tuple[NameOnDisk, ...]


def repair(folder: Path, again: Again) -> Repaired:
    """Make again what is damaged in the newest version, as far as that can be.

    Integer copies are made of their vectors. Rows of a damaged segment are taken from another that holds them (what was
    compacted, or an older version has), else encoded again, all of a segment's or none; the new segment has their ids.

    Raises
    ------
    ArchiveError
        If no version is whole, but for its segments.
    MachineError
        If it cannot be written.
    """
    before = verify(folder)
    copies = [damage.file for damage in before.damaged if damage.file.endswith(".sidecar")]
    mended = [file for file in copies if _mend_sidecar(folder / file)]
    found = Snapshot(folder, mend=True)
    is_newest = found.version.number == numbers(folder)[-1]  # else what it changed would be undone
    whole = {segment.entry for segment in found.segments}
    lost = [entry for entry in found.version.segments if is_newest and entry not in whole]
    counts, why = {"restored": 0, "encoded": 0}, {}
    others = _others(folder, found.version) if lost else []
    for entry in lost:
        try:
            how, count = _mend_segment(folder, found, entry, others, again)
            counts[how] += count
        except RsirError as error:  # noqa: PERF203 (few)
            why[entry.name] = str(error)
    number = numbers(folder)[-1]
    still = {damage.file: damage for damage in verify(folder, number).damaged}
    mended += [damage.file for damage in before.damaged if found.version.number in damage.versions and
               damage.file not in still and damage.file not in mended]  # fmt: skip
    left = [
        damage.model_copy(update={"problem": why.get(damage.file.split("/")[1], damage.problem)})
        for damage in still.values()
    ]
    older = [damage.file for damage in before.damaged if damage.file not in still and damage.file not in mended]
    return Repaired(version=number, mended=tuple(mended), left=tuple(left), older=tuple(older), **counts)


def _mend_sidecar(path: Path) -> bool:
    """Make an integer copy again, if its vectors are sound; whether it has the bytes that were written first."""
    try:
        record = Segment.recorded(path.parent)
        field = path.name.rsplit(".", 2)[0]
        check_file(path.parent / f"{field}.npy", record.files[f"{field}.npy"])
        mend_sidecar(path, record.sidecars[path.name], path.parent / f"{field}.npy", record.files[f"{field}.npy"])
        check_sidecar(path, record.sidecars[path.name])
    except ArchiveError:
        return False
    return True


def _others(folder: Path, version: Version) -> list[Segment]:
    """Return the sound segments that only other versions name."""
    entries: dict[SegmentEntry, None] = {}
    for number in numbers(folder):
        with contextlib.suppress(ArchiveError):
            entries |= dict.fromkeys(version_file(folder, number).segments)
    return [segment for entry in entries if entry not in version.segments for segment in _sound(folder, entry)]


def _sound(folder: Path, entry: SegmentEntry) -> Iterator[Segment]:
    place = segment_folder(folder, entry.name)
    try:
        check_file(place / SEGMENT, entry.sha256)
        segment = Segment(place, entry)
        segment.verify()
    except ArchiveError:
        return
    yield segment


def _mend_segment(
    folder: Path, found: Snapshot, entry: SegmentEntry, others: Sequence[Segment], again: Again
) -> tuple[str, int]:
    """Commit a version with the rows of a damaged segment in a new one; how they came, and how many."""
    place = segment_folder(folder, entry.name)
    ids = _ids(place, entry)
    live = without(ids, found.removed)
    parts = _elsewhere(live, others)
    if parts is not None:
        tables = [(segment.tables, which) for segment, which in parts]
        blocks = {f.name: [segment[f.name][which] for segment, which in parts] for f in found.spec.fields}
        how, run = "restored", parts[0][0].record.run if parts else {}
    else:
        check_file(place / SEGMENT, entry.sha256)
        record = Segment.recorded(place)
        own = Tables.read(place, entry.rows, record.files)
        which = np.searchsorted(ids, live)
        made = again(found, own.rows(which), record.run)
        tables, how, run = [(own, which)], "encoded", dict(made.run)
        blocks = {field.name: [made.arrays[field.name]] for field in found.spec.fields}
    work = Work.begin(folder, found.spec, run)
    new_place = segment_folder(folder, f"{work.owner.nonce}-0")
    try:
        new = write_rows(new_place, found, run, tables, live, blocks) if len(live) else None
        committed(
            folder,
            lambda: Snapshot(folder, mend=True),
            lambda now, number: None if now is None else _replaced(folder, now, number, entry, new, without(ids, live)),
        )
    except BaseException:
        remove_folder(new_place)
        raise
    finally:
        work.remove()
    return how, len(live)


def _replaced(
    folder: Path,
    now: Snapshot,
    number: int,
    entry: SegmentEntry,
    new: SegmentEntry | None,
    dropped: NDArray[np.int64],
) -> Version:
    """Return the version after one, with a new segment in place of a damaged one whose hidden rows are dropped."""
    segments = list(now.version.segments)
    if entry not in segments or len(without(dropped, now.removed)):
        raise ArchiveError(
            f"{printable(folder)}: expected its segments to stay while they were mended, another process changed them; "
            "run the same command again"
        )
    at = segments.index(entry)
    segments[at : at + 1] = [] if new is None else [new]
    removed = without(now.removed, dropped)
    there = np.arange(sum(segment.rows for segment in segments) - len(removed))
    return following(
        number,
        now.version,
        segments=tuple(segments),
        removed=keep_ids(folder, "removed", removed) if len(removed) else None,
        change=change_of("repair", there, there),
        timing={},
    )


def _ids(place: Path, entry: SegmentEntry) -> NDArray[np.int64]:
    """Return the ids of a segment whose vectors may be damaged."""
    if entry.until is None:
        return np.arange(entry.first, entry.first + entry.rows, dtype=np.int64)
    check_file(place / SEGMENT, entry.sha256)
    return Segment.ids_in(place, entry, Segment.recorded(place))


def _elsewhere(ids: NDArray[np.int64], others: Sequence[Segment]) -> list[tuple[Segment, NDArray[np.int64]]] | None:
    """Return other segments and rows of theirs that are these, in the order of ids; None where one is in none."""
    of = np.full(len(ids), -1)
    rows = np.zeros(len(ids), np.int64)
    for number, segment in enumerate(others):
        theirs = segment.ids
        at = np.minimum(np.searchsorted(theirs, ids), len(theirs) - 1)
        hit = (theirs[at] == ids) & (of < 0)
        of[hit], rows[hit] = number, at[hit]
    if (of < 0).any():
        return None
    starts = np.flatnonzero(np.diff(of, prepend=-1))
    ends = [*starts[1:].tolist(), len(ids)]
    return [(others[of[a]], rows[a:b]) for a, b in zip(starts.tolist(), ends, strict=True)]
