"""Average precision against its definition in fractions and against three other libraries."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import pytrec_eval
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score
from torchmetrics.retrieval import RetrievalMAP

from rsir_fast import metrics

relevance_lists = st.lists(st.booleans(), max_size=40)


def by_definition(ranked: list[bool], n_relevant: int, k: int, divisor: str) -> Fraction:
    """AP@k straight from its definition, for R > 0."""
    total = sum(
        (Fraction(sum(ranked[:rank]), rank) for rank in range(1, len(ranked[:k]) + 1) if ranked[rank - 1]), Fraction(0)
    )
    found = sum(ranked[:k])
    return total / {"relevant": n_relevant, "min": min(k, n_relevant), "found": max(found, 1)}[divisor]


@given(
    ranked=relevance_lists,
    missing=st.integers(0, 5),
    k=st.integers(1, 50),
    divisor=st.sampled_from(["relevant", "min", "found"]),
)
def test_definition(ranked, missing, k, divisor):
    n_relevant = sum(ranked) + missing
    value = float(metrics.average_precision(ranked, n_relevant, k, divisor))
    if n_relevant == 0:
        assert np.isnan(value)
    else:
        exact = by_definition(ranked, n_relevant, k, divisor)
        assert abs(Fraction(value) - exact) <= exact / 10**14


@given(ranked=relevance_lists)
def test_no_cutoff_is_a_cutoff_at_the_end_of_a_complete_list(ranked):
    whole = metrics.average_precision(ranked)
    assert np.array_equal(whole, metrics.average_precision(ranked, k=len(ranked) + 1), equal_nan=True)
    assert np.array_equal(whole, metrics.average_precision(ranked, divisor="relevant"), equal_nan=True)


def test_divisors_differ_as_documented():
    ranked = [[True, False, False, True, True, True]]  # R = 4, one found within 2
    at_2 = {d: metrics.mean_average_precision(ranked, k=2, divisor=d) for d in ("relevant", "min", "found")}
    assert at_2 == {"relevant": 0.25, "min": 0.5, "found": 1.0}


def test_default_divisor_lets_a_perfect_list_score_1():
    assert metrics.mean_average_precision([[True] * 10], k=3) == 1.0


def test_items_missing_from_a_truncated_list_count_as_never_found():
    assert float(metrics.average_precision([True, True], n_relevant=8)) == 0.25


def test_query_without_relevant_items_is_left_out_and_counted_apart():
    ranked = [[True, False], [False, False]]
    values = metrics.average_precision(ranked)
    assert values[0] == 1.0
    assert np.isnan(values[1])
    assert metrics.mean_over_queries(values) == (1.0, 2, 1)
    assert metrics.mean_average_precision(ranked) == 1.0
    assert metrics.mean_average_precision(ranked, empty="zero") == 0.5
    assert np.isnan(metrics.mean_average_precision([[False, False]]))


def test_shapes_of_queries_are_kept():
    ranked = np.random.default_rng(0).random((2, 3, 10)) < 0.3
    values = metrics.average_precision(ranked, np.full((2, 3), 10))
    assert values.shape == (2, 3)
    assert values[1, 2] == metrics.average_precision(ranked[1, 2], 10)
    assert metrics.average_precision(ranked[0, 0]).shape == ()


@pytest.mark.parametrize("shape", [(0, 5), (0, 0), (3, 0), (2, 0, 4)])
def test_empty_inputs(shape):
    values = metrics.average_precision(np.zeros(shape, dtype=bool))
    assert values.shape == shape[:-1]
    assert np.isnan(values).all()
    assert np.isnan(metrics.mean_average_precision(np.zeros(shape, dtype=bool)))


def test_empty_list_with_relevant_items_elsewhere_scores_0():
    assert metrics.average_precision(np.zeros((1, 0), dtype=bool), 3).tolist() == [0.0]


@given(data=st.data(), queries=st.integers(1, 12), items=st.integers(1, 60))
def test_bits_do_not_depend_on_blocks_layout_or_trailing_items(data, queries, items):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    ranked = rng.random((queries, items)) < rng.random()
    whole = metrics.average_precision(ranked)
    cut = data.draw(st.integers(0, queries))
    blocks = np.concatenate([metrics.average_precision(ranked[:cut]), metrics.average_precision(ranked[cut:])])
    assert whole.tobytes() == blocks.tobytes()
    assert whole.tobytes() == metrics.average_precision(np.asfortranarray(ranked)).tobytes()
    assert whole.tobytes() == metrics.average_precision(ranked[::-1, ::-1][::-1, ::-1]).tobytes()
    padded = np.pad(ranked, ((0, 0), (0, 37)))
    assert whole.tobytes() == metrics.average_precision(padded).tobytes()
    backwards = metrics.mean_over_queries(metrics.average_precision(ranked[::-1]))
    np.testing.assert_array_equal(backwards, metrics.mean_over_queries(whole))


def random_scores(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Distances without a tie, and relevance with at least one relevant item for every query."""
    rng = np.random.default_rng(seed)
    queries, items = rng.integers(1, 12), rng.integers(2, 150)
    distances = np.stack([rng.permutation(items) for _ in range(queries)]) + 1.0
    relevant = rng.random((queries, items)) < rng.uniform(0.02, 0.8)
    relevant[np.arange(queries), rng.integers(0, items, queries)] = True
    return distances, relevant


