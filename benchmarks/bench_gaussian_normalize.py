from __future__ import annotations

import numpy as np
import pytest
import torch

import cases
import rsir_fast as rf


def by_rsir_fast(x):
    return rf.gaussian_normalize(x)


def by_numpy(x):
    return (1 + (x - x.mean(1, keepdims=True)) / (3 * x.std(1, keepdims=True))) / 2


def by_torch(x):
    rows = torch.from_numpy(x)
    return (torch.nn.functional.layer_norm(rows, rows.shape[1:], eps=0.0) / 6 + 0.5).numpy()


@pytest.mark.parametrize("case", cases.ROWS, ids=lambda case: "x".join(map(str, case)))
@pytest.mark.parametrize("run", [by_rsir_fast, by_numpy, by_torch])
def bench_gaussian_normalize(benchmark, case, run):
    x = cases.features(*case, 0)
    benchmark.group = f"gaussian_normalize {case[0]} x {case[1]}"
    result = benchmark(run, x)
    np.testing.assert_allclose(result[:100], by_numpy(x[:100].astype(np.float64)), rtol=1e-4, atol=1e-5)
