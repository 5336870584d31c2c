"""What a writer has done and not committed yet: parts, each sealed alone, that outlive it and that others take over."""

from __future__ import annotations

import contextlib
import os
import re
import socket
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive.inputs import FOLDERS, Key
from rsir_fast.archive.records import Owner, PartRecord, PartRow, SkippedInput, as_json
from rsir_fast.archive.segment import map_array, write_arrays
from rsir_fast.archive.versions import numbers, segment_folder
from rsir_fast.base.digests import check_file_digest
from rsir_fast.base.durable import sweep, sync_folder
from rsir_fast.base.held import HeldFolder, is_from_here, new_name, remove_folder
from rsir_fast.base.looking import is_folder
from rsir_fast.base.mapping import let_go
from rsir_fast.base.placed import add_file, place_folder, placing_folder
from rsir_fast.base.reading import read_record, reading
from rsir_fast.encoders.fields import canonical_digest
from rsir_fast.encoders.spec import Spec
from rsir_fast.errors import ArchiveError

__all__ = ["Part", "Work", "blocks_of", "run_of_work", "take_over"]

PART, OWNER = "part.json", "owner.json"
_NONCE, _NUMBER = re.compile(r"[0-9a-f]{16}"), re.compile(r"[0-9]{6}")


class Part:
    """Some inputs' rows, mapped, and inputs that could not be read."""

    def __init__(self, folder: Path, record: PartRecord, spec: Spec) -> None:
        self.rows: Sequence[PartRow] = record.rows
        self.skipped: Sequence[SkippedInput] = record.skipped
        self._arrays: dict[str, NDArray[Any]] = {
            field.name: map_array(folder / f"{field.name}.npy", field, len(record.rows)) for field in spec.fields
        }

    def block(self, field: str, rows: NDArray[np.int32]) -> NDArray[Any]:
        """Return some rows of a field; all of them without a copy."""
        array = self._arrays[field]
        return array if np.array_equal(rows, np.arange(len(array))) else array[rows]

    def let_go(self, field: str) -> None:
        """Keep no page of a field in this process; what is asked for again is read again."""
        let_go(self._arrays[field])


class Work:
    """The folder of one writer's work.

    Attributes
    ----------
    owner : Owner
        Who did it; how the encoder was run.
    parts : list of Part
    """

    def __init__(self, held: HeldFolder, owner: Owner, parts: list[Part], spec: Spec) -> None:
        self._held = held
        self._spec = spec
        self._next = len(parts)
        self.owner = owner
        self.parts = parts

    @classmethod
    def begin(cls, archive: Path, spec: Spec, run: Mapping[str, Any]) -> Work:
        """Make a folder for new work.

        Raises
        ------
        MachineError
            If it cannot be made.
        """
        nonce = new_name()
        held = HeldFolder(archive / "work" / nonce)
        owner = Owner(nonce=nonce, host=socket.gethostname(), pid=os.getpid(), encoder=spec.digest(), run=dict(run))
        add_file(held.folder / OWNER, as_json(owner))  # its name is synced with that of the first part
        sync_folder(archive / "work")
        return cls(held, owner, [], spec)

    @property
    def run_digest(self) -> str:
        """Tells runs apart."""
        return canonical_digest(self.owner.run)

    @property
    def is_ours(self) -> bool:
        """Whether nobody has taken it over."""
        return self._held.is_ours

    def add(
        self, rows: Sequence[PartRow], blocks: Mapping[str, NDArray[Any]], skipped: Sequence[SkippedInput] = ()
    ) -> None:
        """Write a part, in one step.

        Raises
        ------
        ArchiveError
            If another process has taken the work over.
        MachineError
            If it cannot be written.
        """
        if not self.is_ours:
            raise ArchiveError(
                f"{self._held.folder}: expected the work of this process, but another has taken it over, as nothing "
                "was heard of this one for ten minutes; run the same command again"
            )
        place = self._held.folder / f"{self._next:06d}"
        with placing_folder(place) as workshop:
            files = write_arrays(workshop, self._spec.fields, len(rows), {name: [b] for name, b in blocks.items()})
            record = PartRecord(rows=tuple(rows), skipped=tuple(skipped), files=files)
            add_file(workshop / PART, as_json(record, indent=None))
            place_folder(workshop, place)
        self._next += 1
        self.parts.append(Part(place, record, self._spec))

    def close(self) -> None:
        """Leave it for whoever comes next."""
        self._held.close()

    def remove(self) -> None:
        """Remove it: all that is wanted of it is committed."""
        if self.is_ours:
            remove_folder(self._held.folder, durably=False)  # what comes back, the next writer knows to be committed
        self._held.close()


