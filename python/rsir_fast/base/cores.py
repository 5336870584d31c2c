"""How many cores this process may use, and how many threads a call runs.

The cores are those of its affinity, within the quota of processor time that a container sets.
"""

from __future__ import annotations

import functools
import math
import os
from pathlib import Path

from rsir_fast.base import compiled
from rsir_fast.base.cgroups import group_folders, lines_of
from rsir_fast.base.counts import as_count
from rsir_fast.base.text import printable

__all__ = ["MAX_THREADS", "available_cores", "choose_threads", "cpu_quota"]

MAX_THREADS = 1024


def choose_threads(threads: int | None, *, tiny: bool = False) -> int:
    """Return the thread count: the argument, else ``RSIR_NUM_THREADS``, else the cores this process may use.

    The cores are those of its affinity, no more than the CPU quota of its control group rounded up. Never more than
    1024: more than any machine has cores. Where there is no argument, work that is done before another thread is awake
    (`tiny`) is left to the caller alone.

    Raises
    ------
    TypeError, ValueError
        For anything but a whole number of at least 1.
    """
    if threads is not None:
        return min(as_count(threads, "threads", least=1, noun="a whole number of "), MAX_THREADS)
    text = (compiled.cpu.environment("RSIR_NUM_THREADS") or "").strip()
    if not text:
        return 1 if tiny else available_cores()
    count = int(text) if text.isdecimal() and len(text) < 20 else 0
    if count < 1:
        raise ValueError(f"RSIR_NUM_THREADS: expected a whole number of at least 1, got {printable(text[:80])!r}")
    return 1 if tiny else min(count, MAX_THREADS)


def available_cores() -> int:
    """Return the cores of the calling thread's affinity, no more than the CPU quota rounded up, at least 1."""
    cores = len(os.sched_getaffinity(0))
    quota = _own_quota()
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))


@functools.cache
def _own_quota() -> float | None:
    return cpu_quota()  # a dozen small files: once per process


def cpu_quota(root: str | Path = "/") -> float | None:
    """Return the cores' worth of processor time that control groups (version 1 or 2) grant this process.

    Parameters
    ----------
    root
        The root of the file system that holds ``proc`` and the mounted control groups.

    Returns
    -------
    float or None
        The smallest quota of its group and of all groups above; None where there is none.
    """
    folders = group_folders("cpu", Path(root))
    return min((quota for folder in folders if (quota := _quota(folder)) is not None), default=None)


def _quota(folder: Path) -> float | None:
    """Cores granted by one group: ``cpu.max`` (version 2) or ``cpu.cfs_quota_us`` (version 1)."""
    fields = " ".join(lines_of(folder / "cpu.max")).split()
    if not fields:
        fields = [*lines_of(folder / "cpu.cfs_quota_us"), *lines_of(folder / "cpu.cfs_period_us")]
    try:
        time, period = map(int, fields)
    except ValueError:  # "max", or no such files
        return None
    return time / period if time > 0 and period > 0 else None
