"""Sizes and inputs of the benchmarks, in one place."""

from __future__ import annotations

import numpy as np

# (queries, items, dimension, k): one query, a screenful, all of UC Merced against itself.
EUCLIDEAN = [(1, 50_000, 512, 10), (64, 50_000, 512, 100), (500, 2_100, 4096, 100)]
# (queries, codes, bits, k)
HAMMING = [(1, 1_000_000, 64, 100), (64, 1_000_000, 64, 100)]
# (rows, dimension)
ROWS = [(20_000, 1024)]


def features(n: int, d: int, seed: int) -> np.ndarray:
    """Non-negative and sparse, as after a ReLU."""
    return np.maximum(np.random.default_rng(seed).standard_normal((n, d), dtype=np.float32), 0)


def codes(n: int, bits: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, bits // 8), dtype=np.uint8)
