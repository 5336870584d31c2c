"""Erasing what no version needs any more: old versions first, then the files that only they named.

A version goes before its files, and what a killed vacuum leaves is named by no version: the next one erases it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from rsir_fast.archive.info import folder_bytes
from rsir_fast.archive.inputs import FOLDERS
from rsir_fast.archive.records import NameOnDisk, Version
from rsir_fast.archive.versions import lists_of, numbers, refuse_no_archive, version_file, version_path
from rsir_fast.base.durable import LEFTOVER, alone, remove, sweep
from rsir_fast.base.held import HeldFolder, new_name, remove_folder
from rsir_fast.base.looking import is_folder
from rsir_fast.base.reading import reading
from rsir_fast.encoders.fields import Frozen
from rsir_fast.errors import ArchiveError

__all__ = ["DAYS", "KEEP", "Vacuumed", "vacuum"]

KEEP, DAYS = 10, 7.0
"""Versions that stay: so many, and all that are younger."""

_ORPHAN_S = 24 * 3600.0
"""What no version names may be a writer's who has not committed yet, until it is so old."""


class Vacuumed(Frozen):
    """What was erased, or would be.

    Attributes
    ----------
    versions : tuple of int
    files : tuple of str
        Segments, lists and abandoned work, as paths in the archive.
    bytes : int
    """

    versions: tuple[int, ...]
    files: tuple[NameOnDisk, ...]
    bytes: int


def vacuum(
    folder: Path, *, keep: int = KEEP, days: float = DAYS, dry_run: bool = False, now: float | None = None
) -> Vacuumed:
    """Erase old versions, and what no version names.

    Parameters
    ----------
    folder
        The archive.
    keep
        So many of the newest versions stay, at least 1.
    days
        All younger ones stay, too.
    dry_run
        Tell what would be erased.
    now
        Seconds since 1970; by default it is now.

    Raises
    ------
    ArchiveError
        If a version that stays is damaged, as nobody knows what it needs: nothing is erased then.
    MachineError
        If something cannot be erased.
    """
    if keep < 1 or not days >= 0:
        raise ValueError(f"keep, days: expected at least 1 version and 0 days, got {keep} and {days}")
    refuse_no_archive(folder)
    now = time.time() if now is None else now
    there = numbers(folder)
    doomed: list[int] = []
    for number in there[:-keep]:
        if now - _committed(folder, number) < days * 86_400:
            break
        doomed.append(number)
    needed = {path for number in there[len(doomed) :] for path in _named(folder, version_file(folder, number))}
    had = {path for number in doomed for path in _named(folder, _readable(folder, number))}
    orphans = [
        path
        for path in _entries(folder)
        if path not in needed
        and ((path in had and path.startswith("segments/")) or _age(folder / path, now) >= _ORPHAN_S)
    ]
    size = sum(_size(path) for path in [*(version_path(folder, n) for n in doomed), *(folder / p for p in orphans)])
    if not dry_run:
        for kind in FOLDERS:
            sweep(folder / kind)
        remove(*(version_path(folder, number) for number in doomed))
        for path in orphans:
            _erase(folder / path, now)
    return Vacuumed(versions=tuple(doomed), files=tuple(orphans), bytes=size)


def _committed(folder: Path, number: int) -> float:
    """Return when a version was committed, by its own words or those of the file system, whichever is later."""
    path = version_path(folder, number)
    with reading(path, "a version of an archive", "check its permissions", ArchiveError):
        written = path.stat().st_mtime
    version = _readable(folder, number)
    return written if version is None else max(written, datetime.fromisoformat(version.created).timestamp())


def _readable(folder: Path, number: int) -> Version | None:
    try:
        return version_file(folder, number)
    except ArchiveError:
        return None


def _named(folder: Path, version: Version | None) -> Iterator[str]:
    """Yield the paths that a version names."""
    if version is not None:
        yield from (f"segments/{segment.name}" for segment in version.segments)
        yield from (path.relative_to(folder).as_posix() for path, _ in lists_of(folder, version))


def _entries(folder: Path) -> Iterator[str]:
    """Yield the paths of all that versions name, or could, and of work."""
    for kind in ("segments", "removed", "order", "skipped", "work"):
        if is_folder(folder / kind):
            with reading(folder / kind, "an archive", "check its permissions", ArchiveError):
                names = sorted(os.listdir(folder / kind))
            yield from (f"{kind}/{name}" for name in names if not LEFTOVER.fullmatch(name))


def _age(path: Path, now: float) -> float:
    """Return how long nothing was heard of a file, a segment or a writer's work: seconds."""
    try:
        alive = path / "alive" if path.parent.name == "work" else path
        return now - max(place.stat().st_mtime for place in {alive, path})
    except FileNotFoundError:
        return 0.0


def _size(path: Path) -> int:
    try:
        return folder_bytes(path) if is_folder(path) else path.stat().st_size
    except FileNotFoundError:
        return 0


def _erase(path: Path, now: float) -> None:
    if path.parent.name == "work":
        held = HeldFolder.take(path, path.with_name(new_name()))
        if held is not None:  # else its writer lives
            remove_folder(held.folder, durably=False)
            held.close()
    elif is_folder(path):
        remove_folder(path, durably=False)
    else:
        with alone(path.parent):  # a writer may just have found that it has written the same
            if _age(path, now) >= _ORPHAN_S:
                remove(path)
