from __future__ import annotations

import numpy as np
import pytest

from rsir_fast.archive import Features
from rsir_fast.backbones import load_backbone
from rsir_fast.errors import DatasetError
from rsir_fast.extraction import encode
from rsir_fast.metrics import RetrievalAccumulator, drop_self
from rsir_fast.ops import rank_database
from rsir_fast.protocols import RetrievalFigures, evaluate_ge2018
from rsir_fast.protocols.facts import Timing
from rsir_fast.protocols.ge2018 import CUTOFFS


def make_features(n: int = 90, classes: int = 3, dim: int = 40, seed: int = 0) -> Features:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    matrix = (rng.gamma(0.5, size=(n, dim)) + rng.gamma(1, size=(classes, dim))[labels]).astype(np.float32)
    matrix[1] = matrix[4]  # a duplicate within a class
    names = tuple(f"class{label}" for label in range(classes))
    return Features(matrix, tuple(f"{i:03d}.png" for i in range(n)), labels, names, "made")


def plain_evaluation(matrix, labels, included, penalty="1.25k"):
    """MAP and ANMRR by the book, one query at a time, in float64."""
    x = matrix.astype(np.float64)
    x = (1 + (x - x.mean(1, keepdims=True)) / (3 * x.std(1, keepdims=True))) / 2
    precisions, ranks = [], []
    for i in range(len(x)):
        distance = np.round(((x - x[i]) ** 2).sum(1), 9)
        order = [j for j in np.argsort(distance, kind="stable") if included or j != i]
        hits = np.flatnonzero(labels[order] == labels[i]) + 1
        precisions.append(np.mean(np.arange(1, len(hits) + 1) / hits))
        k, ng = 2 * len(hits), len(hits)
        beyond = 1.25 * k if penalty == "1.25k" else k + 1
        penalised = np.where(hits <= k, hits, beyond)
        ranks.append((penalised.mean() - (1 + ng) / 2) / (beyond - (1 + ng) / 2))
    return np.mean(precisions), np.mean(ranks)


@pytest.mark.parametrize("penalty", ["1.25k", "k+1"])
@pytest.mark.parametrize("included", [False, True])
def test_figures_are_those_of_a_plain_evaluation(included, penalty):
    features = make_features()
    whole = evaluate_ge2018(features, anmrr_penalty=penalty)
    assert whole.rules.anmrr.content() == {"k": "2ng", "penalty": penalty}
    result = whole.by_place["query_included" if included else "query_excluded"]
    mean_ap, mean_nmrr = plain_evaluation(features.matrix, features.labels, included, penalty)
    assert result.map == pytest.approx(mean_ap, abs=1e-12)
    assert result.anmrr == pytest.approx(mean_nmrr, abs=1e-12)


def test_map_at_k_by_every_divisor_and_cutoffs_that_are_asked_for():
    features, k = make_features(), 7
    result = evaluate_ge2018(features, cutoffs=(3, 1, 300), map_at=k, divisor="relevant")
    x = features.matrix.astype(np.float64)
    x = (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True)
    found, least, all_of_them, right = [], [], [], []
    for i in range(len(x)):
        order = np.delete(np.argsort(np.round(((x - x[i]) ** 2).sum(1), 9), kind="stable"), 0)
        hits = features.labels[order] == features.labels[i]
        total = (np.cumsum(hits) / np.arange(1, len(hits) + 1))[:k][hits[:k]].sum()
        for values, divisor in (
            (found, max(1, hits[:k].sum())),
            (least, min(k, hits.sum())),
            (all_of_them, hits.sum()),
        ):
            values.append(total / divisor)
        right.append(hits[:3])
    at_k = result.query_excluded.map_at
    assert (at_k.found, at_k.min, at_k.relevant) == pytest.approx(
        (np.mean(found), np.mean(least), np.mean(all_of_them))
    )
    assert at_k.value == at_k.relevant < at_k.min < at_k.found
    assert list(result.query_excluded.precision_at) == [1, 3]
    assert result.query_excluded.precision_at[3] == pytest.approx(np.mean(right))
    rules = result.rules
    assert (rules.map_at, rules.divisor, rules.cutoffs) == (k, "relevant", (1, 3, 300))
    assert result.query_included.map_at.found > at_k.found
    for wrong in ({"map_at": 0}, {"cutoffs": ()}, {"divisor": "k"}):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))}: expected"):
            evaluate_ge2018(features, **wrong)


