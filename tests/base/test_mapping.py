from __future__ import annotations

from pathlib import Path

import numpy as np

from rsir_fast.base.mapping import let_go

MIB = 1 << 20


def resident(of: str) -> int:
    """Return MiB of this process that are of files, or of none."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith(of))


def test_what_is_let_go_is_no_memory_of_the_process_and_reads_as_before(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(8 * MIB))
    array = np.load(tmp_path / "x.npy", mmap_mode="r")
    before = int(array.sum())
    held = resident("RssFile")
    let_go(array)
    assert held - resident("RssFile") >= 60
    assert int(array.sum()) == before


def test_an_array_in_memory_stays():
    array = np.arange(8)
    let_go(array)
    assert array.tolist() == [*range(8)]
