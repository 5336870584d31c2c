"""Features of a hash model whose codes tell the classes apart, but not well."""

from __future__ import annotations

import numpy as np
import pytest

from rsir_fast.archive import Features

BITS, CLASSES, N, TRAIN = 8, ("a", "b", "c"), 45, 30


@pytest.fixture
def hash_features() -> Features:
    rng = np.random.default_rng(2)
    labels = np.arange(N) % 3
    u = rng.standard_normal((N, BITS)).astype(np.float32) + np.eye(3, BITS, dtype=np.float32)[labels]
    scores = rng.random((N, 3), dtype=np.float32)
    items = tuple(f"{CLASSES[label]}/{i}.png" for i, label in enumerate(labels))
    split = {"seed": 0, "train": list(items[:TRAIN]), "test": list(items[TRAIN:])}
    made = {"bits": BITS, "classes": ["c", "a", "b"], "training": {"split": split, "seed": 7}}
    return Features(np.hstack([u, scores]), items, labels, CLASSES, "demo", provenance={"name": "x", "hash": made})
