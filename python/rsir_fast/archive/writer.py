"""Writing: an archive becomes what its inputs are, in one commit, whatever other writers do meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive.commit import committed
from rsir_fast.archive.inputs import About, Input, refuse_others
from rsir_fast.archive.next_version import next_version
from rsir_fast.archive.records import PartRow, SkippedInput, Version
from rsir_fast.archive.segment import SEGMENT_ROWS, write_segment
from rsir_fast.archive.settle import Content, Known, Settled, Wanted, settle
from rsir_fast.archive.snapshot import Snapshot, refuse_other_encoder
from rsir_fast.archive.tables import ItemRow
from rsir_fast.archive.versions import is_archive, segment_folder
from rsir_fast.archive.work import Part, Work, blocks_of, take_over
from rsir_fast.base.held import remove_folder
from rsir_fast.base.ids import without
from rsir_fast.base.text import printable
from rsir_fast.encoders.spec import Spec
from rsir_fast.errors import ArchiveError

__all__ = ["Writer"]

_Made = tuple[str, NDArray[np.int64], str]
"""A segment that is not committed yet: its name, the numbers of its inputs, the SHA-256 of its record."""


class Writer:
    """Makes an archive hold the rows of all inputs, and of nothing else or (`keeping`) of what it held.

    By `todo`, `add` and `commit`.

    A context manager. Other writers may work at the same time: nobody waits, and the last to commit wins. What is added
    is on the disk at once; after a kill, or without `commit`, the next writer of the same encoder goes on with it.

    Parameters
    ----------
    folder : path
        An archive, or a new or empty folder.
    spec : Spec
        What the rows mean; that of the archive.
    run : mapping
        How the encoder is run, JSON-able.
    inputs : sequence of Input
        In the order of the data set; each key once.
    about : About
        The data set.
    sha256 : callable
        Returns the SHA-256 of an input's content by its number.
    normalize : {"none", "row"}, optional
        With what vectors are searched by default; fixed when the archive is made, ``"row"`` by default.
    check : bool
        Compare the content of files whose size and time are the same, too.
    try_again : callable, optional
        Given the limits under which an input was skipped, tells whether to try it again.
    mend : bool
        Compare all files of the archive with their digests first, which reads them; rows that are damaged are made
        again.
    keeping : bool
        Whether all that the archive holds beside the inputs stays as it is; else it is removed.
    before : Snapshot, optional
        A version that is open: what it shares with the newest is not read again.

    Attributes
    ----------
    replaces_all : bool
        Whether the archive has items, and none of them is among the inputs: they may be another data set's.

    Raises
    ------
    ArchiveError
        If the folder holds something else, or rows of another encoder.
    MachineError
        If it cannot be read or written.
    """

    def __init__(
        self,
        folder: str | Path,
        spec: Spec,
        run: Mapping[str, Any],
        inputs: Sequence[Input],
        *,
        about: About,
        sha256: Callable[[int], str],
        normalize: Literal["none", "row"] | None = None,
        check: bool = False,
        try_again: Callable[[Mapping[str, float]], bool] = lambda limits: False,
        mend: bool = False,
        keeping: bool = False,
        before: Snapshot | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.spec, self.run, self.inputs = spec, dict(run), inputs
        self._about, self._mend, self._keeping = about, mend, keeping
        self._normalize, self._sha256 = normalize, sha256
        self._numbers = {each.key: number for number, each in enumerate(inputs)}
        if len(self._numbers) < len(inputs):
            raise ValueError("inputs: expected each key once")
        if not is_archive(self.folder):
            refuse_others(self.folder)
        self._before = None if mend else before
        before = self._newest()
        self._works = take_over(self.folder, spec, self._numbers.keys())
        self._own: Work | None = None
        self._known_of: tuple[str, Known] = ("", Known())
        self._contents: dict[int, str] = {}  # SHA-256 of the inputs that have a row, or will
        self._skipped: dict[int, SkippedInput] = {}
        known = self._known(before)
        kept = {} if before is None else {each.key: each for each in before.skipped}
        is_other = known.keys.isdisjoint(self._numbers)
        self.replaces_all = bool(inputs and before is not None and before.segments) and not keeping and is_other
        try:
            for work in self._works:
                for part in work.parts:
                    self._take(part)
            for key, number in self._numbers.items() if known.keys or kept else ():
                if key in known.keys or key in kept:
                    self._recognise(number, inputs[number], known, kept.get(key), check, try_again)
        except BaseException:
            self.close()  # else this process would seem to be at it as long as it lives
            raise

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the work; what is written stays for the next writer."""
        for work in self._all_works():
            work.close()

    @property
    def todo(self) -> list[int]:
        """Numbers of the inputs whose rows are still to be made, ascending."""
        done = self._contents.keys() | self._skipped.keys()
        return [number for number in range(len(self.inputs)) if number not in done]

    @property
    def skipped(self) -> list[tuple[int, str]]:
        """Number and reason of the inputs that could not be read, ascending."""
        return [(number, unread.reason) for number, unread in sorted(self._skipped.items()) if not unread.empty]

    @property
    def empty(self) -> list[int]:
        """Numbers of the inputs that show nothing, ascending."""
        return sorted(number for number, unread in self._skipped.items() if unread.empty)

    def add(
        self,
        which: Sequence[int],
        blocks: Mapping[str, NDArray[Any]],
        skipped: Iterable[tuple[int, str]] = (),
        limits: Mapping[str, float] | None = None,
        empty: Iterable[tuple[int, str]] = (),
    ) -> None:
        """Write the rows of some inputs, so that no interruption loses them.

        Parameters
        ----------
        which
            Numbers of the inputs, one a row.
        blocks
            By field, [rows, width].
        skipped
            Number and reason of inputs that could not be read.
        limits
            Under which those were refused.
        empty
            Number and reason of inputs that show nothing: they are no fault.

        Raises
        ------
        ArchiveError, MachineError
        """
        if self._own is None:
            self._own = Work.begin(self.folder, self.spec, self.run)
        contents = {number: self._sha256(number) for number in which}
        rows = [PartRow.of(self.inputs[number], contents[number]) for number in which]
        unread = {
            number: SkippedInput(**self.inputs[number].record, reason=printable(reason), limits=dict(limits or {}))
            for number, reason in skipped
        }
        for number, reason in empty:
            unread[number] = SkippedInput(**self.inputs[number].record, reason=reason, empty=True)
        self._own.add(rows, blocks, tuple(unread.values()))
        self._contents |= contents
        self._skipped |= unread

    def commit(self, notes: Sequence[str] = (), timing: Mapping[str, Any] | None = None) -> Snapshot:
        """Make the version that holds what the inputs are, unless the archive holds just that.

        Parameters
        ----------
        notes
            What the data set has to say of itself.
        timing
            Figures of this run, JSON-able.

        Returns
        -------
        Snapshot
            That version, or the one that was there.

        Raises
        ------
        ArchiveError
            If inputs are still to do, the encoder of the archive is another by now, or the work was taken over.
        MachineError
            If it cannot be written; the work stays for the next run.
        """
        if self.todo:
            raise ArchiveError(f"{self.folder}: expected rows of all inputs, {len(self.todo)} are still to do")
        segments: list[_Made] | None = None
        settled = Settled()

        def decide(before: Snapshot | None, number: int) -> Version:
            nonlocal segments, settled
            known = self._known(before)
            if segments is None:
                segments = self._write_segments(known)
            if not all(work.is_ours for work in self._all_works()):
                raise ArchiveError(
                    f"{self.folder}: expected the work of this process, but another has taken it over, as nothing was "
                    "heard of this one for ten minutes; run the same command again"
                )
            next_id = 0 if before is None else before.version.next_id
            new = [numbers for _, numbers, _ in segments]
            settled = settle(self._wanted(known), known, new, next_id, keeping=self._keeping)
            return next_version(
                self.folder,
                number,
                before,
                [(name, len(numbers), sha256) for name, numbers, sha256 in segments],
                settled,
                skipped=[*self._kept_skips(before), *(self._skipped[one] for one in sorted(self._skipped))],
                spec=self.spec,
                normalize=self._searched_by,
                about=self._about,
                keeping=self._keeping,
                notes=notes,
                timing=timing or {},
            )

        committed(self.folder, self._newest, decide)
        for (name, _, _), used in zip(segments or [], settled.used, strict=True):
            if not used:
                remove_folder(segment_folder(self.folder, name))
        for work in self._all_works():
            work.remove()
        self._works, self._own = [], None
        return Snapshot(self.folder, before=self._before)

    def abandon(self) -> None:
        """Remove all uncommitted work, as nothing of it is worth keeping."""
        for work in self._all_works():
            work.remove()
        self._works, self._own = [], None

    def _all_works(self) -> list[Work]:
        return self._works if self._own is None else [*self._works, self._own]

    def _newest(self) -> Snapshot | None:
        if not is_archive(self.folder):
            self._before = None
            return None
        found = self._before = Snapshot(self.folder, before=self._before, mend=self._mend)
        refuse_other_encoder(self.folder, found.spec, self.spec)
        if self._normalize not in (None, found.version.normalize):
            raise ArchiveError(
                f"{printable(self.folder)}: expected normalize={found.version.normalize!r}, with which it was made, "
                f"got {self._normalize!r}; leave it out, or choose another folder"
            )
        return found

    @property
    def _searched_by(self) -> Literal["none", "row"]:
        """With what vectors are normalised when they are searched."""
        return (self._normalize or "row") if self._before is None else self._before.version.normalize

    def _take(self, part: Part) -> None:
        for row in part.rows:
            number = self._numbers.get(row.key)
            if number is not None and self.inputs[number].is_as(row):
                self._contents[number] = row.sha256
        for unread in part.skipped:
            number = self._numbers.get(unread.key)
            if number is not None and self.inputs[number].is_as(unread) and not unread.limits:
                self._skipped[number] = unread

    def _recognise(
        self,
        number: int,
        each: Input,
        known: Known,
        unread: SkippedInput | None,
        check: bool,
        try_again: Callable[[Mapping[str, float]], bool],
    ) -> None:
        """Decide whether an input has a row, or was skipped, as it is."""
        if number in self._contents or number in self._skipped:
            return
        rows = known.of(each.key)
        same = next((row for row in rows if each.is_as(row)), None)
        if same is not None and not check:
            content = same.sha256
        elif unread is not None and each.is_as(unread) and not check and not try_again(unread.limits):
            self._skipped[number] = unread
            return
        elif rows:
            content = self._sha256(number)
        else:
            return
        if known.find(each.key, (content, each.told)) is not None:
            self._contents[number] = content

    def _wanted(self, known: Known) -> Wanted:
        """Return the inputs that have content, and the ids of the rows that are of it."""
        keys, numbers = list(self._numbers), sorted(self._contents)
        ids = [
            known.find(keys[number], self._content(number)) if keys[number] in known.keys else None
            for number in numbers
        ]
        found = np.array([-1 if row_id is None else row_id for row_id in ids], np.int64)
        return Wanted([keys[number] for number in numbers], np.array(numbers, np.int64), found)

    def _content(self, number: int) -> Content:
        return self._contents[number], self.inputs[number].told

    def _write_segments(self, known: Known) -> list[_Made]:
        """Write the parts' rows that are wanted and not there, a segment for each run."""
        runs: dict[str, list[Work]] = {}
        for work in self._all_works():
            runs.setdefault(work.run_digest, []).append(work)
        written: list[_Made] = []
        is_taken = np.zeros(len(self.inputs), bool)
        for works in runs.values():
            parts = [part for work in works for part in work.parts]
            of, at = np.full(len(self.inputs), -1, np.int32), np.zeros(len(self.inputs), np.int32)
            for place, part in enumerate(parts):
                for row_place, row in enumerate(part.rows):
                    number = self._numbers.get(row.key)
                    if number is None or is_taken[number] or self._contents.get(number) != row.sha256:
                        continue
                    if row.key not in known.keys or known.find(row.key, self._content(number)) is None:
                        of[number], at[number], is_taken[number] = place, row_place, True
            ordered = np.flatnonzero(of >= 0)
            for first in range(0, len(ordered), SEGMENT_ROWS):
                if self._own is None:
                    self._own = Work.begin(self.folder, self.spec, self.run)
                name = f"{self._own.owner.nonce}-{len(written)}"
                chosen = ordered[first : first + SEGMENT_ROWS]
                rows = ((self.inputs[number], self._contents[number]) for number in chosen.tolist())
                blocks = {
                    field.name: blocks_of(parts, of[chosen], at[chosen], field.name) for field in self.spec.fields
                }
                folder = segment_folder(self.folder, name)
                sha256 = write_segment(folder, self.spec, works[0].owner.run, rows, blocks, self._searched_by)
                written.append((name, chosen, sha256))
        return written

    def _known(self, snapshot: Snapshot | None) -> Known:
        """Return the rows there are of the inputs' files."""
        if snapshot is None:
            return Known()
        if self._known_of[0] == snapshot.version.digest:
            return self._known_of[1]
        rows: list[tuple[int, ItemRow]] = []
        for segment in snapshot.segments:
            which = segment.tables.of_keys(self._numbers.keys())
            rows += zip(segment.ids[which].tolist(), segment.tables.rows(which), strict=True)
        every = np.concatenate([np.empty(0, np.int64), *(segment.ids for segment in snapshot.segments)])
        self._known_of = snapshot.version.digest, Known(rows, snapshot.ids, without(every, snapshot.ids))
        return self._known_of[1]

    def _kept_skips(self, before: Snapshot | None) -> list[SkippedInput]:
        """Return what was skipped before and is not asked about now."""
        if before is None or not self._keeping:
            return []
        again = {
            *(name for name, _ in self._about.unreadable),
            *(Path(each).name for each in self._about.roots.values()),
        }
        return [
            each for each in before.skipped if each.key not in self._numbers and (each.root or each.source not in again)
        ]
