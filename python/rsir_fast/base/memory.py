"""Memory of the machine, and a share of it that threads take from in turn."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import mmap
import os
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from rsir_fast.base.cgroups import group_folders, lines_of

__all__ = ["MemoryBudget", "is_available", "machine_memory", "memory_limit"]


@functools.cache
def machine_memory() -> int:
    """Return the bytes of memory that this process may use at most: the machine's, or what its container grants."""
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = memory_limit()
    return physical if limit is None else min(physical, limit)


def memory_limit(root: str | Path = "/") -> int | None:
    """Return the bytes that control groups (version 1 or 2) grant this process.

    Parameters
    ----------
    root
        The root of the file system that holds ``proc`` and the mounted control groups.

    Returns
    -------
    int or None
        The smallest limit of its group and of all groups above; None where there is none.
    """
    names = ("memory.max", "memory.limit_in_bytes")  # version 2, version 1
    found = [" ".join(lines_of(folder / name)) for folder in group_folders("memory", Path(root)) for name in names]
    return min((limit for text in found if text.isdecimal() and (limit := int(text)) > 0), default=None)


def is_available(size: int) -> bool:
    """Whether the system grants this process so many bytes more, within its limits (``ulimit -v``, strict overcommit).

    They are not touched, so that this costs next to nothing.

    Examples
    --------
    >>> is_available(1 << 20), is_available(1 << 60)
    (True, False)
    """
    try:
        mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
    except (OSError, MemoryError, OverflowError):
        return False
    return True


_LARGE = 1 << 26


def _return_freed() -> None:
    """Have the C library give back what is free: it keeps some for each thread, that others cannot use."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


class _OfThread(threading.local):
    """What one thread holds."""

    held = 0
    scopes = 0


class MemoryBudget:
    """A number of bytes that threads share: each takes what it needs, and waits until as much is free.

    First come, first served, so that large requests do not wait for ever. A thread that holds some already never
    waits: two that wait for each other would do so for ever.

    Examples
    --------
    >>> budget = MemoryBudget()
    >>> with budget.taken(60, total=100):
    ...     budget.used
    60
    """

    def __init__(self) -> None:
        self.used = 0
        self.most = 0
        """The most that was taken at a time."""
        self._changed = threading.Condition()
        self._queue: deque[object] = deque()
        self._own = _OfThread()

    @contextlib.contextmanager
    def taken(self, size: int, *, total: int, keep: int = 0) -> Iterator[None]:
        """Take bytes until the block ends.

        Parameters
        ----------
        size
            At most `total`; more waits until nothing else is taken.
        total
            Of all threads.
        keep
            Bytes that stay taken until the surrounding `scope` of this thread ends; without one none stay.
        """
        self._take(size, total)
        try:
            yield
        finally:
            kept = min(keep, size) if self._own.scopes else 0
            self._give(size - kept)

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        """Keep, until the block ends, what `taken` says that its results still need."""
        own = self._own
        own.scopes += 1
        before = own.held
        try:
            yield
        finally:
            own.scopes -= 1
            self._give(own.held - before)

    def _take(self, size: int, total: int) -> None:
        held = self._own.held
        with self._changed:
            if not held:
                turn = object()
                self._queue.append(turn)
                try:
                    self._changed.wait_for(
                        lambda: self._queue[0] is turn and (self.used + size <= total or not self.used)
                    )
                finally:
                    self._queue.remove(turn)
                    self._changed.notify_all()
            self.used += size
            self.most = max(self.most, self.used)
        self._own.held = held + size

    def _give(self, size: int) -> None:
        self._own.held -= size
        if size >= _LARGE:
            _return_freed()
        with self._changed:
            self.used -= size
            self._changed.notify_all()
