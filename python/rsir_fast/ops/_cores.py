"""How many cores this process may use: its affinity, and the quota of processor time that a container sets."""

from __future__ import annotations

import functools
import math
import os
from pathlib import Path

from rsir_fast.base.cgroups import group_folders, lines_of

__all__ = ["available_cores", "cpu_quota"]


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
    try:
        folders = list(group_folders("cpu", Path(root)))
    except ValueError:  # files of another form
        return None
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
