"""A fault to plant into a kernel."""

from __future__ import annotations

from typing import NamedTuple


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
