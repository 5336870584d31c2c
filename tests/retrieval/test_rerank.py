"""Query expansion, database augmentation and diffusion."""

from __future__ import annotations

import numpy as np
import pytest

from rsir_fast.retrieval import Diffusion, Expansion, concatenated, parse_rerank, rank_all
from rsir_fast.retrieval.neighbours import nearest_others


def clustered(n: int = 40, dim: int = 6, clusters: int = 2, spread: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    labels = np.arange(n) % clusters
    x = np.eye(clusters, dim)[labels] + spread * rng.standard_normal((n, dim)) / np.sqrt(dim)
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32), labels


def test_an_item_is_no_neighbour_of_its_own_even_among_duplicates():
    x = np.zeros((5, 2), np.float32)
    ids = nearest_others(x, x, 2, np.arange(5))[1]
    assert ids.tolist() == [[1, 2], [0, 2], [0, 1], [0, 1], [0, 1]]
    with pytest.raises(ValueError, match="expected 1 to 4 neighbours, as there are so many other items, got 5"):
        nearest_others(x, x, 5, np.arange(5))


def by_the_book(x: np.ndarray, k: int, alpha: float) -> np.ndarray:
    wide = x.astype(np.float64)
    result = np.empty_like(wide)
    for i in range(len(x)):
        cosine = wide @ wide[i]
        others = [j for j in np.argsort(-cosine, kind="stable") if j != i][:k]
        total = wide[i] + sum(max(cosine[j], 0) ** alpha * wide[j] for j in others)
        result[i] = total / np.linalg.norm(total)
    return result


@pytest.mark.parametrize("alpha", [0.0, 3.0])
def test_expansion_is_the_weighted_mean_of_query_and_neighbours(alpha):
    x = clustered()[0]
    queries, database = Expansion(4, alpha).apply(x, x, np.arange(len(x)))
    assert database is x
    np.testing.assert_allclose(queries, by_the_book(x, 4, alpha), atol=1e-6)
    both = Expansion(4, alpha, database=True).apply(x, x, np.arange(len(x)))
    assert np.array_equal(both[0], queries)
    assert np.array_equal(both[1], queries)


def test_alpha_zero_is_the_plain_mean():
    x = clustered()[0]
    ids = nearest_others(x, x, 3, np.arange(len(x)))[1]
    mean = (x + x[ids].astype(np.float64).sum(axis=1)) / 4
    found = Expansion(3).apply(x, x, np.arange(len(x)))[0]
    np.testing.assert_allclose(found, mean / np.linalg.norm(mean, axis=1, keepdims=True), atol=1e-6)
    assert np.abs(found - Expansion(3, 3.0).apply(x, x, np.arange(len(x)))[0]).max() > 1e-4


def test_a_query_from_outside_is_expanded_as_the_item_it_equals():
    x = clustered()[0]
    rest = x[1:]
    inside = Expansion(4).apply(x, x, np.arange(len(x)))[0][0]
    outside, database = Expansion(4).apply(x[:1], rest, None)
    np.testing.assert_allclose(outside[0], inside, atol=1e-7)
    assert database is rest


def closed_form(x: np.ndarray, diffusion: Diffusion) -> np.ndarray:
    """(I - alpha S)^-1 by the book, dense."""
    n, wide = len(x), x.astype(np.float64)
    cosine = wide @ wide.T / np.outer(*[np.linalg.norm(wide, axis=1)] * 2)
    near = np.zeros((n, n), dtype=bool)
    for i in range(n):
        distance = ((wide - wide[i]) ** 2).sum(axis=1).astype(np.float32)
        near[i, [j for j in np.argsort(distance, kind="stable") if j != i][: diffusion.k]] = True
    w = np.where(near & near.T, np.maximum(cosine, 0) ** diffusion.gamma, 0)
    degree = w.sum(axis=1)
    scale = 1 / np.sqrt(np.where(degree > 0, degree, 1))
    return np.linalg.inv(np.eye(n) - diffusion.alpha * w * np.outer(scale, scale))


@pytest.mark.parametrize("diffusion", [Diffusion(5), Diffusion(3, 0.5, 1.0), Diffusion(8, 0.99, 0.0)])
def test_scores_are_those_of_the_closed_form(diffusion):
    x = clustered(spread=0.8)[0]
    found = diffusion.scores(diffusion.graph(x), np.arange(len(x)))
    np.testing.assert_allclose(found, closed_form(x, diffusion), atol=2e-6 / (1 - diffusion.alpha) * 1e-1)


