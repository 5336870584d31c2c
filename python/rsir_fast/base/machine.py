"""What to do about faults of the machine while something is written."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rsir_fast.base.faults import said
from rsir_fast.base.text import printable
from rsir_fast.errors import MachineError

__all__ = ["AGAIN", "written"]

AGAIN = "run the same command again, which goes on (from Python: with resume=True)"

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_REMEDIES = {
    errno.EIO: f"the disk failed: check it (dmesg), then {AGAIN}",
    errno.EMFILE: f"raise the limit of open files (ulimit -n), then {AGAIN}",
    errno.ENFILE: f"close other programs, then {AGAIN}",
    errno.ENOMEM: f"free some memory, then {AGAIN}",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOTDIR: "a part of its path is a file, not a folder: choose another place",
    errno.ESTALE: f"mount the network disk again, then {AGAIN}",
}


@contextmanager
def written(path: Path, size: int | None = None) -> Iterator[None]:
    """Turn an `OSError` of a write inside the ``with`` into one line that names file, reason and remedy.

    Parameters
    ----------
    path
        What is written.
    size
        Bytes that it needs, where they are known.

    Raises
    ------
    MachineError
        In place of any `OSError`.
    """
    try:
        yield
    except OSError as error:
        raise MachineError(f"{printable(path)}: cannot be written: {_reason(error, path, size)}") from None


def _reason(error: OSError, path: Path, size: int | None) -> str:
    if error.errno in _FULL:
        needed = [] if size is None else [f"{size} bytes needed"]
        return f"no space left on the disk{_counts(needed + _free(path))}; free some, then {AGAIN}"
    return f"{said(error)}; {_REMEDIES.get(error.errno or 0, 'choose another place, or change its permissions')}"


def _counts(counts: list[str]) -> str:
    return f" ({', '.join(counts)})" if counts else ""


def _free(path: Path) -> list[str]:
    try:
        found = os.statvfs(path.parent)
    except OSError:
        return []
    return [f"{found.f_bavail * found.f_frsize} free"]
