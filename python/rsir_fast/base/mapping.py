"""Pages of mapped files: what was read once counts as memory of a process until something else needs the room."""

from __future__ import annotations

import contextlib
import mmap
from typing import Any

from numpy.typing import NDArray

__all__ = ["let_go"]


def let_go(mapped: NDArray[Any] | mmap.mmap) -> None:
    """Keep no page of a read-only map, or of an array in one, in this process; what is read again is mapped again."""
    base: object = mapped if isinstance(mapped, mmap.mmap) else mapped.base
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        with contextlib.suppress(OSError):
            base.madvise(mmap.MADV_DONTNEED)
