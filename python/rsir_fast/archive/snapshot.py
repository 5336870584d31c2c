"""One version of an archive, open for reading: its segments mapped, and which of their rows count, in which order."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive.items import Items
from rsir_fast.archive.records import SegmentEntry, SkippedInput, Skips, Version
from rsir_fast.archive.segment import Segment
from rsir_fast.archive.tables import ItemRow
from rsir_fast.archive.versions import SEGMENT, check_file, newest, read_version, segment_folder
from rsir_fast.base.reading import as_record, reading
from rsir_fast.base.row_blocks import RowBlocks
from rsir_fast.base.shown import Shown, counted
from rsir_fast.base.text import printable
from rsir_fast.encoders.differences import differences, told
from rsir_fast.encoders.spec import Spec, parse_spec
from rsir_fast.errors import ArchiveError

__all__ = ["Snapshot", "refuse_other_encoder"]

_UNLISTED = -2
_STRETCH = 256
"""Rows that follow each other in a segment: from so many on they are a block of their own."""
_RESTORE = "restore it from a backup, or name an older version"


class Snapshot(Shown):
    """A version, never changed by what others commit.

    Parameters
    ----------
    folder : path
        The archive.
    number : int, optional
        Which version; the newest that is whole by default.
    before : Snapshot, optional
        Of the same archive: what both have is not opened, nor read, again.
    mend : bool
        Leave out segments whose files are not as they were written, which reads all of them, instead of raising.

    Attributes
    ----------
    version : Version
    spec : Spec
        The encoder of all rows.
    segments : list of Segment
    removed : ndarray of int64
        Ids that are hidden, ascending.
    ids : ndarray of int64
        Ids of the rows that count, **in the order of the data set**.
    skipped : tuple of SkippedInput
    problems : tuple of str
        What is wrong with newer versions, one line each, and with segments that are left out.

    Raises
    ------
    ArchiveError
        If there is no such version, or it is damaged.
    """

    removed: NDArray[np.int64]
    ids: NDArray[np.int64]
    skipped: tuple[SkippedInput, ...]

    def __init__(
        self, folder: str | Path, number: int | None = None, *, before: Snapshot | None = None, mend: bool = False
    ) -> None:
        self.folder = Path(folder)
        if number is None:
            self.version, self.problems = newest(self.folder, mend=mend)
        else:
            self.version, self.problems = read_version(self.folder, number), ()
        with reading(self.folder, "the spec of an archive", "use the version of rsir_fast that wrote it", ArchiveError):
            self.spec: Spec = parse_spec(self.version.spec)
        open_ones = {} if before is None else {segment.entry: segment for segment in before.segments}
        opened = [open_ones.get(entry) or self._open(entry, mend) for entry in self.version.segments]
        self.segments: list[Segment] = [segment for segment in opened if segment is not None]
        is_same = (
            before is not None
            and before.version.digest == self.version.digest
            and len(before.segments) == len(self.segments)
        )
        if before is not None and is_same and not mend:
            self.removed, self.ids, self.skipped = before.removed, before.ids, before.skipped
        else:
            self.removed = _listed(self.folder, self.version, "removed")
            self.ids = self._ordered(_live(self.segments, self.removed), mend)
            self.skipped = self._skipped()

    def _ordered(self, live: NDArray[np.int64], mend: bool) -> NDArray[np.int64]:
        """Return the ids that count in the order of the data set."""
        if self.version.order is None:
            return live
        order = _listed(self.folder, self.version, "order")
        if mend:
            order = order[np.isin(order, live)]
        if not np.array_equal(np.sort(order), live):
            raise ArchiveError(f"{self.folder}: expected an order of the {len(live)} items, got another; {_RESTORE}")
        return order

    def _open(self, entry: SegmentEntry, mend: bool) -> Segment | None:
        """Return a segment; None where it is damaged and may be left out."""
        place = segment_folder(self.folder, entry.name)
        if not mend:
            return Segment(place, entry)
        try:
            check_file(place / SEGMENT, entry.sha256)
            found = Segment(place, entry)
            found.verify()
        except ArchiveError as error:
            self.problems = (*self.problems, str(error))
            return None
        return found

    def __len__(self) -> int:
        return len(self.ids)

    def _facts(self) -> dict[str, str]:
        return {
            "encoder": self.spec.title,
            "items": counted(len(self), "item", "items"),
            "version": f"version {self.version.number}",
            "segments": counted(len(self.segments), "segment", "segments"),
            "data set": self.version.name,
        }

    def rows(self) -> list[ItemRow]:
        """Return what the rows that count are of, in the order of the data set."""
        return self.items.rows()

    @cached_property
    def items(self) -> Items:
        """What the rows that count are of, in the order of the data set."""
        return Items([segment.tables for segment in self.segments], None if self._is_all else self._places)

    @property
    def labels(self) -> NDArray[np.int64]:
        """Numbers of the classes of the rows that count (-1: none), in the order of the data set.

        Raises
        ------
        ArchiveError
            If a row has a class that the version does not list.
        """
        number = {name: place for place, name in enumerate(self.version.classes)}
        tables = [segment.tables for segment in self.segments]
        labels = [np.append([number.get(name, _UNLISTED) for name in part.classes], -1)[part.labels] for part in tables]
        found = np.concatenate([np.empty(0, np.int64), *labels]).astype(np.int64)
        if not self._is_all:
            found = found[self._places]
        if (found == _UNLISTED).any():  # of a row that counts: others may have had classes that are gone
            raise ArchiveError(f"{printable(self.folder)}: expected rows of the classes that are listed; {_RESTORE}")
        return found

    @property
    def _is_all(self) -> bool:
        """Whether all rows count, in the order of their ids."""
        return self.version.order is None and sum(map(len, self.segments)) == len(self)

    def all_rows(self) -> Iterator[tuple[int, ItemRow]]:
        """Yield id and item of every row there is, hidden ones, too, in the order of ids."""
        for segment in self.segments:
            yield from zip(segment.ids.tolist(), segment.rows, strict=True)

    def __getitem__(self, field: str) -> RowBlocks:
        """Return a field's rows that count, in the order of the data set.

        Stretches of rows that lie in this order in a segment are mapped; what lies between them is copied.

        Raises
        ------
        ValueError
            If there is no such field; the message lists them.
        """
        spec = self.spec.field(field)
        nothing = np.empty((0, spec.width), np.dtype(spec.dtype).newbyteorder("<"))
        everything = RowBlocks([nothing, *(segment[field] for segment in self.segments)])
        sizes = [len(segment) for segment in self.segments]
        if self._is_all and min(sizes, default=0) >= _STRETCH:
            return RowBlocks(everything.blocks[1:])  # without the places of all rows, which take 16 bytes a row
        at = self._places
        blocks, done = [], 0
        for first, last in self._stretches.tolist():
            if first > done:
                blocks.append(everything[at[done:first]])
            blocks.append(everything[int(at[first]) : int(at[first]) + last - first])
            done = last
        if done < len(at):
            blocks.append(everything[at[done:]])
        return RowBlocks(blocks or [nothing])

    @cached_property
    def _places(self) -> NDArray[np.int64]:
        """Of each row that counts, among the rows of all segments."""
        ids = np.concatenate([np.empty(0, np.int64), *(segment.ids for segment in self.segments)])
        return np.searchsorted(ids, self.ids)

    @cached_property
    def _stretches(self) -> NDArray[np.int64]:
        """Return where rows of one segment follow each other in the data set, [m, 2]: those worth a block."""
        at, rows = self._places, [len(segment) for segment in self.segments]
        begins = np.zeros(sum(rows) + 1, bool)
        begins[np.cumsum([0, *rows])] = True
        starts = np.flatnonzero((np.diff(at, prepend=-2) != 1) | begins[at])
        ends = np.append(starts[1:], len(at))[: len(starts)]
        worth = (ends - starts >= _STRETCH) | (len(starts) == 1)
        return np.stack([starts[worth], ends[worth]], axis=1)

    @property
    def runs(self) -> list[dict[str, Any]]:
        """How the encoder was run for the rows that count, as far as that differs; the newest last."""
        live = self.ids if self.version.order is None else np.sort(self.ids)
        found: list[dict[str, Any]] = []
        for segment in self.segments:
            first, last = np.searchsorted(live, (segment.entry.first, segment.entry.end))
            if last > first and segment.record.run and segment.record.run not in found:
                found.append(segment.record.run)
        return found

    def verify(self) -> None:
        """Compare every file of every segment with its SHA-256.

        Raises
        ------
        ArchiveError
            Naming the first that differs.
        """
        for segment in self.segments:
            segment.verify()

    def _skipped(self) -> tuple[SkippedInput, ...]:
        if self.version.skipped is None:
            return ()
        path = self.folder / "skipped" / f"{self.version.skipped}.json"
        with reading(path, "the unreadable inputs of an archive", _RESTORE, ArchiveError):
            return as_record(Skips, path.read_bytes()).inputs


def refuse_other_encoder(
    folder: Path, before: Spec, now: Spec, ignoring: Collection[str] = (), *, replaceable: bool = False
) -> None:
    """Refuse rows of another encoder; `replaceable`: the caller can be asked to replace what there is.

    Raises
    ------
    ArchiveError
        Naming in what they differ.
    """
    others = differences(before, now, ignoring)
    if others:
        raise ArchiveError(
            f"{printable(folder)} holds rows of another encoder ({told(others)}): use the same encoder, or another "
            f"folder{', or replace them (force, --force)' if replaceable else ''}"
        )


def _live(segments: Iterable[Segment], removed: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the ids that count, ascending."""
    ids = np.concatenate([np.empty(0, np.int64), *(segment.ids for segment in segments)])
    at = np.searchsorted(ids, removed)
    at = at[at < len(ids)]
    is_live = np.ones(len(ids), bool)
    is_live[at[ids[at] == removed[: len(at)]]] = False  # of a segment that is left out there are none
    return ids[is_live]


def _listed(folder: Path, version: Version, kind: Literal["removed", "order"]) -> NDArray[np.int64]:
    digest = getattr(version, kind)
    if digest is None:
        return np.empty(0, np.int64)
    path = folder / kind / f"{digest}.npy"
    with reading(path, "ids of an archive", _RESTORE, ArchiveError):
        ids: NDArray[np.int64] = np.load(path, allow_pickle=False)
        if ids.ndim != 1 or ids.dtype != np.dtype("<i8") or not (np.diff(np.sort(ids)) > 0).all():
            raise ValueError(f"{ids.dtype} {list(ids.shape)} is no list of different ids")
    return ids
