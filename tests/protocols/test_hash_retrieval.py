"""Retrieval by codes, against counting by hand in NumPy."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

import rsir_fast as rf
from rsir_fast.protocols import evaluate_codes
from side_by_side import table

BITS, N, TRAIN = 8, 45, 30


@pytest.fixture
def coded(hash_features):
    bits = table(hash_features)[:, :BITS] > 0
    return bits, rf.pack_codes(table(hash_features)[:, :BITS]), hash_features.labels


def by_hand(bits, labels, queries, database):
    """AP of every query, expected and by index; the hits at 1 and 11 in every shuffle within ties, and expected; R."""
    expected, by_index, found, exact, right = [], [], [], [], []
    for query in queries:
        others = np.array([item for item in database if item != query])
        distances = (bits[others] != bits[query]).sum(1)
        relevant = labels[others] == labels[query]
        hits = relevant[np.argsort(distances, kind="stable")]
        by_index.append((np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].mean())
        values, within = [], []
        for draw in range(2000):  # the expectation over the order of ties, by chance
            rng = np.random.default_rng(draw)
            mixed = relevant[np.lexsort((rng.random(len(others)), distances))]
            values.append((np.cumsum(mixed) / np.arange(1, len(mixed) + 1))[mixed].mean())
            within.append([mixed[:n].sum() for n in (1, 11)])
        expected.append(np.mean(values))
        found.append(within)
        closer = (distances < distances[:, None]).sum(1)
        tied = (distances == distances[:, None]).sum(1)
        exact.append([np.clip((n - closer) / tied, 0, 1)[relevant].sum() for n in (1, 11)])
        right.append(relevant.sum())
    return np.array(expected), np.array(by_index), np.array(found), np.array(exact), np.array(right)


@pytest.mark.parametrize("among_themselves", [False, True])
def test_against_counting_by_hand(coded, among_themselves):
    bits, codes, labels = coded
    queries = np.arange(TRAIN, N)
    database = queries if among_themselves else np.arange(TRAIN)
    found = evaluate_codes(codes, labels, BITS, queries, database)
    expected, by_index, hits, exact, right = by_hand(bits, labels, queries, database)
    assert found.map.by_index == pytest.approx(by_index.mean(), abs=1e-12)
    assert found.map.expected == pytest.approx(expected.mean(), abs=2e-3)
    assert found.map.worst < found.map.expected < found.map.best
    assert found.per_query == pytest.approx(expected, abs=2e-2)
    for label in range(3):
        of_class = [ap for ap, query in zip(found.per_query, queries, strict=True) if labels[query] == label]
        assert found.per_class[label] == pytest.approx(np.mean(of_class), abs=1e-12)
    assert found.cutoffs == ((1, 11) if among_themselves else (1, 11, 21))
    for at, of in (
        (found.precision_at, lambda hits: (hits / [1, 11]).mean(0)),
        (found.recall_at, lambda hits: (hits.T / right).T.mean(0)),
        (found.recall_micro_at, lambda hits: hits.sum(0) / right.sum()),
    ):
        assert at[:2] == pytest.approx(of(exact), abs=1e-12)
        few = of(hits)[:20]  # what 20 runs of the authors' program would give, did it order ties at random
        assert (few.min(0) <= at[:2]).all()
        assert (at[:2] <= few.max(0)).all()
        assert (few.min(0) < few.max(0)).all()
    assert (found.queries, found.queries_without_relevant, found.database) == (15, 0, len(database))
    pairs = [(query, item) for query in queries for item in database if query != item]
    distances = np.array([(bits[query] != bits[item]).sum() for query, item in pairs])
    relevant = np.array([labels[query] == labels[item] for query, item in pairs])
    for radius in range(BITS + 1):
        within = distances <= radius
        assert found.radius.recall[radius] == pytest.approx((within & relevant).sum() / relevant.sum())
        assert found.radius.precision[radius] == pytest.approx(relevant[within].mean())


def test_map_at_k_is_expected_over_all_orders_of_ties():
    codes = np.array([0, 3, 0, 1, 1, 2, 1, 3], np.uint8)[:, None]
    labels, k, queries, database = np.array([0, 1, 1, 0, 1, 0, 1, 0]), 3, np.array([0, 1]), np.arange(2, 8)
    bits, by = np.unpackbits(codes, axis=1), {"found": [], "min": [], "relevant": []}
    for query in queries:
        distances, right = (bits[database] != bits[query]).sum(1), labels[database] == labels[query]
        for order in map(list, permutations(range(6))):
            hits = right[order][np.argsort(distances[order], kind="stable")]
            total = (np.cumsum(hits) / np.arange(1, 7))[:k][hits[:k]].sum()
            by["found"].append(total / max(1, hits[:k].sum()))
            by["min"].append(total / min(k, hits.sum()))
            by["relevant"].append(total / hits.sum())
    found = evaluate_codes(codes, labels, 2, queries, database, map_at=k, divisor="found").map_at
    assert found.by_divisor == pytest.approx({name: np.mean(values) for name, values in by.items()}, abs=1e-12)
    assert (found.k, found.value) == (k, found.found)
    found = evaluate_codes(codes, labels, 2, queries, database, map_at=100).map_at
    assert found.found == found.min == found.relevant == found.value  # of the whole ranking


def test_queries_without_a_relevant_item_are_counted_apart():
    codes, labels = np.array([[0], [1], [255], [3]], np.uint8), np.array([0, 1, 0, 2])
    found = evaluate_codes(codes, labels, 8, np.array([0, 3]), np.array([1, 2]))
    assert (found.queries, found.queries_without_relevant) == (2, 1)
    assert dict(found.map) == dict.fromkeys(("expected", "by_index", "worst", "best"), 0.5)
    assert found.per_query == (0.5, None)
    assert found.per_class == (0.5, None, None)
    assert found.radius.precision[0] is None


def test_one_tie_over_all_gives_the_share_of_the_class_at_every_number():
    codes, labels = np.zeros((12, 1), np.uint8), np.array([0, 1, *[0] * 4, *[1] * 6])
    found = evaluate_codes(codes, labels, 8, np.array([0, 1]), np.arange(2, 12), cutoffs=[5, 2, 5, 11])
    assert found.cutoffs == (2, 5)
    assert found.precision_at == pytest.approx((0.5, 0.5), abs=1e-15)  # of 4 / 10 and 6 / 10; by index 1 and 0
    assert found.recall_at == found.recall_micro_at == pytest.approx((0.2, 0.5), abs=1e-15)
    found = evaluate_codes(codes, np.array([0, 1, *[0] * 5, *[2] * 5]), 8, np.array([0, 1]), np.arange(2, 12))
    assert found.precision_at == (0.5,)  # the query without a relevant item is in no mean
    with pytest.raises(ValueError, match=r"cutoffs: expected numbers of returned images from 1 on, got \[0\]"):
        evaluate_codes(codes, labels, 8, np.array([0]), np.array([1]), cutoffs=[0])


@pytest.mark.parametrize(
    ("queries", "database", "message"),
    [
        ([0, 1], [1, 2], "expected none of the queries, or all of them, got 1 of the 2"),
        ([], [1, 2], "got 0 queries and 2 items"),
        ([0], [], "got 1 queries and 0 items"),
    ],
)
def test_what_cannot_be_ranked(coded, queries, database, message):
    _, codes, labels = coded
    with pytest.raises(ValueError, match=message):
        evaluate_codes(codes, labels, BITS, np.array(queries, int), np.array(database, int))
