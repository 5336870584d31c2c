"""How many cores this process may use: its affinity, and the quota of processor time that a container sets."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

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
        folders = list(_cpu_groups(Path(root)))
    except ValueError:  # files of another form
        return None
    return min((quota for folder in folders if (quota := _quota(folder)) is not None), default=None)


def _cpu_groups(root: Path) -> Iterator[Path]:
    """Every folder, from its group up to the mounted top, whose quota binds this process."""
    groups: dict[str, PurePosixPath] = {}  # by controller; "" is version 2
    for line in _lines(root / "proc/self/cgroup"):  # 4:cpu,cpuacct:/a/b, or 0::/a/b
        _, controllers, path = line.split(":", 2)
        groups.update(dict.fromkeys(controllers.split(","), PurePosixPath(path)))
    for line in _lines(root / "proc/self/mountinfo"):  # id parent device top place options... - type source options
        fields, _, tail = line.partition(" - ")
        kind, _, options = tail.split(" ", 2)
        if kind == "cgroup2":
            group = groups.get("")
        elif kind == "cgroup" and "cpu" in options.split(","):
            group = groups.get("cpu")
        else:
            continue
        top, place = fields.split(" ")[3:5]
        mounted = root / place.lstrip("/")
        # In a container the group may be told by its path on the host, which is not mounted: then the top is ours.
        inside = PurePosixPath()
        if group is not None and group.is_relative_to(top) and ".." not in group.parts:
            inside = group.relative_to(top)
        yield mounted
        for depth in range(len(inside.parts)):
            yield mounted.joinpath(*inside.parts[: depth + 1])


def _quota(folder: Path) -> float | None:
    """Cores granted by one group: ``cpu.max`` (version 2) or ``cpu.cfs_quota_us`` (version 1)."""
    fields = " ".join(_lines(folder / "cpu.max")).split()
    if not fields:
        fields = [*_lines(folder / "cpu.cfs_quota_us"), *_lines(folder / "cpu.cfs_period_us")]
    try:
        time, period = map(int, fields)
    except ValueError:  # "max", or no such files
        return None
    return time / period if time > 0 and period > 0 else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []
