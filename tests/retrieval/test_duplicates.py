"""Near duplicates: against all distances."""

from __future__ import annotations

import numpy as np
import pytest

import rsir_fast as rf
from placed_archive import draw_inputs, draw_vectors, write_placed
from rsir_fast.archive import Features
from rsir_fast.ops import Database
from rsir_fast.retrieval import Column, duplicates, near_duplicates

N = 200
X = np.concatenate([draw_vectors(7, N - 40), draw_vectors(7, 40)])


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Some rows are hidden; 40 at the end are as 40 at the beginning."""
    folder, inputs = tmp_path_factory.mktemp("twins") / "A", draw_inputs(8, N)
    write_placed(folder, inputs, X, parts=3)
    write_placed(folder, [each for number, each in enumerate(inputs) if number % 7], X)
    return rf.Archive(folder)


def all_distances(archive, normalize):
    matrix = archive.features().matrix
    squared, places = rf.euclidean_topk(matrix, matrix, len(matrix), normalize)
    found = np.empty_like(squared)
    np.put_along_axis(found, places, squared, axis=1)
    return archive.features().ids, found


@pytest.mark.parametrize("normalize", ["row", "none"])
@pytest.mark.parametrize("most", [0, 0.3, 2.0, 99])
def test_pairs_within_a_distance(archive, normalize, most):
    ids, squared = all_distances(archive, normalize)
    wanted = sorted(
        (squared[a, b], ids[a], ids[b])
        for a in range(len(ids))
        for b in range(a + 1, len(ids))
        if np.sqrt(np.float64(squared[a, b])) <= most
    )
    pairs = near_duplicates(archive, max_distance=most, normalize=normalize)
    assert pairs.ids.tolist() == [[a, b] for _, a, b in wanted]
    assert pairs.squared.tolist() == [far for far, _, _ in wanted]
    assert len(pairs) > 0


@pytest.mark.parametrize("k", [0, 1, 5])
def test_the_nearest_others(archive, k):
    ids, squared = all_distances(archive, "none")
    wanted = set()
    for a in range(len(ids)):
        others = sorted((squared[a, b], ids[b]) for b in range(len(ids)) if b != a)[:k]
        wanted |= {(far, *sorted((ids[a], b))) for far, b in others}
    pairs = near_duplicates(archive, k=k, normalize="none")
    assert pairs.ids.tolist() == [[a, b] for _, a, b in sorted(wanted)]


@pytest.mark.parametrize("normalize", ["row", "none"])
@pytest.mark.parametrize("asked", [{"max_distance": 0.5}, {"k": 2}])
def test_all_at_once_and_in_parts(monkeypatch, normalize, asked):
    x = draw_vectors(9, 1500)
    x[1400:] = x[:100]
    x[7, 0] = np.nan
    features = Features(x, tuple(map(str, range(len(x)))), None, (), "demo")
    whole, topk = [], Database.topk

    def told(self, queries, *others, **options):
        whole.append(queries is self)
        return topk(self, queries, *others, **options)

    monkeypatch.setattr(Database, "topk", told)
    at_once = near_duplicates(features, normalize=normalize, **asked)
    assert any(whole)
    monkeypatch.setattr(duplicates, "_ANSWERS", 0)
    in_parts = near_duplicates(features, normalize=normalize, **asked)
    assert len(at_once) > 50
    assert at_once.ids.tobytes() == in_parts.ids.tobytes()
    assert at_once.squared.tobytes() == in_parts.squared.tobytes()


def test_among_some(archive):
    where = Column(column="orbit", op=">", value=0)
    some = {number for pair in near_duplicates(archive, max_distance=1, where=where).ids.tolist() for number in pair}
    hits = archive.search(rf.Query(ids=int(min(some)), k=N, where=where))
    assert some <= set(hits.ids[0].tolist())


@pytest.mark.parametrize("wrong", [{}, {"k": 1, "max_distance": 1}, {"k": -1}, {"max_distance": -0.5}])
def test_neither_or_both(archive, wrong):
    with pytest.raises(ValueError, match="max_distance, k: expected one of the two, at least 0"):
        near_duplicates(archive, **wrong)
