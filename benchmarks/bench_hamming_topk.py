from __future__ import annotations

import numpy as np
import pytest

import cases
import rsir_fast as rf
from rsir_fast.ops import reference
from rsir_fast.testing import assert_topk_equivalent


def by_rsir_fast(queries, database, k):
    return rf.hamming_topk(queries, database, k)


def by_numpy(queries, database, k):
    words = database.view(np.uint64)[:, 0]
    answers = []
    for query in queries.view(np.uint64)[:, 0]:
        distances = np.bitwise_count(words ^ query)
        ids = np.argpartition(distances, k)[:k]
        answers.append((np.sort(distances[ids]), ids[np.argsort(distances[ids])]))
    return tuple(map(np.array, zip(*answers, strict=True)))


@pytest.mark.parametrize("case", cases.HAMMING, ids=lambda case: "x".join(map(str, case)))
@pytest.mark.parametrize("run", [by_rsir_fast, by_numpy])
def bench_hamming_topk(benchmark, case, run):
    if run is by_numpy and not hasattr(np, "bitwise_count"):
        pytest.skip("numpy.bitwise_count needs NumPy 2")
    q, n, bits, k = case
    queries, database = cases.codes(q, bits, 0), cases.codes(n, bits, 1)
    benchmark.group = f"hamming_topk {q} x {n} x {bits} bits, k {k}"
    distances, ids = benchmark(run, queries, database, k)
    assert_topk_equivalent(distances[:1], ids[:1], reference.hamming_distances(queries[:1], database, bits))
