"""Searches among allowed rows, against the search of all rows and of a matrix of the allowed ones.

`pytest benchmarks`: small, answers asserted. As a program (`python benchmarks/bench_where.py ISA ...`) it measures turn
by turn in full size and prints what share of the time of an unfiltered search each takes.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import rsir_fast as rf
from cases import features

SHARES = (0.0, 1e-6, 0.01, 0.1, 0.5, 1.0)
K = 10


class Search:
    """A database of ReLU-like features, some queries, and rows allowed by chance."""

    def __init__(self, q: int, n: int, d: int) -> None:
        self.vectors, self.queries = features(n, d, 1, "relu"), features(q, d, 2, "relu")
        self.database = rf.prepare(self.vectors, copy=False)
        self.random = np.random.default_rng(3)

    def allowed(self, share: float) -> Any:
        return self.random.random(len(self.vectors)) < share

    def everything(self, isa: str | None = None) -> Any:
        return self.database.topk(self.queries, K, isa=isa)

    def among(self, where: Any, isa: str | None = None) -> Any:
        return self.database.topk(self.queries, K, where=where, isa=isa)

    def check(self, where: Any, isa: str | None = None) -> None:
        """Assert that the answer is that of the matrix of the allowed rows."""
        rows = np.flatnonzero(where)
        squared, ids = rf.euclidean_topk(self.queries, self.vectors[rows], K, method="dense")
        found = self.among(where, isa)
        assert (found[0] == squared).all()
        assert (found[1] == np.append(rows, -1)[ids]).all()


@pytest.fixture(scope="module")
def search(request):
    small = request.config.getoption("--sizes") == "small"
    return Search(16, 20_000 if small else 1_000_000, 128)


@pytest.mark.parametrize("share", [None, *SHARES])
def bench_where(benchmark, search, share):
    benchmark.group = "where"
    if share is None:
        benchmark(search.everything)
        return
    where = search.allowed(share)
    search.check(where)
    benchmark(search.among, where)


def ratio(first: Callable[[], Any], second: Callable[[], Any], seconds: float) -> float:
    """Return the time of the second by that of the first, of the quarter of the calls that were least disturbed."""
    times: tuple[list[float], list[float]] = [], []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times[0]) < 5:
        for call, taken in zip((first, second), times, strict=True):
            start = time.perf_counter()
            call()
            taken.append(time.perf_counter() - start)
    ours, theirs = (sorted(taken)[len(taken) // 4] for taken in times)
    return theirs / ours


def measure(search: Search, isa: str | None) -> str:
    """Return the ratios of all shares, with a bitmap and with booleans, whose packing is part of the search."""
    cells = []
    for share in SHARES:
        where = search.allowed(share)
        search.check(where, isa)
        for given in (np.packbits(where, bitorder="little"), where):
            found = ratio(partial(search.everything, isa), partial(search.among, given, isa), 1.5)
            cells.append(f"{found:.2f}")
    return "  ".join(cells)


def main() -> None:
    print("bitmap and booleans of shares", *SHARES)
    for size in ((1, 1_000_000, 128), (64, 1_000_000, 128), (1, 200_000, 512), (64, 200_000, 512)):
        search = Search(*size)
        for isa in sys.argv[1:] or [None]:
            print(f"{size[0]} queries, {size[1]:,} x {size[2]}, {isa or 'best'}: {measure(search, isa)}", flush=True)


if __name__ == "__main__":
    main()
