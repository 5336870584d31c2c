"""The one way to write a file: there in full or not at all, and still there after a power cut; folders: `placed`.

A file is written under a temporary, hidden name beside its place, synced, moved there, and the folder is synced. The
temporary name depends on the file's only, and is locked while it is written: so a second writer of the same file waits,
and what a killed one left is taken over by the next, or removed by `sweep`.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import io
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from rsir_fast.base.looking import is_folder, is_there, no_name
from rsir_fast.base.machine import written
from rsir_fast.base.text import printable, short
from rsir_fast.errors import MachineError

__all__ = [
    "LEFTOVER",
    "alone",
    "appending",
    "lock",
    "make_folder",
    "move",
    "remove",
    "remove_empty",
    "replacing",
    "sweep",
    "sync_folder",
    "write_durably",
]

LEFTOVER = re.compile(r"\.[0-9a-f]{16}\.part")
"""Names of what an interrupted write can leave."""

_OLD_REPORT = re.compile(r"\.report-[a-z0-9_]{8}")
"""Folders, of reports alone, that older versions left."""


def write_durably(path: Path, content: bytes) -> None:
    """Write or replace a file.

    Parameters
    ----------
    path
        File to write or replace; its folder is made if need be.
    content
        All of it.

    Raises
    ------
    MachineError
        If the folder or file cannot be written; nothing is left behind.
    """
    with replacing(path, size=len(content)) as file:
        file.write(content)


@contextmanager
def replacing(path: Path, *, keep: Path | None = None, size: int | None = None) -> Iterator[BinaryIO]:
    """Open a temporary file that becomes `path` when the block ends, and is deleted if the block fails.

    Parameters
    ----------
    path
        File to write or replace; its folder is made if need be.
    keep
        Where, in the same folder, the former file goes; it is replaced.
    size
        Bytes to come, where they are known, for the error of a full disk.

    Yields
    ------
    BinaryIO

    Raises
    ------
    MachineError
        If the folder or file cannot be written; nothing is left behind.
    """
    place = _hidden(path)
    make_folder(path.parent)
    with written(path, size):
        part = _Locked(place, path, size)
    try:
        with written(path, size):
            part.truncate(0)  # of a killed writer
        file = io.BufferedWriter(part)
        yield cast(BinaryIO, file)
        file.flush()
        with written(path, size):
            os.fsync(part.fileno())
            if keep is not None and is_there(path):
                _link(path, keep)
            os.replace(place, path)
    except BaseException:
        with contextlib.suppress(OSError):  # the first error is the one to tell
            place.unlink()
        raise
    finally:
        part.close()  # ends the lock
    sync_folder(path.parent)


def _link(path: Path, keep: Path) -> None:
    """Give a file a second name."""
    keep.unlink(missing_ok=True)
    try:
        os.link(path, keep)
    except OSError:
        os.replace(path, keep)  # no links on this file system


@contextmanager
def appending(path: Path) -> Iterator[BinaryIO]:
    """Open a file to go on at its end; what was written is kept, and synced, however the block ends.

    Waits for another process that is at it. A file that stays empty is removed.

    Parameters
    ----------
    path
        Its folder is made if need be.

    Yields
    ------
    BinaryIO
        At the end of the file; ``truncate(0)`` begins anew.

    Raises
    ------
    MachineError
        If the file cannot be written.
    """
    _refuse_no_name(path)
    make_folder(path.parent)
    with written(path):
        raw = _Locked(path, path)
    try:
        file = io.BufferedWriter(raw)
        try:
            yield cast(BinaryIO, file)
        finally:
            file.flush()
            with written(path):
                os.fsync(raw.fileno())
                if os.fstat(raw.fileno()).st_size == 0:
                    path.unlink()
            sync_folder(path.parent)
    finally:
        raw.close()


def _hidden(path: Path) -> Path:
    """Return the place beside a file, or a folder, where it is made."""
    _refuse_no_name(path)
    return path.with_name(f".{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]}.part")


def _refuse_no_name(path: Path) -> None:
    why = no_name(path)
    if why:  # before any of its parents is made
        raise MachineError(f"{short(path)}: cannot be written: {why}; choose another")


class _Locked(io.FileIO):
    """A file open at its end, locked against other writers and against `sweep`; its errors name `target`."""

    def __init__(self, place: Path, target: Path, size: int | None = None) -> None:
        self.target, self.size = target, size
        while True:
            super().__init__(place, "ab", opener=_opened)
            lock(self.fileno())
            if _is_at(self.fileno(), place):
                break
            self.close()  # another writer moved it to its place, or a sweep removed it
        self.seek(0, os.SEEK_END)

    def write(self, content: Any) -> int:
        with written(self.target, self.size):
            return super().write(content)


def _opened(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)


def lock(file: int, how: int = fcntl.LOCK_EX) -> bool:
    """Lock an open file; False on a file system without locks, where the user must see to it that one writes."""
    try:
        fcntl.flock(file, how)
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EBADF):
            raise
        return False
    return True


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Wait until no other process changes files of this folder in several steps, which none else may see half-done."""
    with written(folder):
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with written(folder):
            lock(opened)
        yield
    finally:
        os.close(opened)


