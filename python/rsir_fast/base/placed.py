"""Folders that are there in full or not at all: filled under a hidden name, synced once, moved to their place.

Nothing names what is inside before the folder is moved: so the files have their own names from the start, each is
synced alone, and the folder once, when it is whole.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from rsir_fast.base.durable import _hidden, _is_at, _Locked, lock, make_folder, move, sweep, sync_folder
from rsir_fast.base.machine import written

__all__ = ["add_file", "adding", "hold", "place_folder", "placing_folder"]


@contextmanager
def placing_folder(folder: Path) -> Iterator[Path]:
    """Make a temporary, hidden folder, to be moved to `folder` by the caller; what is left of it is removed.

    Parameters
    ----------
    folder
        Where the content shall be; its parent is made if need be.

    Yields
    ------
    Path
        Beside `folder`, on the same file system.

    Raises
    ------
    MachineError
        If it cannot be made.
    """
    workshop = _hidden(folder)
    sweep(folder.parent)
    file = hold(workshop)
    try:
        yield workshop
    finally:
        shutil.rmtree(workshop, ignore_errors=True)
        os.close(file)


def place_folder(workshop: Path, folder: Path) -> None:
    """Give a folder that `placing_folder` made, and in which files were added, its name.

    Raises
    ------
    MachineError
        If it cannot be synced or moved.
    """
    sync_folder(workshop)
    move(workshop, folder)


@contextmanager
def adding(path: Path, size: int | None = None) -> Iterator[BinaryIO]:
    """Open a new file of a folder that nothing names yet; its content is synced when the block ends.

    What a failing block leaves goes with the folder, and the folder is for the caller to sync.

    Parameters
    ----------
    path
        File to write.
    size
        Bytes to come, where they are known, for the error of a full disk.

    Yields
    ------
    BinaryIO

    Raises
    ------
    MachineError
        If it cannot be written.
    """
    with written(path, size):
        raw = _Locked(path, path, size)
    try:
        file = io.BufferedWriter(raw)
        yield cast(BinaryIO, file)
        file.flush()
        with written(path, size):
            os.fsync(raw.fileno())
    finally:
        raw.close()


def add_file(path: Path, content: bytes | memoryview) -> None:
    """Write a new file of a folder that nothing names yet, as `adding` does.

    Raises
    ------
    MachineError
        If it cannot be written.
    """
    with adding(path, len(content)) as file:
        file.write(content)


def hold(folder: Path) -> int:
    """Make a folder and lock it: anew where another writer, or a sweep, took it away meanwhile.

    Its parents are synced, itself is not: it is worth nothing yet.
    """
    while True:
        make_folder(folder.parent)
        with written(folder), contextlib.suppress(FileNotFoundError):
            folder.mkdir(exist_ok=True)
            file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            lock(file)
            if _is_at(file, folder):
                return file
            os.close(file)
