"""A fault to plant into a kernel."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

NEEDS = {"avx512": ("avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni")}
"""What a processor must have for its kernels: flags of /proc/cpuinfo."""

_OF_AVX512 = ("avx512", "certify_tiles", "amx_model")
"""Part of the names of files that are compiled for AVX-512 alone; those of AMX are, and its model with them."""


def lacking(isa: str) -> list[str]:
    """Return what this processor lacks of an instruction set."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    here = set(next((line for line in lines if line.startswith("flags")), "").split())
    return [flag for flag in NEEDS.get(isa, ()) if flag not in here]


class Fault(NamedTuple):
    what: str
    file: str
    """below csrc/kernels/cuda"""
    old: str
    new: str
    test: str
    """program: name of the test that must fail"""
    sanitizer: str = "address,undefined"
    """Under which it must: ``"thread"`` where only ThreadSanitizer is sure to see it."""
    only: str = ""
    """The instruction set without which nothing takes this way yet, in a file that all have."""
    whole: bool = False
    """Whether the test sees it at its full size alone."""

    @property
    def compiled_for(self) -> str:
        """The instruction set without which the file cannot run; none if empty."""
        return "avx512" if any(part in self.file for part in _OF_AVX512) else ""
