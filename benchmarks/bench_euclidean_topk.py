from __future__ import annotations

import numpy as np
import pytest
import torch

import cases
import rsir_fast as rf
from rsir_fast.testing import assert_topk_equivalent


def by_rsir_fast(queries, database, k):
    return rf.euclidean_topk(queries, database, k)


def by_numpy(queries, database, k):
    squared = (queries**2).sum(1)[:, None] - 2 * queries @ database.T + (database**2).sum(1)
    ids = np.argpartition(squared, k, axis=1)[:, :k]
    distances = np.take_along_axis(squared, ids, 1)
    order = np.argsort(distances, axis=1)
    return np.take_along_axis(distances, order, 1), np.take_along_axis(ids, order, 1)


def by_torch(queries, database, k):
    q, x = torch.from_numpy(queries), torch.from_numpy(database)
    squared = (q**2).sum(1)[:, None] - 2 * q @ x.T + (x**2).sum(1)
    distances, ids = squared.topk(k, dim=1, largest=False)
    return distances.numpy(), ids.numpy()


@pytest.mark.parametrize("case", cases.EUCLIDEAN, ids=lambda case: "x".join(map(str, case)))
@pytest.mark.parametrize("run", [by_rsir_fast, by_numpy, by_torch])
def bench_euclidean_topk(benchmark, case, run):
    q, n, d, k = case
    queries, database = cases.features(q, d, 0), cases.features(n, d, 1)
    benchmark.group = f"euclidean_topk {q} x {n} x {d}, k {k}"
    distances, ids = benchmark(run, queries, database, k)
    first = queries[:2].astype(np.float64)
    truth = (
        (first**2).sum(1)[:, None] - 2 * first @ database.T.astype(np.float64) + (database.astype(float) ** 2).sum(1)
    )
    assert_topk_equivalent(distances[:2], ids[:2], truth, rtol=1e-4)
