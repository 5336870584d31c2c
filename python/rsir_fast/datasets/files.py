"""Write a file in one step: it is there in full, or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

__all__ = ["replacing", "write_atomically"]


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file under a temporary, hidden name beside its place, then move it there.

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
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with part.open("xb") as file:
            yield file
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
