"""The peak of resident memory, of whatever a process holds."""

from __future__ import annotations

import mmap

import pytest

from rsir_fast.base.peak_memory import PeakMemory


def test_what_was_held_for_a_while_counts_until_it_is_begun_anew():
    memory = PeakMemory()
    before = memory.peak()
    if before is None:
        pytest.skip("the system does not let a process forget its peak")
    with mmap.mmap(-1, 1 << 26) as block:  # pages of its own: an array may get some that were freed before
        for page in range(0, 1 << 26, mmap.PAGESIZE):
            block[page] = 1
        held = memory.peak()
    assert held - before > 60 << 20
    assert memory.peak() > held - (1 << 20)  # the kernel counts by pages it has seen
    assert PeakMemory().peak() < held - (30 << 20)