@pytest.mark.parametrize("anmrr_k", ["2ng", "mpeg7"])
def test_figures_are_those_of_the_full_rankings(anmrr_k):
    features = make_features(n=200, classes=7)
    features.matrix[20:40] = features.matrix[3]  # over several classes
    features.matrix[50] = np.nan
    labels, own = features.labels, features.labels[:, None]
    result = evaluate_ge2018(features, anmrr_k=anmrr_k, resamples=0)
    (block,) = rank_database(features.matrix, features.matrix, normalize="row", block=200)
    for key, ids in (("query_included", block.ids), ("query_excluded", drop_self(block.ids, np.arange(200)))):
        relevant = labels[ids] == own
        accumulator = RetrievalAccumulator(
            features.classes,
            ids.shape[1],
            cutoffs=[n for n in CUTOFFS if n < 200],
            anmrr_k=anmrr_k,
            max_relevant=int(relevant.sum(axis=1).max()),
        )
        accumulator.add(relevant, labels)
        figures = result.by_place[key]
        expected = RetrievalFigures.model_validate(accumulator.result())
        assert figures.map_intervals is None
        assert figures.model_copy(update={"per_query": ()}) == expected
        assert result.queries.items == features.items
        assert figures.average_precision == pytest.approx(accumulator.average_precision(), nan_ok=True, abs=0)


def without_timing(result) -> str:
    return result.model_copy(update={"timing": Timing()}).to_json()


@pytest.mark.parametrize("normalize", ["row", "feature", "none"])
def test_threads_blocks_and_runs_change_no_byte(normalize):
    features = make_features(n=150)
    expected = without_timing(evaluate_ge2018(features, normalize=normalize, threads=1))
    for threads in (1, 2):
        for block in (None, 1, 64):
            again = evaluate_ge2018(features, normalize=normalize, threads=threads, block=block)
            assert without_timing(again) == expected


def test_settings_are_stated_and_matter():
    features = make_features()
    by_row = evaluate_ge2018(features, normalize="row")
    assert by_row.settings.normalize == "row"
    assert by_row.settings.anmrr_k == "2ng"
    assert by_row.query_excluded.map != evaluate_ge2018(features, normalize="none").query_excluded.map
    equal_classes = evaluate_ge2018(features, anmrr_k="mpeg7")
    assert equal_classes.query_excluded.anmrr == by_row.query_excluded.anmrr


def test_examples_leave_the_query_out_and_carry_euclidean_distances():
    features = make_features()
    evaluation = evaluate_ge2018(features, examples=5, normalize="none")
    assert len(evaluation.examples) == 5  # best, worst and a median of each of three classes
    for example in evaluation.examples:
        items = [entry.item for entry in example.results]
        assert len(items) == 5
        assert example.query not in items
        for entry in example.results:
            gap = features.matrix[example.query].astype(np.float64) - features.matrix[entry.item]
            assert entry.distance == pytest.approx(np.linalg.norm(gap), rel=1e-6)
            assert entry.relevant == (features.labels[entry.item] == features.labels[example.query])
    assert evaluate_ge2018(features, examples=0).examples == ()


def test_a_class_of_one_is_counted_apart():
    features = make_features(n=9)
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1, 2])
    lonely = Features(features.matrix, features.items, labels, features.classes, "lonely")
    result = evaluate_ge2018(lonely)
    assert result.query_excluded.queries_without_relevant == 1
    assert result.query_included.queries_without_relevant == 0
    assert result.query_excluded.per_class[2].map is None
    assert "NaN" not in result.to_json()


def test_there_are_no_figures_beyond_the_last_image():
    result = evaluate_ge2018(make_features(n=12))
    assert list(result.query_excluded.precision_at) == [1, 2, 5, 10]
    assert result.query_excluded.pr_curve.n[-1] == 11
    assert result.query_included.pr_curve.n[-1] == 12


def test_classes_are_needed():
    features = make_features(n=6)
    without = Features(features.matrix, features.items, None, (), "plain")
    with pytest.raises(DatasetError, match=r"one folder per class.*found a folder without classes.*rsir search"):
        evaluate_ge2018(without)
    one = Features(features.matrix, features.items, features.labels * 0, features.classes, "one")
    with pytest.raises(DatasetError, match="found only one class"):
        evaluate_ge2018(one)
    with pytest.raises(DatasetError, match="found no images"):
        evaluate_ge2018(Features(features.matrix[:0], (), features.labels[:0], features.classes, "empty"))
    with pytest.raises(ValueError, match="normalize: expected one of row, feature, minmax, none, got 'l2'"):
        evaluate_ge2018(features, normalize="l2")


@pytest.mark.data
@pytest.mark.timeout(900)
def test_uc_merced_reference_result(data_root):
    """CNN-Alex (8-bit trunk) pool5 on a fifth of UC Merced against the same computed plainly in float64."""
    from rsir_fast.datasets import open_dataset

    trunk = data_root / "weights/bvlc_alexnet_conv_q7.npz"
    if not trunk.is_file():
        pytest.skip(f"weights not found at {trunk}")
    data = open_dataset(data_root / "UCMerced_LandUse").subset(np.arange(0, 2100, 5))
    features = encode(data, load_backbone("cnn-alex", "pool5", trunk))
    result = evaluate_ge2018(features)
    for key, included in (("query_excluded", False), ("query_included", True)):
        mean_ap, mean_nmrr = plain_evaluation(features.matrix, features.labels, included)
        assert result.by_place[key].map == pytest.approx(mean_ap, abs=1e-6)
        assert result.by_place[key].anmrr == pytest.approx(mean_nmrr, abs=1e-6)
