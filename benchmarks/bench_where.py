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
from cases import codes, features

SHARES = (0.0, 1e-6, 0.01, 0.1, 0.5, 1.0)
FORMS = ("plain", "prepared", "prepared and kept")
K = 10


class Search:
    """A database, some queries, and rows allowed by chance."""

    def __init__(self, topk: Callable[..., Any], queries: Any, rows: Any, database: Any) -> None:
        self.topk, self.queries, self.rows, self.database = topk, queries, rows, database
        self.random = np.random.default_rng(3)

    @classmethod
    def of_vectors(cls, q: int, n: int, d: int) -> Search:
        """ReLU-like features, prepared."""
        rows = features(n, d, 1, "relu")
        return cls(rf.euclidean_topk, features(q, d, 2, "relu"), rows, rf.prepare(rows, copy=False))

    @classmethod
    def of_codes(cls, q: int, n: int, bits: int, form: str) -> Search:
        """Codes as they come, prepared, or prepared and kept."""
        queries, rows = codes(q, bits, 2), codes(n, bits, 1)
        if form == "plain":
            return cls(rf.hamming_topk, queries, rows, rows)
        return cls(rf.hamming_topk, queries, rows, rf.prepare(rows, metric="hamming", copy=form == "prepared"))

    def allowed(self, share: float) -> Any:
        return self.random.random(len(self.rows)) < share

    def everything(self, isa: str | None = None) -> Any:
        return self.topk(self.queries, self.database, K, isa=isa)

    def among(self, where: Any, isa: str | None = None) -> Any:
        return self.topk(self.queries, self.database, K, where=where, isa=isa)

    def check(self, where: Any, isa: str | None = None) -> None:
        """Assert that the answer is that of the allowed rows alone."""
        ids = np.flatnonzero(where)
        distances, places = self.topk(self.queries, np.ascontiguousarray(self.rows[ids]), K)
        found = self.among(where, isa)
        assert (found[0] == distances).all()
        assert (found[1] == np.append(ids, -1)[places]).all()


@pytest.fixture(scope="module", params=["vectors", *FORMS])
def search(request):
    small = request.config.getoption("--sizes") == "small"
    n = 20_000 if small else 1_000_000
    if request.param == "vectors":
        return Search.of_vectors(16, n, 128)
    return Search.of_codes(16, n, 64, request.param)


@pytest.mark.parametrize("share", [None, *SHARES])
def bench_where(benchmark, search, share):
    benchmark.group = f"where, {search.topk.__name__}"
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
    cases = {
        f"{q} queries, {n:,} x {d}": partial(Search.of_vectors, q, n, d)
        for q, n, d in ((1, 1_000_000, 128), (64, 1_000_000, 128), (1, 200_000, 512), (64, 200_000, 512))
    }
    for q in (1, 64):
        for form in FORMS:
            cases[f"{q} queries, {form} codes, 10,000,000 x 64 bits"] = partial(
                Search.of_codes, q, 10_000_000, 64, form
            )
    for name, make in cases.items():
        search = make()
        for isa in sys.argv[1:] or [None]:
            print(f"{name}, {isa or 'best'}: {measure(search, isa)}", flush=True)


if __name__ == "__main__":
    main()
