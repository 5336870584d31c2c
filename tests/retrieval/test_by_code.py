"""Search by codes against brute force in NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from rsir_fast.archive import Features
from rsir_fast.errors import FeaturesError
from rsir_fast.ops import reference
from rsir_fast.retrieval import Hits, Search, find

CLASSES = ["forest", "harbor", "river"]
FARTHEST = np.iinfo(np.int32).max


def made(n, bits, seed, *, sha256="", classes=CLASSES, values=5) -> Features:
    """Coarse values: many codes, and many distances of u, are equal."""
    rng = np.random.default_rng(seed)
    u = (rng.integers(0, values, (n, bits)) - values // 2).astype(np.float32)
    scores = rng.dirichlet(np.ones(len(classes)), n).astype(np.float32).reshape(n, len(classes))
    steps = {"input_size": 8, "divisor": 1.0, "mean": [0.0] * 3, "std": [1.0] * 3}
    provenance = {
        "name": "x",
        "layer": f"gap, hash {bits}",
        "weights": {"sha256": sha256},
        "preprocessing": steps,
        "hash": {"bits": bits, "classes": list(classes)},
    }
    return Features(
        np.hstack([u, scores]), tuple(f"{i}.jpg" for i in range(n)), None, (), f"demo{seed}", provenance=provenance
    )


def search_codes(database, queries, k, *, rerank=None, same_label=False, threads=None) -> Hits:
    return find(database, queries, Search(k=k, rerank_codes=rerank, same_label=same_label), threads=threads)


def by_hand(database, queries, bits, k, rerank, same_label):
    """Ids, Hamming and squared Euclidean distances of every query, as lists as long as there are items."""
    u, wanted = database.arrays[:, :bits].astype(float), queries.arrays[:, :bits].astype(float)
    labels, query_labels = database.arrays[:, bits:].argmax(1), queries.arrays[:, bits:].argmax(1)
    for vector, label in zip(wanted, query_labels, strict=True):
        hamming = ((u > 0) != (vector > 0)).sum(1)
        squared = ((u - vector) ** 2).sum(1)  # small whole numbers: exact in any order
        allowed = [item for item in range(len(u)) if not same_label or labels[item] == label]
        order = sorted(allowed, key=lambda item: (hamming[item], item))
        if rerank is not None:
            order = sorted(order[:rerank], key=lambda item: (squared[item], item))
        order = order[:k]
        yield order, hamming[order].tolist(), squared[order].tolist()


@pytest.mark.parametrize("same_label", [False, True])
@pytest.mark.parametrize("rerank", [None, 7, 20, 1000])
@pytest.mark.parametrize("bits", [1, 8, 13, 64, 70])
@pytest.mark.parametrize("k", [0, 1, 7])
def test_against_brute_force(bits, k, rerank, same_label):
    database, queries = made(61, bits, 1), made(9, bits, 2)
    found = search_codes(database, queries, k, rerank=rerank, same_label=same_label, threads=2)
    assert found.ids.shape == found.hamming.shape == found.predicted.labels.shape == (9, k)
    labels, probabilities = database.arrays[:, bits:].argmax(1), database.arrays[:, bits:].max(1)
    for row, (ids, hamming, squared) in enumerate(by_hand(database, queries, bits, k, rerank, same_label)):
        assert found.ids[row].tolist() == ids
        assert found.hamming[row].tolist() == hamming
        assert found.predicted.labels[row].tolist() == labels[ids].tolist()
        np.testing.assert_array_equal(found.predicted.probabilities[row], probabilities[ids])
        if found.squared is not None:
            assert found.squared[row].tolist() == squared
    assert (found.squared is None) == (rerank is None)
    np.testing.assert_array_equal(found.of_queries.labels, queries.arrays[:, bits:].argmax(1))
    np.testing.assert_array_equal(found.of_queries.probabilities, queries.arrays[:, bits:].max(1))


def test_the_cases_have_ties_and_reranking_matters():
    """The brute force above would prove little without them."""
    database, queries = made(61, 8, 1), made(9, 8, 2)
    plain = list(by_hand(database, queries, 8, 20, None, False))
    reranked = list(by_hand(database, queries, 8, 20, 20, False))
    assert any(len(set(hamming)) < 20 for _, hamming, _ in plain)
    assert any(len(set(squared)) < 20 for _, _, squared in reranked)
    assert all(first[0] != second[0] for first, second in zip(plain, reranked, strict=True))


@pytest.mark.parametrize("rerank", [None, 100])
@pytest.mark.parametrize("same_label", [False, True])
@pytest.mark.parametrize("n", [0, 1, 5])
def test_fewer_items_than_k(n, same_label, rerank):
    database, queries = made(n, 16, 1), made(4, 16, 2)
    found = search_codes(database, queries, 9, rerank=rerank, same_label=same_label)
    for row, (ids, hamming, squared) in enumerate(by_hand(database, queries, 16, 9, rerank, same_label)):
        empty = 9 - len(ids)
        assert empty >= 4
        assert found.ids[row].tolist() == ids + [-1] * empty
        assert found.hamming[row].tolist() == hamming + [FARTHEST] * empty
        assert found.predicted.labels[row, len(ids) :].tolist() == [-1] * empty
        assert np.isnan(found.predicted.probabilities[row]).tolist() == [False] * len(ids) + [True] * empty
        if found.squared is not None:
            assert found.squared[row].tolist() == squared + [np.inf] * empty


@pytest.mark.parametrize("rerank", [None, 6])
@pytest.mark.parametrize("same_label", [False, True])
def test_no_queries(same_label, rerank):
    found = search_codes(made(8, 16, 1), made(0, 16, 2), 3, rerank=rerank, same_label=same_label)
    for part in (found.ids, found.hamming, found.predicted.labels, found.predicted.probabilities):
        assert part.shape == (0, 3)
    assert found.of_queries.labels.shape == found.of_queries.probabilities.shape == (0,)


def test_no_item_of_the_label():
    database, queries = made(8, 16, 1), made(1, 16, 2)
    database.arrays[:, 16:], queries.arrays[:, 16:] = [0.1, 0.9, 0.0], [0.2, 0.3, 0.5]
    for rerank in (None, 4):
        found = search_codes(database, queries, 2, same_label=True, rerank=rerank)
        assert found.ids.tolist() == [[-1, -1]]
        assert found.of_queries.labels.tolist() == [2]


def test_rerank_is_by_the_canonical_distance():
    """Values whose float32 sums would round otherwise; the same bits for any number of candidates and threads."""
    database, queries = made(300, 48, 3), made(3, 48, 4)
    rng = np.random.default_rng(0)
    for side in (database, queries):
        side.arrays[:, :48] *= rng.lognormal(0, 2, side.arrays[:, :48].shape).astype(np.float32)
    expected, order = reference.euclidean_topk(queries.arrays[:, :48], database.arrays[:, :48], 12)
    for rerank, threads in ((300, 1), (300, 2), (5000, 1)):
        found = search_codes(database, queries, 12, rerank=rerank, threads=threads)
        np.testing.assert_array_equal(found.ids, order)
        assert found.squared.tobytes() == expected.tobytes()


def test_nan_is_a_zero_bit_and_last_by_euclidean_distance():
    database, queries = made(3, 8, 1), made(1, 8, 2)
    queries.arrays[:, :8] = -1
    database.arrays[:, :8] = [[np.nan] * 8, [1, 1] + [-1] * 6, [-1] * 7 + [1]]
    assert search_codes(database, queries, 3).ids.tolist() == [[0, 2, 1]]
    found = search_codes(database, queries, 4, rerank=4)
    assert found.ids.tolist() == [[2, 1, 0, -1]]


@pytest.mark.parametrize(("k", "rerank"), [(10, 9), (1, 0)])
def test_too_few_candidates_to_rerank(k, rerank):
    with pytest.raises(
        ValueError, match=rf"rerank_codes: expected at least k \({k}\) candidates to order, got {rerank}"
    ):
        search_codes(made(3, 8, 1), made(3, 8, 2), k, rerank=rerank)


@pytest.mark.parametrize("k", [-1, 1.5])
def test_k_that_is_no_number_of_items(k):
    with pytest.raises(ValueError, match="query: k: Input should be"):
        Search(k=k)


def test_features_that_do_not_go_together():
    database = made(3, 8, 1, sha256="a" * 64)
    search_codes(database, made(3, 8, 2), 1)  # a model in memory: its file is not known
    for other, what in (
        (made(3, 8, 2, sha256="b" * 64), r"weights: aaaaaaaaaaaaaaaa\.\.\., now bbbbbbbbbbbbbbbb\.\.\."),
        (made(3, 9, 2), "bits and number of classes: 8 and 3, now 9 and 3"),
        (made(3, 9, 2, sha256="a" * 64), "hash length: 8, now 9"),
        (made(3, 8, 2, classes=["x", "y", "z"], sha256="a" * 64), "classes: forest,harbor,river, now x,y,z"),
    ):
        with pytest.raises(FeaturesError, match=f"expected queries by the model of the database, found .*{what}"):
            search_codes(database, other, 1)
    plain = Features(database.arrays, database.items, None, (), "plain", provenance={"name": "cnn-m"})
    for sides in ((plain, database), (database, plain)):
        with pytest.raises(FeaturesError, match="plain: expected features of a hash model.* found those of cnn-m"):
            search_codes(*sides, 1)
    cut = Features(database.arrays[:, :-1], database.items, None, (), "cut", provenance=database.provenance)
    with pytest.raises(FeaturesError, match="cut: expected rows of 8 values .* and 3 probabilities, found 10 values"):
        search_codes(cut, database, 1)
