"""Memory of this process, as Linux counts it."""

from __future__ import annotations

from pathlib import Path

STATUS = Path("/proc/self/status")


def mib(field: str) -> float:
    """Return VmRSS (now) or VmHWM (most since `reset`)."""
    return next(int(line.split()[1]) / 1024 for line in STATUS.read_text().splitlines() if line.startswith(field))


def reset() -> float:
    """Let the high-water mark start again from what there is now, and return that."""
    Path("/proc/self/clear_refs").write_text("5")
    return mib("VmRSS")


def anonymous() -> float:
    """Return MiB that are of no file: what the process has for itself alone."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("Anonymous"))
