"""The protocol of Song et al. 2021, against counting by hand in NumPy."""

from __future__ import annotations

import json

import numpy as np
import pytest

import rsir_fast as rf
from rsir_fast.errors import DatasetError, FeaturesError
from rsir_fast.extraction import Features

BITS, CLASSES, N = 8, ("a", "b", "c"), 45


@pytest.fixture
def features() -> Features:
    rng = np.random.default_rng(2)
    labels = np.arange(N) % 3
    u = rng.standard_normal((N, BITS)).astype(np.float32) + np.eye(3, BITS, dtype=np.float32)[labels]
    scores = rng.random((N, 3), dtype=np.float32)
    items = tuple(f"{CLASSES[label]}/{i}.png" for i, label in enumerate(labels))
    split = {"seed": 0, "train": list(items[:30]), "test": list(items[30:])}
    made = {"bits": BITS, "classes": ["c", "a", "b"], "training": {"split": split, "seed": 0}}
    return Features(np.hstack([u, scores]), items, labels, CLASSES, "demo", provenance={"name": "x", "hash": made})


def by_hand(features: Features, queries: range, database: range) -> dict[str, float]:
    bits = features.matrix[:, :BITS] > 0
    expected, by_index = [], []
    for query in queries:
        others = [item for item in database if item != query]
        distances = (bits[others] != bits[query]).sum(1)
        relevant = features.labels[others] == features.labels[query]
        order = np.argsort(distances, kind="stable")
        hits = relevant[order]
        by_index.append((np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].mean())
        values = []
        for draw in range(4000):  # the expectation over the order of ties, by chance
            rng = np.random.default_rng(draw)
            mixed = relevant[np.lexsort((rng.random(len(others)), distances))]
            values.append((np.cumsum(mixed) / np.arange(1, len(mixed) + 1))[mixed].mean())
        expected.append(np.mean(values))
    return {"expected": float(np.mean(expected)), "by_index": float(np.mean(by_index))}


def test_against_counting_by_hand(features):
    result = json.loads(json.dumps(rf.evaluate_dhcnn2021(features), allow_nan=False))
    for part, database in (("test_vs_train", range(30)), ("test_vs_test", range(30, N))):
        found, expected = result[part], by_hand(features, range(30, N), database)
        assert found["map"]["by_index"] == pytest.approx(expected["by_index"], abs=1e-12)
        assert found["map"]["expected"] == pytest.approx(expected["expected"], abs=2e-3)
        assert found["map"]["worst"] <= found["map"]["expected"] <= found["map"]["best"]
        assert found["radius"]["recall"][-1] == 1.0
        assert len(found["radius"]["recall"]) == BITS + 1
        assert found["cutoffs"] == ([1, 11, 21] if part == "test_vs_train" else [1, 11])
    predicted = np.array([1, 2, 0])[features.labels]  # the model numbers the classes otherwise: c, a, b
    right = (features.matrix[30:, BITS:].argmax(1) == predicted[30:]).mean()
    assert result["labels"]["overall_accuracy"] == pytest.approx(right)
    assert result["images"] == {"train": 30, "test": 15}
    assert "split" not in result["training"]


def test_what_cannot_be_evaluated(features):
    plain = Features(features.matrix, features.items, features.labels, CLASSES, "demo", provenance={"name": "cnn-m"})
    with pytest.raises(FeaturesError, match="expected features of a hash model .* found those of cnn-m"):
        rf.evaluate_dhcnn2021(plain)
    other = Features(
        features.matrix, features.items, features.labels, ("a", "b", "d"), "demo", provenance=features.provenance
    )
    with pytest.raises(DatasetError, match=r"classes of the model \(c, a, b\), found a, b, d"):
        rf.evaluate_dhcnn2021(other)
    renamed = Features(
        features.matrix,
        tuple(f"x{i}" for i in range(N)),
        features.labels,
        CLASSES,
        "demo",
        provenance=features.provenance,
    )
    with pytest.raises(DatasetError, match="expected train images of the model's split, such as a/0.png"):
        rf.evaluate_dhcnn2021(renamed)
