"""The one way to write a file: there in full or not at all, and still there after a power cut."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

__all__ = ["make_folder", "replacing", "sync_folder", "write_durably"]


def write_durably(path: Path, content: bytes) -> None:
    """Write a file under a temporary, hidden name beside its place, sync it, move it there, sync the folder.

    Parameters
    ----------
    path
        File to write or replace; its folder is made if need be.
    content
        All of it.

    Raises
    ------
    OSError
        If the folder or file cannot be written; nothing is left behind.
    """
    with replacing(path) as file:
        file.write(content)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary, hidden file beside a place; it moves there when the block ends, and is deleted if it fails.

    Parameters
    ----------
    path
        File to write or replace; its folder is made if need be.

    Yields
    ------
    BinaryIO

    Raises
    ------
    OSError
        If the folder or file cannot be written; nothing is left behind.
    """
    make_folder(path.parent)
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def make_folder(folder: Path) -> None:
    """Make a folder and its parents where they are missing, each synced into its own parent.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for made in reversed(missing):
        made.mkdir(exist_ok=True)
        sync_folder(made.parent)


def sync_folder(folder: Path) -> None:
    """Sync the entries of a folder: what was made, moved or removed in it stays so after a power cut.

    Raises
    ------
    OSError
        If the folder cannot be opened or synced.
    """
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
