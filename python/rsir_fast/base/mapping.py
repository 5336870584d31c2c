"""Pages of mapped files: what was read once counts as memory of a process until something else needs the room."""

from __future__ import annotations

import contextlib
import mmap
from typing import Any

from numpy.typing import NDArray

__all__ = ["let_go"]


def let_go(array: NDArray[Any]) -> None:
    """Keep no page of a mapped, read-only array in this process; what is read again comes from the file again."""
    base: object = array.base
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        with contextlib.suppress(OSError):
            base.madvise(mmap.MADV_DONTNEED)
