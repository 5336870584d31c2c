"""The most memory that this process held during a stretch of work."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

__all__ = ["PeakMemory"]

_FORGET = b"5"
"""What the kernel is told to forget the peak of resident memory (proc(5), clear_refs)."""


class PeakMemory:
    """The peak of resident memory since the object was made, libraries and mapped files included.

    What is asked is the kernel, so that tensors of torch count as well as arrays: a tracer of Python's own allocations
    sees neither.

    Examples
    --------
    >>> memory = PeakMemory()
    >>> block = bytearray(1 << 26)
    >>> found = memory.peak()
    >>> found is None or found > 1 << 26
    True
    """

    def __init__(self) -> None:
        self.known = False
        with contextlib.suppress(OSError):
            file = os.open("/proc/self/clear_refs", os.O_WRONLY)
            try:
                self.known = os.write(file, _FORGET) == len(_FORGET)
            finally:
                os.close(file)

    def peak(self) -> int | None:
        """Return the peak in bytes; None where the system does not tell it, or could not be told to begin anew."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            for line in Path("/proc/self/status").read_text().splitlines():
                if self.known and line.startswith("VmHWM:"):
                    return int(line.split()[1]) << 10
        return None
