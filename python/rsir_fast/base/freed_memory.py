"""What the C library does with memory that a network has freed."""

from __future__ import annotations

import contextlib
import ctypes

__all__ = ["keep_freed_memory"]

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def keep_freed_memory() -> None:
    """Have the C library keep what is freed for the next allocation, instead of giving it back at once.

    A network's layers allocate and free tens of megabytes each, all the time; by default glibc maps every one of them
    anew, and the kernel fills every page with zeros. By torch, images become MobileNetV2's features 1.5 to 1.9 times as
    fast without that, on two cores of three processors (docs/performance.md).

    Once called, it holds for the whole process and all of its libraries, whose memory no longer shrinks after a peak:
    so `rsir` calls it, and the library never does. Call it before the first `rsir_fast.encode` of a program whose
    memory may stay. Bits do not change. Elsewhere than with glibc nothing is done.

    Examples
    --------
    >>> import rsir_fast as rf
    >>> rf.keep_freed_memory()
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        # Older versions take no more than 32 MiB.
        if mallopt(_M_MMAP_THRESHOLD, 1 << 30) or mallopt(_M_MMAP_THRESHOLD, 32 << 20):
            mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1)
