"""Searches of a database whose rows lie in several blocks, as the segments of an archive do, against one matrix.

`pytest benchmarks`: small, answers asserted. As a program (`python benchmarks/bench_blocks.py [ROWS COLUMNS]`) it
measures 10^6 x 512 by default, turn by turn, rows normalised as they are read, and prints what multiple of the time of
one matrix each number of blocks takes.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import numpy as np
import pytest

import rsir_fast as rf
from bench_where import ratio
from cases import features

BLOCKS = (2, 10, 100)
K = 10


def cut(rows: Any, blocks: int) -> rf.Database:
    """Return a database of the same memory, in so many blocks."""
    return rf.prepare(np.array_split(rows, blocks), normalize="row", copy=False)


def check(queries: Any, whole: rf.Database, blocks: rf.Database, k: int = K) -> None:
    """Assert that the answers have the same bits."""
    for one, other in zip(whole.topk(queries, k), blocks.topk(queries, k), strict=True):
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("blocks", BLOCKS)
def bench_blocks(benchmark, request, blocks):
    n = 20_000 if request.config.getoption("--sizes") == "small" else 1_000_000
    rows, queries = features(n, 128, 1, "relu"), features(16, 128, 2, "relu")
    database = cut(rows, blocks)
    check(queries, rf.prepare(rows, normalize="row", copy=False), database)
    benchmark.group = "blocks, euclidean_topk"
    benchmark(database.topk, queries, K)


def main() -> None:
    n, d = (int(number) for number in sys.argv[1:]) if sys.argv[1:] else (1_000_000, 512)
    rows = features(n, d, 1, "relu")
    whole = rf.prepare(rows, normalize="row", copy=False)
    for blocks in BLOCKS:
        database = cut(rows, blocks)
        for q in (1, 64):
            for k in (K, 100):
                queries = features(q, d, 2, "relu")
                check(queries, whole, database, k)
                found = ratio(partial(whole.topk, queries, k), partial(database.topk, queries, k), 5.0)
                print(f"{n:,} x {d}, {q} queries, k {k}, {blocks} blocks: {found:.2f} of one matrix", flush=True)


if __name__ == "__main__":
    main()