@pytest.mark.parametrize("seed", range(25))
def test_agrees_with_other_libraries_without_ties(seed):
    distances, relevant = random_scores(seed)
    queries, items = distances.shape
    values = metrics.average_precision(metrics.rank_by_distance(distances, relevant))

    sklearn_values = [average_precision_score(r, -d) for r, d in zip(relevant, distances, strict=True)]
    np.testing.assert_allclose(values, sklearn_values, rtol=1e-13)

    judged = {str(q): {str(i): int(r) for i, r in enumerate(row)} for q, row in enumerate(relevant)}
    run = {str(q): {str(i): -float(d) for i, d in enumerate(row)} for q, row in enumerate(distances)}
    scores = pytrec_eval.RelevanceEvaluator(judged, {"map"}).evaluate(run)
    np.testing.assert_allclose(values, [scores[str(q)]["map"] for q in range(queries)], rtol=1e-13)

    # torchmetrics drops targets whose score is not positive, so distances become positive scores.
    positive = torch.from_numpy(items + 1.0 - distances).ravel()
    groups = torch.arange(queries).repeat_interleave(items)
    torch_map = RetrievalMAP()(positive, torch.from_numpy(relevant).ravel(), indexes=groups)
    assert float(torch_map) == pytest.approx(metrics.mean_over_queries(values).value, rel=1e-5)  # it works in float32


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("k", [1, 5, 20, 500])
def test_cutoff_agrees_with_trec_eval(seed, k):
    distances, relevant = random_scores(100 + seed)
    judged = {str(q): {str(i): int(r) for i, r in enumerate(row)} for q, row in enumerate(relevant)}
    run = {str(q): {str(i): -float(d) for i, d in enumerate(row)} for q, row in enumerate(distances)}
    scores = pytrec_eval.RelevanceEvaluator(judged, {f"map_cut.{k}"}).evaluate(run)
    values = metrics.average_precision(metrics.rank_by_distance(distances, relevant), k=k, divisor="relevant")
    np.testing.assert_allclose(values, [scores[str(q)][f"map_cut_{k}"] for q in range(len(values))], rtol=1e-13)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"relevant_ranked": [0.5, 1.0]}, TypeError, "expected bool .* got float64; compare labels"),
        ({"relevant_ranked": [0, 1, 2]}, ValueError, "expected only 0 and 1, got values from 0 to 2"),
        ({"relevant_ranked": True}, ValueError, "got a single value"),
        ({"relevant_ranked": [[True, True]], "n_relevant": 1}, ValueError, "query 0 has 1, but its list holds 2"),
        ({"relevant_ranked": [[True]], "n_relevant": [1, 1]}, ValueError, r"expected one count or shape \(1,\)"),
        ({"relevant_ranked": [[True]], "n_relevant": 1.0}, TypeError, "n_relevant: expected integers"),
        ({"relevant_ranked": [[False]], "n_relevant": -1}, ValueError, "counts of 0 or more, got -1"),
        ({"relevant_ranked": [True], "k": 0}, ValueError, "k: expected 1 or more, got 0"),
        ({"relevant_ranked": [True], "k": 2.5}, TypeError, "k: expected one integer"),
        ({"relevant_ranked": [True], "divisor": "all"}, ValueError, "divisor: expected one of 'relevant'"),
        ({"relevant_ranked": [True], "empty": "one"}, ValueError, "empty: expected one of 'nan'"),
    ],
)
def test_wrong_input_is_named(arguments, error, words):
    with pytest.raises(error, match=words):
        metrics.average_precision(**arguments)
