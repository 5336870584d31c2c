"""The protocol of Ge et al. 2018 with steps and re-ranking beyond the paper."""

from __future__ import annotations

import numpy as np
import pytest
from rich.console import Console

from rsir_fast.archive import Features
from rsir_fast.ops.reference import lane_sum
from rsir_fast.protocols import evaluate_ge2018
from rsir_fast.protocols.compare_ge2018 import Option, compare_ge2018
from rsir_fast.protocols.facts import Timing
from rsir_fast.report import result_table
from rsir_fast.report.ge2018 import method_rows
from rsir_fast.report.options import options_grid
from rsir_fast.retrieval.city_block import CityBlockRanking


def make_features(n: int = 60, classes: int = 3, dim: int = 24) -> Features:
    rng = np.random.default_rng(0)
    labels = np.arange(n) % classes
    matrix = (rng.gamma(0.5, size=(n, dim)) + 0.6 * rng.gamma(1, size=(classes, dim))[labels]).astype(np.float32)
    matrix[1] = matrix[4]
    names = tuple(f"class{label}" for label in range(classes))
    return Features(matrix, tuple(f"{i:03d}.png" for i in range(n)), labels, names, "made", provenance={"name": "x"})


def without_timing(result) -> str:
    return result.model_copy(update={"timing": Timing()}).to_json()


def test_without_options_nothing_changes():
    features = make_features()
    plain = evaluate_ge2018(features)
    assert without_timing(plain) == without_timing(evaluate_ge2018(features, normalize="row", steps="", rerank=""))
    assert set(plain.settings.content()) == {"normalize", "distance", "anmrr_k", "query", "relevant", "ties"}


@pytest.mark.parametrize("normalize", ["minmax", "none"])
def test_l1_figures_are_those_of_a_plain_evaluation(normalize):
    features = make_features()
    features.matrix[:, 7] = 3  # a constant feature
    labels, n = features.labels, len(features)
    result = evaluate_ge2018(features, normalize=normalize, distance="l1", examples=2)
    x = features.matrix.astype(np.float64)
    if normalize == "minmax":
        span = x.max(axis=0) - x.min(axis=0)
        x = ((x - x.min(axis=0)) / np.where(span == 0, 1, span)).astype(np.float32).astype(np.float64)
    distances = np.abs(x[:, None] - x).sum(axis=2)
    orders = np.argsort(np.round(distances, 5), axis=1, kind="stable")
    for place, included in (("query_included", True), ("query_excluded", False)):
        plain = [average_precision([j for j in orders[i] if included or j != i], labels, i) for i in range(n)]
        assert result.by_place[place].map == pytest.approx(np.mean(plain), abs=1e-9)
    assert (result.settings.distance, result.settings.normalize) == ("l1", normalize)
    shown = result.examples[0]
    assert [hit.distance for hit in shown.results] == pytest.approx(
        np.sort(np.delete(distances[shown.query], shown.query))[:2], rel=1e-6
    )
    euclidean = evaluate_ge2018(features, normalize=normalize)
    assert euclidean.query_excluded.map != result.query_excluded.map
    rows = {row.label: row.text for row in method_rows(result.settings)}
    assert rows["Distance"] == "sum of absolute differences (L1)"


def test_l1_distances_are_summed_in_lanes_and_ties_go_by_index():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(40, 70)).astype(np.float32)
    x[5] = x[31]
    x[9, 3] = np.nan
    ranking = CityBlockRanking(x)
    distances, ids = ranking.nearest(np.arange(40), 40)
    for query in (0, 5, 9):
        exact = np.float32(lane_sum(np.abs(x.astype(np.float64) - x[query].astype(np.float64))))
        order = sorted(range(40), key=lambda i: (np.isnan(exact[i]), exact[i] if exact[i] == exact[i] else 0, i))
        assert ids[query].tolist() == order
        assert np.array_equal(distances[query], exact[order], equal_nan=True)
    labels = np.arange(40) % 3
    whole, parts = list(ranking.ranks(labels)), list(ranking.ranks(labels, 7))
    assert [part.start for part in parts] == list(range(0, 40, 7))
    for at in ("ranks", "counts", "self_ranks"):
        assert np.array_equal(np.concatenate([getattr(part, at) for part in parts]), getattr(whole[0], at))


def test_l1_goes_with_steps_but_not_with_neighbours():
    features = make_features()
    assert evaluate_ge2018(features, steps="l2", distance="l1").settings.steps == ("l2",)
    with pytest.raises(ValueError, match="distance: expected 'euclidean' with rerank"):
        evaluate_ge2018(features, rerank="expand:3", distance="l1")
    for wrong in ({"distance": "l2"}, {"normalize": "max"}):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))}: expected"):
            evaluate_ge2018(features, **wrong)