def _is_at(file: int, place: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), os.lstat(place))
    except FileNotFoundError:
        return False


def sweep(folder: Path) -> None:
    """Remove what killed writers left in a folder; what a living one is at, or another user's, stays.

    Raises
    ------
    MachineError
        If the folder cannot be read or changed.
    """
    with written(folder):
        names = os.listdir(folder) if os.path.isdir(folder) else []
        for path in [folder / name for name in names if LEFTOVER.fullmatch(name) or _OLD_REPORT.fullmatch(name)]:
            with _left_alone():
                _sweep(path)


@contextmanager
def _left_alone() -> Iterator[None]:
    """Pass over what is gone by now, held by a living writer, another user's, or a link that is no writer's."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.EAGAIN, errno.EACCES, errno.EPERM, errno.ELOOP):
            raise


def _sweep(path: Path) -> None:
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB) and _is_at(file, path):
            if path.is_dir():
                if path.suffix == ".part" or _is_old_report(path):
                    shutil.rmtree(path)
            elif path.suffix == ".part":
                path.unlink()
    finally:
        os.close(file)


def _is_old_report(folder: Path) -> bool:
    """Whether a folder has the rights of a temporary one and nothing but a report: what else there is is a user's."""
    temporary = folder.stat().st_mode & 0o777 == 0o700
    return temporary and {inner.suffix for inner in folder.iterdir()} <= {".json", ".svg", ".html"}


def remove(*paths: Path) -> None:
    """Remove files, where they are there, so that they stay removed.

    Raises
    ------
    MachineError
        If one cannot be removed.
    """
    folders: dict[Path, None] = {}
    for path in paths:
        with written(path), contextlib.suppress(FileNotFoundError):
            path.unlink()
            folders[path.parent] = None
    for folder in folders:
        sync_folder(folder)


def remove_empty(folder: Path) -> None:
    """Remove a folder, if it is there and nothing is in it.

    Raises
    ------
    MachineError
        If it is empty and cannot be removed.
    """
    with written(folder):
        try:
            folder.rmdir()
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY):
                return
            raise
    sync_folder(folder.parent)


def move(source: Path, place: Path) -> None:
    """Move a file or folder to a place on the same file system, replacing a file or an empty folder there.

    Raises
    ------
    MachineError
        If it cannot be moved.
    """
    with written(place):
        os.replace(source, place)
    for folder in {source.parent, place.parent}:
        sync_folder(folder)


def make_folder(folder: Path) -> None:
    """Make a folder and its parents where they are missing, each synced into its own parent.

    Raises
    ------
    MachineError
        If it cannot be made.
    """
    missing = []
    wanted = folder
    _refuse_no_name(folder)
    while not is_folder(folder):
        if os.path.lexists(folder) and not is_folder(folder):  # another process may just have made it
            what = "a file, not a folder" if is_there(folder) else "a link to nowhere"
            raise MachineError(
                f"{printable(wanted)}: cannot be written: {printable(folder)} is {what}; choose another place"
            )
        missing.append(folder)
        folder = folder.parent
    for made in reversed(missing):
        with written(made):
            made.mkdir(exist_ok=True)
        sync_folder(made.parent)


def sync_folder(folder: Path) -> None:
    """Sync the entries of a folder: what was made, moved or removed in it stays so after a power cut.

    Raises
    ------
    MachineError
        If the folder cannot be opened or synced.
    """
    with written(folder):
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(opened)
        except OSError as error:
            if error.errno != errno.EINVAL:  # some network file systems cannot sync folders
                raise
        finally:
            os.close(opened)
