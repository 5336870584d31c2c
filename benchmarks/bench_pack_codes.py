from __future__ import annotations

import numpy as np
import pytest

import cases
import rsir_fast as rf


def by_rsir_fast(u):
    return rf.pack_codes(u)


def by_numpy(u):
    return np.packbits(u > 0, axis=1, bitorder="little")


@pytest.mark.parametrize("case", cases.ROWS, ids=lambda case: "x".join(map(str, case)))
@pytest.mark.parametrize("run", [by_rsir_fast, by_numpy])
def bench_pack_codes(benchmark, case, run):
    u = cases.features(*case, 0) - 0.5
    benchmark.group = f"pack_codes {case[0]} x {case[1]}"
    assert (benchmark(run, u) == by_numpy(u)).all()