def average_precision(order: list[int], labels: np.ndarray, query: int) -> float:
    hits = np.flatnonzero(labels[order] == labels[query]) + 1
    return float(np.mean(np.arange(1, len(hits) + 1) / hits))


@pytest.mark.parametrize("included", [False, True])
@pytest.mark.parametrize("k", [0, 4])
def test_figures_are_those_of_a_plain_evaluation(included, k):
    features = make_features()
    labels, n = features.labels, len(features)
    settings = {"steps": "power,center,l2", "rerank": f"expand:{k}" if k else ""}
    result = evaluate_ge2018(features, **settings).by_place["query_included" if included else "query_excluded"]
    x = np.sqrt(features.matrix.astype(np.float64))
    x -= x.mean(axis=0)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    found = []
    for i in range(n):
        near = [j for j in np.argsort(np.round(-x @ x[i], 9), kind="stable") if j != i][:k]
        query = x[i] + x[near].sum(axis=0)
        order = np.argsort(np.round(-x @ query, 7), kind="stable")
        found.append(average_precision([j for j in order if included or j != i], labels, i))
    assert result.map == pytest.approx(np.mean(found), abs=1e-6)


@pytest.mark.parametrize("rerank", ["", "expand:5", "augment:5", "diffuse:6"])
def test_threads_blocks_and_runs_change_no_byte(rerank):
    features = make_features()
    settings = {"steps": "power,l2,pca:8,l2", "rerank": rerank}
    expected = evaluate_ge2018(features, **settings, threads=1, block=60)
    found = evaluate_ge2018(features, **settings, threads=2, block=7)
    assert without_timing(expected) == without_timing(found)
    assert expected.examples == found.examples


@pytest.mark.parametrize("rerank", ["expand:5", "augment:5", "diffuse:6"])
def test_the_query_is_never_among_its_own_results(rerank):
    evaluation = evaluate_ge2018(make_features(), steps="l2", rerank=rerank)
    assert evaluation.examples
    for example in evaluation.examples:
        assert example.query not in [entry.item for entry in example.results]
        assert len(example.results) == 10
    assert evaluation.query_excluded.queries == 60


def test_random_labels_gain_nothing():
    features = make_features()
    rng = np.random.default_rng(5)
    matrix = rng.standard_normal((200, 16)).astype(np.float32)
    chance = Features(matrix, tuple(map(str, range(200))), np.arange(200) % 4, (*features.classes, "d"), "chance")
    for rerank in ("expand:5", "augment:5", "diffuse:10"):
        found = evaluate_ge2018(chance, steps="center,l2", rerank=rerank).query_excluded.map
        assert found == pytest.approx(0.26, abs=0.02)


def test_settings_are_stated():
    evaluation = evaluate_ge2018(make_features(), steps="l2,whiten:4", rerank="diffuse:6")
    settings = evaluation.settings
    assert settings.normalize == "none"
    assert settings.steps == ("l2", "whiten:4")
    assert settings.rerank == ("diffuse:6:0.9:3",)
    assert 0 < settings.fitted["2 whiten:4"]["variance_kept"] < 1
    rows = {row.label: row.text for row in method_rows(settings)}
    assert rows["Post-processing"].startswith("l2, whiten:4, to 4 values: beyond the paper")
    assert settings.dim == 4
    assert rows["Re-ranking"].startswith("diffuse:6:0.9:3: beyond the paper")
    console = Console(width=100)
    with console.capture() as captured:
        console.print(result_table(evaluation))
    lines = [line.rstrip() for line in captured.get().splitlines()]
    assert lines[3:5] == ["post-processing: l2, whiten:4", "re-ranking: diffuse:6:0.9:3"]
    assert evaluate_ge2018(make_features(), normalize="row", steps="l2").settings.normalize == "row"


@pytest.mark.parametrize("settings", [{"steps": "pca:25"}, {"rerank": "expand:60"}, {"rerank": "diffuse:60"}])
def test_what_cannot_be_is_refused(settings):
    with pytest.raises(ValueError, match="expected"):
        evaluate_ge2018(make_features(), **settings)


def test_the_table_has_a_row_for_each_option():
    features = make_features()
    options = [Option(), Option("l2"), Option("pca:99"), Option("", "diffuse:6")]
    result = compare_ge2018([("a", features), ("b", features)], options)
    assert len(result.rows) == 8
    assert result.rows[0].query_excluded.map == evaluate_ge2018(features).query_excluded.map
    assert "at most 24 dimensions" in result.rows[2].refused
    assert result == compare_ge2018([("a", features), ("b", features)], options)
    grid = options_grid(result)
    assert [row.label for row in grid.rows][:4] == ["row normalisation (the paper)", "l2", "pca:99", "diffuse:6"]
    assert grid.remarks == (result.rows[2].refused,)
