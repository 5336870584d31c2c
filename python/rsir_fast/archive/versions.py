"""The versions of an archive: the newest that is whole, and the commit of the next."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from rsir_fast.archive.records import Version, as_json
from rsir_fast.base.created import create
from rsir_fast.base.digests import check_file_digest, file_digest
from rsir_fast.base.durable import alone, sync_folder, write_durably
from rsir_fast.base.looking import is_file, is_folder
from rsir_fast.base.reading import read_record, reading
from rsir_fast.base.text import printable
from rsir_fast.errors import ArchiveError

__all__ = [
    "SEGMENT",
    "check_file",
    "is_archive",
    "keep",
    "lists_of",
    "newest",
    "numbers",
    "publish",
    "read_version",
    "refuse_no_archive",
    "segment_folder",
    "version_file",
    "version_path",
]

SEGMENT = "segment.json"
_NAME = re.compile(r"[0-9]{8,}\.json")
_LOOKS = 3
"""Until what was listed is still there."""

_RESTORE = "restore the file from a backup, or name an older version"


def is_archive(folder: Path) -> bool:
    """Whether a folder has versions."""
    return bool(numbers(folder))


def numbers(folder: Path) -> list[int]:
    """Return the numbers of the versions that there are files of, ascending."""
    place = folder / "versions"
    if not is_folder(place):
        return []
    found: list[int] = []
    for _ in range(_LOOKS):
        with reading(place, "the versions of an archive", "check its permissions", ArchiveError):
            found = sorted(int(name.removesuffix(".json")) for name in os.listdir(place) if _NAME.fullmatch(name))
        if found and is_file(version_path(folder, found[-1])):
            break  # else others committed and vacuumed while the names were read, which may have shown none of theirs
    return found


def segment_folder(folder: Path, name: str) -> Path:
    """Return where a segment lies."""
    return folder / "segments" / name


def version_file(folder: Path, number: int) -> Version:
    """Return what the file of a version says, and look at nothing else.

    Raises
    ------
    ArchiveError
        If there is no such version, or its file is damaged.
    """
    there = numbers(folder)
    if there and number not in there:
        told = "removed by vacuum" if 0 < number < there[0] else "never committed"
        told = told if not there[0] <= number <= there[-1] else "lost: restore its file from a backup"
        raise ArchiveError(
            f"{printable(folder)}: version {number} was {told}; expected one of {there[0]} to {there[-1]}"
        )
    path = version_path(folder, number)
    version = read_record(Version, path, "a version of an archive", _RESTORE, ArchiveError)
    with reading(path, "a version of an archive", _RESTORE, ArchiveError):
        if not version.is_whole or version.number != number:
            raise ValueError("it is not as it was written")
    return version


def read_version(folder: Path, number: int, *, mend: bool = False) -> Version:
    """Return a version, checked against the files that it names; with `mend` not against those of segments.

    Raises
    ------
    ArchiveError
        If there is no such version, it is damaged, or what it names is not there.
    """
    version = version_file(folder, number)
    for entry in () if mend else version.segments:
        check_file(segment_folder(folder, entry.name) / SEGMENT, entry.sha256)
    for path, digest in lists_of(folder, version):
        check_file(path, digest)
    return version


def lists_of(folder: Path, version: Version) -> Iterator[tuple[Path, str]]:
    """Yield the files beside segments that a version names, and their SHA-256."""
    for kind, suffix in (("removed", "npy"), ("order", "npy"), ("skipped", "json")):
        digest = getattr(version, kind)
        if digest is not None:
            yield folder / kind / f"{digest}.{suffix}", digest


def newest(folder: Path, *, mend: bool = False) -> tuple[Version, tuple[str, ...]]:
    """Return the newest version that is whole, and what is wrong with those after it; `mend` as for `read_version`.

    Raises
    ------
    ArchiveError
        If there is none.
    """
    refuse_no_archive(folder)
    wrong: list[str] = []
    there: list[int] = []
    while there != numbers(folder):  # again where all of them were vacuumed meanwhile
        there, wrong = numbers(folder), []
        for number in reversed(there):
            try:
                return read_version(folder, number, mend=mend), tuple(wrong)
            except ArchiveError as error:  # noqa: PERF203 (few)
                wrong.append(str(error))
    refuse_no_archive(folder)  # it may have been removed meanwhile
    raise ArchiveError(
        f"{printable(folder)}: expected a whole version, found none of {len(wrong)}: {wrong[0]}, or "
        "make the features anew (--force)"
    )


def refuse_no_archive(folder: Path) -> None:
    """Raise ArchiveError where there is no archive."""
    if not is_archive(folder):
        there = "other things" if is_folder(folder) else "no such folder"
        raise ArchiveError(f"{printable(folder)}: expected an archive (a folder with versions/), found {there}")


def publish(folder: Path, version: Version) -> bool:
    """Commit a version; False where another writer has committed one of its number.

    Raises
    ------
    MachineError
        If it cannot be written, or the file system has no hard links.
    """
    return create(version_path(folder, version.number), as_json(version))


def keep(folder: Path, kind: str, suffix: str, content: bytes) -> str:
    """Write a file that versions name by its digest; return that."""
    digest = hashlib.sha256(content).hexdigest()
    path = folder / kind / f"{digest}.{suffix}"
    if is_folder(path.parent):
        with alone(path.parent), reading(path, "a file of an archive", _RESTORE, ArchiveError):
            if is_file(path) and file_digest(path) == digest:
                with contextlib.suppress(PermissionError):  # of another user
                    os.utime(path)  # `vacuum` leaves what is young
                sync_folder(path.parent)  # another writer may not have come to it yet
                return digest
    write_durably(path, content)
    return digest


def version_path(folder: Path, number: int) -> Path:
    """Return where a version lies."""
    return folder / "versions" / f"{number:08d}.json"


def check_file(path: Path, sha256: str) -> None:
    """Raise ArchiveError unless a file is as a version, or what it names, says."""
    with reading(path, "a file of an archive", _RESTORE, ArchiveError):
        check_file_digest(path, sha256)
