"""Every file of an archive against its digest: names all that are damaged, not only the first."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from rsir_fast.archive.folders import learnt_file
from rsir_fast.archive.records import NameOnDisk, SegmentEntry, as_json
from rsir_fast.archive.segment import Segment
from rsir_fast.archive.sidecars import check_sidecar
from rsir_fast.archive.versions import (
    SEGMENT,
    check_file,
    lists_of,
    numbers,
    refuse_no_archive,
    segment_folder,
    version_file,
    version_path,
)
from rsir_fast.base.reading import reading
from rsir_fast.base.sealed import is_as_sealed
from rsir_fast.encoders.fields import Frozen
from rsir_fast.errors import ArchiveError, MachineError

__all__ = ["Damage", "Verified", "verify"]

_RESTORE = "restore it from a backup"


class Damage(Frozen):
    """A file that is not as it was written.

    Attributes
    ----------
    file : str
        Path in the archive.
    problem : str
        One line.
    versions : tuple of int
        That need it.
    """

    file: NameOnDisk
    problem: NameOnDisk
    versions: tuple[int, ...]


class Verified(Frozen):
    """What was compared, and what is damaged.

    Attributes
    ----------
    versions : tuple of int
    files : int
        That were read.
    damaged : tuple of Damage
    """

    versions: tuple[int, ...]
    files: int
    damaged: tuple[Damage, ...]

    @property
    def is_sound(self) -> bool:
        """Whether nothing is damaged."""
        return not self.damaged


def verify(folder: Path, number: int | None = None) -> Verified:
    """Compare every file that versions need with its digest, which reads all of them.

    Parameters
    ----------
    folder
        The archive.
    number
        Of one version; all of them by default.

    Raises
    ------
    ArchiveError
        If it is no archive, or has no such version.
    """
    refuse_no_archive(folder)
    if number is not None and number not in numbers(folder):
        version_file(folder, number)  # says why
    chosen = numbers(folder) if number is None else [number]
    needed: dict[Path, list[int]] = {}
    problems: dict[Path, str] = {}
    for one in chosen:
        for path, check in _checks(folder, one):
            if path not in needed:
                with _told(problems, path):
                    check()
            needed.setdefault(path, []).append(one)
    damaged = [
        Damage(file=path.relative_to(folder).as_posix(), problem=problem, versions=tuple(needed[path]))
        for path, problem in problems.items()
    ]
    return Verified(versions=tuple(chosen), files=len(needed), damaged=tuple(damaged))


@contextlib.contextmanager
def _told(problems: dict[Path, str], path: Path) -> Iterator[None]:
    """Note what is wrong with a file in place of raising it; a bad sector is one file's, too."""
    try:
        yield
    except (ArchiveError, MachineError) as error:
        problems[path] = str(error)


def _checks(folder: Path, number: int) -> Iterator[tuple[Path, Callable[[], None]]]:
    """Yield every file that a version needs, and what compares it; of damaged ones not those that only they name."""
    path = version_path(folder, number)
    yield path, partial(_check_version, folder, number)
    learnt = learnt_file(folder)
    if learnt is not None:
        yield learnt, partial(_check_learnt, learnt)
    with contextlib.suppress(ArchiveError, MachineError):
        version = version_file(folder, number)
        for listed, digest in lists_of(folder, version):
            yield listed, partial(check_file, listed, digest)
        for entry in version.segments:
            yield from _of_segment(segment_folder(folder, entry.name), entry)


def _of_segment(place: Path, entry: SegmentEntry) -> Iterator[tuple[Path, Callable[[], None]]]:
    check = partial(check_file, place / SEGMENT, entry.sha256)
    yield place / SEGMENT, check
    with contextlib.suppress(ArchiveError, MachineError):
        check()
        record = Segment.recorded(place)
        for name, sha256 in record.files.items():
            yield place / name, partial(check_file, place / name, sha256)
        for name, xxh3 in record.sidecars.items():
            yield place / name, partial(check_sidecar, place / name, xxh3)


def _check_version(folder: Path, number: int) -> None:
    version, path = version_file(folder, number), version_path(folder, number)
    with reading(path, "a version of an archive", _RESTORE, ArchiveError):
        if path.read_bytes() != as_json(version):  # spaces are no part of its digest
            raise ValueError("it is not as it was written")


def _check_learnt(path: Path) -> None:
    with reading(path, "what a descriptor learnt", _RESTORE, ArchiveError):
        if not is_as_sealed(path.read_bytes()):
            raise ValueError("it is not as it was written")
