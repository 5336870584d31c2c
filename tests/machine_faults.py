"""Real faults of the machine: no permission, no file descriptors, for tests that run as root as well as not."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterator
from pathlib import Path

__all__ = ["no_files_left", "no_rights"]

_NOBODY = 65534


@contextlib.contextmanager
def no_rights(*places: Path) -> Iterator[None]:
    """Take all rights from files or folders; a test that runs as root goes on as nobody, for whom they count."""
    modes = {place: place.stat().st_mode for place in places}
    for place in places:
        place.chmod(0)
    root = os.geteuid() == 0
    try:
        if root:
            os.seteuid(_NOBODY)
        yield
    finally:
        if root:
            os.seteuid(0)
        for place, mode in modes.items():
            place.chmod(mode)


@contextlib.contextmanager
def no_files_left(spare: int = 0) -> Iterator[None]:
    """Let this process open no more files than it has open, but for a few."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free + spare, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
