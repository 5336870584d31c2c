"""Files that are created once and never changed: of several writers of one name, one wins and the others are told."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from pathlib import Path

from rsir_fast.base.durable import _Locked, make_folder, sync_folder
from rsir_fast.base.machine import written
from rsir_fast.base.text import printable
from rsir_fast.errors import MachineError

__all__ = ["create"]

_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


def create(path: Path, content: bytes) -> bool:
    """Write a file, unless one of its name is there.

    All of it is on the disk before it has the name, which it is given by a hard link: the one step that file systems
    do for one of several writers only.

    Parameters
    ----------
    path
        Its folder is made if need be.
    content
        All of it. No two writers should have the same: after a lost reply of a network file system, the content is
        what tells whose file is there.

    Returns
    -------
    bool
        Whether the file is there with this content; else another writer's is.

    Raises
    ------
    MachineError
        If it cannot be written, or the file system has no hard links; nothing is left behind.
    """
    make_folder(path.parent)
    place = path.with_name(f".{secrets.token_hex(8)}.part")
    with written(path, len(content)):
        part = _Locked(place, path, len(content))  # locked against `durable.sweep`
    try:
        part.write(content)
        with written(path, len(content)):
            os.fsync(part.fileno())
        with written(path):
            is_ours = _linked(place, path) or path.read_bytes() == content
    finally:
        with contextlib.suppress(OSError):
            place.unlink()
        part.close()
    if is_ours:
        sync_folder(path.parent)
    return is_ours


def _linked(place: Path, path: Path) -> bool:
    """Give a file its name; False where the name is taken."""
    try:
        os.link(place, path)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno in _NO_LINKS:
            raise MachineError(
                f"{printable(path)}: expected a file system with hard links, which several writers need; "
                "this one has none: choose a folder on another"
            ) from None
        raise
    return True