def take_over(archive: Path, spec: Spec, keys: Collection[Key]) -> list[Work]:
    """Take over the work of dead writers that had the same encoder and some of the same items; that of others stays.

    What they left of segments that no version names is removed where they died on this machine; else in time by
    `vacuum`, as a writer elsewhere may only be slow.

    Raises
    ------
    MachineError
        If a folder cannot be read or renamed.
    """
    for kind in FOLDERS:
        sweep(archive / kind)
    place = archive / "work"
    if not is_folder(place):
        return []
    found = []
    with reading(place, "the work of an archive", "check its permissions", ArchiveError):
        names = sorted(os.listdir(place))
    for name in names:
        if not _NONCE.fullmatch(name):
            continue
        owner = _owner(place / name)
        if owner is not None and owner.encoder != spec.digest():
            continue
        held = HeldFolder.take(place / name, place / new_name())
        if held is None:
            continue
        if owner is None:  # killed before it had done anything
            remove_folder(held.folder)
            held.close()
            continue
        if is_from_here(owner.nonce):
            _remove_orphans(archive, owner.nonce)
        work = Work(held, owner, _parts(held.folder, spec), spec)
        done = {row.key for part in work.parts for row in part.rows}
        done |= {unread.key for part in work.parts for unread in part.skipped}
        if done and done.isdisjoint(keys):
            work.close()
            continue
        found.append(work)
    return found


def run_of_work(archive: Path) -> Mapping[str, Any] | None:
    """Return how the encoder was run for the work, not committed yet, of most parts; None if there is none."""
    found: list[tuple[int, str, Owner]] = []
    for path in (archive / "work").glob(f"*/{OWNER}"):
        owner = _owner(path.parent)
        if owner is not None:
            found.append((len(list(path.parent.glob(f"*/{PART}"))), owner.nonce, owner))
    return max(found)[2].run if found else None


def _owner(folder: Path) -> Owner | None:
    try:
        return read_record(Owner, folder / OWNER, "the owner of some work", "", ArchiveError)
    except ArchiveError:
        return None


def _parts(folder: Path, spec: Spec) -> list[Part]:
    """Return the parts that are whole."""
    found = []
    with reading(folder, "some work", "", ArchiveError):
        names = sorted(filter(_NUMBER.fullmatch, os.listdir(folder)))
    for name in names:
        with contextlib.suppress(ArchiveError):
            found.append(_part(folder / name, spec))
    return found


def _part(folder: Path, spec: Spec) -> Part:
    record = read_record(PartRecord, folder / PART, "a part of some work", "", ArchiveError)
    for file, sha256 in record.files.items():
        with reading(folder / file, "a part of some work", "", ArchiveError):
            check_file_digest(folder / file, sha256)
    return Part(folder, record, spec)


def _remove_orphans(archive: Path, nonce: str) -> None:
    place = archive / "segments"
    with reading(archive, "an archive", "check its permissions", ArchiveError):
        named = b"".join((archive / "versions" / f"{number:08d}.json").read_bytes() for number in numbers(archive))
        names = os.listdir(place) if is_folder(place) else []
    for name in names:
        if name.startswith(f"{nonce}-") and name.encode() not in named:
            remove_folder(segment_folder(archive, name))


def blocks_of(
    parts: Sequence[Part], of: NDArray[np.int32], at: NDArray[np.int32], field: str
) -> Iterator[NDArray[Any]]:
    """Yield rows of parts in consecutive blocks, one for every stretch of one part.

    Parameters
    ----------
    parts
    of, at
        Of each row its part, and its place there.
    field
    """
    ends = [*(np.flatnonzero(np.diff(of)) + 1).tolist(), len(of)] if len(of) else []
    for start, end in zip([0, *ends], ends, strict=False):
        part = parts[of[start]]
        yield part.block(field, at[start:end])
        part.let_go(field)