def test_the_walk_gains_nothing_by_coming_back_to_the_query():
    x, diffusion, q = clustered(spread=0.8)[0], Diffusion(6), 7
    scores = diffusion.scores(diffusion.graph(x), np.array([q]))[0]
    inverse = closed_form(x, diffusion)
    m = np.linalg.inv(inverse)
    rest = np.delete(np.arange(len(x)), q)
    without = np.linalg.solve(m[np.ix_(rest, rest)], -m[rest, q])  # the graph without the query's node
    np.testing.assert_allclose(scores[rest], without * scores[q], atol=1e-6)


def test_two_clusters_stay_apart_and_the_rest_is_ordered_by_distance():
    x, labels = clustered(n=24, spread=0.5)
    diffusion = Diffusion(4)
    (block,) = diffusion.rankings(diffusion.graph(x), x, np.arange(24))
    scores = diffusion.scores(diffusion.graph(x), np.arange(24))
    assert (scores[labels[:, None] != labels] == 0).all()
    for q in range(24):
        reached = int((scores[q] > 0).sum())
        assert (np.diff(scores[q, block.ids[q, :reached]]) <= 0).all()
        assert (np.diff(block.distances[q, reached:]) >= 0).all()
        assert sorted(block.ids[q]) == list(range(24))
    found = list(rank_all(x, [diffusion]).ranks(labels))
    assert sum(len(part.counts) for part in found) == 24


def test_without_edges_the_order_is_that_of_distance_then_item():
    x = np.array([[1, 0], [1, 0], [-1, 0], [-1, 0], [0, 1]], np.float32)
    diffusion = Diffusion(1)
    (block,) = diffusion.rankings(diffusion.graph(x), x, np.array([4]))
    assert block.ids.tolist() == [[4, 0, 1, 2, 3]]


@pytest.mark.parametrize("rerank", ["expand:3:3", "augment:3", "diffuse:4", "augment:3,diffuse:4:0.8"])
def test_blocks_and_threads_change_nothing(rerank):
    x, labels = clustered(n=50, clusters=3, spread=0.9)
    one = list(rank_all(x, parse_rerank(rerank), threads=1).ranks(labels, block=50))
    many = list(rank_all(x, parse_rerank(rerank), threads=2).ranks(labels, block=7))
    for part in ("counts", "ranks", "self_ranks"):
        assert np.array_equal(*(np.concatenate([getattr(found, part) for found in run]) for run in (one, many)))


@pytest.mark.parametrize("rerank", ["expand:3", "augment:3", "diffuse:4"])
def test_labels_change_no_ranking(rerank):
    x, labels = clustered(n=30, spread=0.9)
    first, second = (rank_all(x, parse_rerank(rerank)).nearest(np.arange(30), 30)[1] for _ in range(2))
    assert np.array_equal(first, second)
    ranking = rank_all(x, parse_rerank(rerank))
    for made in (labels, np.arange(30) // 15):
        (found,) = ranking.ranks(made, block=30)
        relevant = made[first] == made[:, None]
        assert np.array_equal(found.ranks, np.nonzero(relevant)[1] + 1)
        assert np.array_equal(found.self_ranks, np.nonzero(first == np.arange(30)[:, None])[1] + 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("expand", "expected expand:K"),
        ("expand:x", "expected numbers behind the colons"),
        ("expand:0", "expand: expected at least 1 neighbour"),
        ("augment:3:-1", "augment: expected alpha of at least 0"),
        ("diffuse:3:1", "diffuse: expected alpha over 0 and under 1, got 1"),
        ("diffuse:3:0.9:nan", "diffuse: expected gamma of at least 0"),
        ("diffuse:3:0.9:1:1", "expected expand:K"),
        ("diffuse:3,expand:2", "expected diffuse:3:0.9:3 as the last"),
        ("expand:2,diffuse:3", "expected expand:2 as the last"),
        ("shuffle:2", "expected expand:K"),
    ],
)
def test_bad_settings_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        parse_rerank(text)


@pytest.mark.parametrize("rerank", ["expand:3", "diffuse:3"])
def test_features_with_nan_are_refused(rerank):
    x = clustered()[0]
    x[3] = np.nan
    with pytest.raises(ValueError, match="neighbours mean"):
        rank_all(x, parse_rerank(rerank))


def test_features_of_other_images_are_not_put_side_by_side():
    from rsir_fast.archive import Features
    from rsir_fast.errors import FeaturesError

    def made(*items: str) -> Features:
        return Features(np.ones((len(items), 2), np.float32), items, None, (), "demo", provenance={"name": "n"})

    both = concatenated([made("a", "b"), made("a", "b")])
    np.testing.assert_allclose(both.matrix, np.full((2, 4), np.sqrt(0.5)), rtol=1e-6)
    assert set(both.provenance["parts"]) == {"1", "2"}
    with pytest.raises(FeaturesError, match="expected features of the same images"):
        concatenated([made("a", "b"), made("b", "a")])
