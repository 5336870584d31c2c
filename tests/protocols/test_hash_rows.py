"""Rankings by labels alone, against their definitions in plain NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from rsir_fast.hashing.label_codes import label_codes
from rsir_fast.protocols import hash_rows
from rsir_fast.protocols.hash_rows import Parts, by_label, by_probabilities

CLASSES = 5


@pytest.fixture
def made():
    """Return true labels, probabilities that are mostly right, and parts; some products are equal."""
    rng = np.random.default_rng(3)
    true = rng.integers(0, CLASSES, 60)
    sharp = rng.random((60, CLASSES)) + 1.5 * np.eye(CLASSES)[true]
    scores = np.exp(4 * sharp)
    scores = np.round(scores / scores.sum(1, keepdims=True), 1).astype(np.float32)
    order = rng.permutation(60)
    return true, scores, Parts(train=order[:40], test=order[40:])


def shuffled_mean(distances: np.ndarray, relevant: np.ndarray) -> float:
    """AP as a mean over many random orders of equal distances."""
    rng, values = np.random.default_rng(0), []
    for _ in range(400):
        order = np.lexsort((rng.random(len(distances)), distances))
        ranks = np.flatnonzero(relevant[order]) + 1
        values.append(np.mean(np.arange(1, len(ranks) + 1) / ranks))
    return float(np.mean(values))


def plain(distance, true, parts, database) -> float:
    values = []
    for query in parts.test:
        others = database[database != query]
        distances = np.array([distance(query, other) for other in others])
        values.append(shuffled_mean(distances, true[others] == true[query]))
    return float(np.mean(values))


def test_a_label_is_a_code(made):
    true, scores, parts = made
    given = scores.argmax(1)
    assert label_codes(given, CLASSES).bits == 3
    assert [label_codes(np.array([0]), classes).bits for classes in (1, 2, 3, 4, 5, 16, 17, 256, 257)] == [
        *(1, 1, 2, 2, 3, 4, 5, 8, 9)
    ]
    found = by_label(given, true, CLASSES, parts)
    for figures, database in ((found.test_vs_train, parts.train), (found.test_vs_test, parts.test)):
        expected = plain(lambda a, b: bin(given[a] ^ given[b]).count("1"), true, parts, database)
        assert figures.map.expected == pytest.approx(expected, abs=0.01)
    # Distance 0 is the same label and nothing else.
    same = given[parts.test][:, None] == given[parts.train]
    right = same & (true[parts.test][:, None] == true[parts.train])
    assert found.test_vs_train.radius.precision[0] == pytest.approx(right.sum() / same.sum())


def test_products_of_probabilities(made, monkeypatch):
    true, scores, parts = made
    found = by_probabilities(scores, true, parts)
    wide = scores.astype(np.float64)
    for figures, database in ((found.test_vs_train, parts.train), (found.test_vs_test, parts.test)):
        expected = plain(lambda a, b: -round(float(wide[a] @ wide[b]), 9), true, parts, database)
        assert figures.map.expected == pytest.approx(expected, abs=0.01)
    monkeypatch.setattr(hash_rows, "AT_ONCE", 100)  # two queries at a time
    assert by_probabilities(scores, true, parts) == found


def test_labels_out_of_range_are_refused():
    with pytest.raises(ValueError, match="labels: expected 0 to 2, got 0 to 3"):
        label_codes(np.array([0, 3]), 3)
    with pytest.raises(ValueError, match="classes: expected at least 1, got 0"):
        label_codes(np.array([], np.int64), 0)
