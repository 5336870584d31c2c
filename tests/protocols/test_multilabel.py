"""Retrieval by shared labels against a plain program; classes as the case of one label each."""

from __future__ import annotations

import numpy as np
import pytest

import rsir_fast as rf
from rsir_fast.datasets import LabelSets
from rsir_fast.errors import DatasetError
from rsir_fast.protocols import MultilabelResult, evaluate_multilabel

NAMES = ("field", "river", "road", "tree")


def made(n=40, dim=6, seed=1):
    rng = np.random.default_rng(seed)
    sets = rng.random((n, 4)) < 0.6
    sets[:, 3] &= np.arange(n) > 20
    sets[5] = False  # shares no label with any
    matrix = (sets @ rng.random((4, dim)) + rng.random((n, dim))).astype(np.float32)
    return rf.Features(matrix, tuple(f"{i}.png" for i in range(n)), None, (), "demo"), LabelSets(NAMES, sets)


def plain(distances, sets, k):
    """mAP, weighted mAP, NDCG@k and ACG@k, a query at a time, without ties."""
    found = []
    for query in range(len(sets)):
        order = np.delete(np.argsort(distances[query], kind="stable"), 0)
        shared = (sets[order] & sets[query]).sum(1)
        if not shared.any():
            continue
        ranks = np.arange(1, len(order) + 1)
        hits, discount = shared > 0, np.log2(ranks + 1)
        gain, best = 2.0**shared - 1, 2.0 ** np.sort(shared)[::-1] - 1
        found.append(
            [
                (np.cumsum(hits) / ranks)[hits].mean(),
                (np.cumsum(shared) / ranks)[hits].mean(),
                (gain / discount)[:k].sum() / (best / discount)[:k].sum(),
                shared[:k].mean(),
            ]
        )
    return np.mean(found, 0)


def test_features_against_a_plain_program(tmp_path):
    features, sets = made()
    result = evaluate_multilabel(features, sets, cutoffs=[5, 999])
    x = features.matrix.astype(np.float64)
    x = (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True)
    found = result.query_excluded
    expected = plain(((x[:, None] - x) ** 2).sum(2), sets.sets, 5)
    assert [found.map, found.weighted_map, found.ndcg_at[0], found.acg_at[0]] == pytest.approx(expected, abs=1e-12)
    assert (found.cutoffs, found.queries) == ((5,), 40)
    assert found.queries_without_relevant == np.count_nonzero(~sets.sets.any(1)) > 0
    shared = (sets.sets[:, None] & sets.sets).any(2) & ~np.eye(40, dtype=bool)
    assert found.relevant_share == pytest.approx((shared.sum(1) / 39)[shared.any(1)].mean())
    of_road = [ap for ap, own in zip(found.per_query, sets.sets[:, 2], strict=True) if own]
    assert found.per_label[2].map == pytest.approx(np.mean(of_road))
    assert (found.per_label[2].label, found.per_label[2].queries) == ("road", len(of_road))
    assert (result.rules.relevance, result.rules.ties) == ("label", "expected")
    (tmp_path / "result.json").write_text(result.to_json())
    assert MultilabelResult.load(tmp_path) == result
    again = evaluate_multilabel(features, sets, cutoffs=[5, 999], threads=1)
    assert again.query_excluded == found


def test_codes_are_ranked_by_hamming_distance_and_expected_over_ties(hash_features):
    bits = 8
    sets = LabelSets(NAMES, np.random.default_rng(2).random((len(hash_features), 4)) < 0.5)
    found = evaluate_multilabel(hash_features, sets, cutoffs=[7])
    assert (found.settings.distance, found.settings.bits, found.settings.normalize) == ("hamming", bits, None)
    codes = np.hstack([hash_features["u"]]) > 0
    distances = (codes[:, None] != codes).sum(2).astype(float)
    runs = []
    for draw in range(60):  # random orders of ties, the query before them
        noise = np.random.default_rng(draw).random(distances.shape) / 2
        runs.append(plain(np.where(np.eye(len(codes), dtype=bool), -1, distances + noise), sets.sets, 7))
    figures = found.query_excluded
    given = [figures.map, figures.weighted_map, figures.ndcg_at[0], figures.acg_at[0]]
    assert given == pytest.approx(np.mean(runs, 0), abs=6e-3)
    assert (np.min(runs, 0) < given).all()
    assert (given < np.max(runs, 0)).all()


def test_classes_are_the_case_of_one_label_each():
    rng = np.random.default_rng(3)
    features = rf.Features(
        rng.random((30, 5), dtype=np.float32), tuple(map(str, range(30))), np.arange(30) % 3, ("a", "b", "c"), "demo"
    )
    labels, classes = evaluate_multilabel(features).query_excluded, rf.evaluate_ge2018(features).query_excluded
    assert labels.map == labels.weighted_map == pytest.approx(classes.map, abs=1e-14)
    assert labels.per_query == pytest.approx(classes.per_query, abs=1e-14)
    assert labels.precision_at[:3] == pytest.approx([classes.precision_at[n] for n in (1, 5, 10)], abs=1e-14)
    assert labels.acg_at == labels.precision_at


def test_what_cannot_be_evaluated():
    features, sets = made(6)
    with pytest.raises(DatasetError, match="found no labels"):
        evaluate_multilabel(features)
    with pytest.raises(DatasetError, match="expected 6 label sets, one for each image, got 5"):
        evaluate_multilabel(features, sets.picked(range(5)))
    with pytest.raises(ValueError, match="gain: expected one of"):
        evaluate_multilabel(features, sets, gain="steep")
