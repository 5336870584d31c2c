"""Queries by images, rows and vectors; filters; what is found is what the filtered matrix gives."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import rsir_fast as rf
from rsir_fast.archive import Features
from rsir_fast.base import compiled
from rsir_fast.ops import reference
from rsir_fast.retrieval import Column, Diffusion, Expansion, Ids, Query, Search, find
from scene_files import write_scenes

RNG = np.random.default_rng(0)
CLASSES = ("forest", "harbor", "river")
LABELS = np.arange(60) % 3
DATA = Features(
    RNG.integers(-3, 4, (60, 12)).astype(np.float32),
    tuple(f"{CLASSES[label]}/{number:02d}.jpg" for number, label in enumerate(LABELS)),
    LABELS,
    CLASSES,
    "demo",
)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({}, "expected images, ids, vectors, texts, at or liked, got none of them"),
        ({"ids": [1], "images": "x.jpg"}, "got images and ids"),
        ({"ids": [-1]}, "greater than or equal to 0"),
        ({"ids": [1], "steps": "bleach"}, "bleach"),
        ({"ids": [1], "rerank": "diffuse:0"}, "at least 1 neighbour"),
        (
            {"ids": [1], "where": {"column": "class"}},
            "where: value: Field required, got {'column': 'class'}",
        ),
        (
            {"ids": [1], "where": {"columm": "class"}},
            "where: expected a condition with one of column, ids, after or before, box, polygon, all, any, none",
        ),
        (
            {"ids": [1], "where": {"column": "class", "ids": [1]}},
            "where: expected a condition with one of column, ids,",
        ),
        ({"ids": [1], "where": {"all": [3]}}, "where: all.0: expected a condition with one of column, .*, got 3"),
        ({"ids": [1], "colour": 3}, "Extra inputs are not permitted"),
        ({"vectors": [[1.0, 2.0], [1.0]]}, "vectors: expected the same number of values in each, got 1, 2"),
        ({"vectors": [[]]}, "vectors: expected the same number of values in each, got 0"),
        ({"images": 5}, "images"),
        ({"images": [5]}, "images.0"),
    ],
)
def test_a_query_that_asks_nothing_is_refused(content, said):
    with pytest.raises(ValueError, match=said) as told:
        Query(**content)
    assert "\n" not in str(told.value)


def test_one_is_as_good_as_a_list():
    assert Query(ids=3) == Query(ids=[3]) == Query(ids=np.array([3]))
    assert Query(vectors=np.ones(2)) == Query(vectors=[1, 1]) == Query(vectors=[[1.0, 1.0]])
    assert Query(images="a.jpg") == Query(images=iter([Path("a.jpg")]))


@pytest.mark.parametrize("normalize", ["none", "row", "feature"])
@pytest.mark.parametrize("steps", ["", "power,center,l2"])
def test_vectors_are_found_as_in_the_filtered_matrix(normalize, steps):
    x, chosen = DATA.matrix, np.flatnonzero(LABELS == 1)
    if normalize == "row":
        x = rf.gaussian_normalize(x)
    elif normalize == "feature":
        x = rf.gaussian_normalize(x, "feature")
    if steps:
        x = rf.retrieval.fit_steps(steps, x).transform(x)
    squared, found = reference.euclidean_topk(x[:4], x[chosen], 7)
    where = Column(column="class", value="harbor")
    by_row = rf.search(DATA, Query(ids=[0, 1, 2, 3], k=7, where=where, normalize=normalize, steps=steps))
    by_vector = rf.search(DATA, Query(vectors=DATA.matrix[:4], k=7, where=where, normalize=normalize, steps=steps))
    for hits in (by_row, by_vector):
        assert hits.ids.tolist() == chosen[found].tolist()
        assert hits.squared.tobytes() == squared.tobytes()
    assert [answer.query for answer in by_row.answers] == list(DATA.items[:4])


def test_fewer_rows_than_are_asked_for():
    hits = rf.search(DATA, Query(ids=[5], k=4, where=Ids(ids=(2, 9))))
    assert sorted(hits.ids[0, :2].tolist()) == [2, 9]
    assert hits.ids[0, 2:].tolist() == [-1, -1]
    assert len(hits.answers[0].results) == 2
    assert json.loads(json.dumps(hits.as_json()))[0]["results"][0]["class"] == CLASSES[2 if hits.ids[0, 0] == 2 else 0]


@pytest.mark.parametrize("rerank", ["augment:3", "expand:2:1", "augment:2,expand:2", "diffuse:5"])
def test_re_ranking_gives_what_the_evaluation_measures(rerank):
    """Every row in turn the query: mAP of the rankings that are found is that of `evaluate_ge2018`."""
    hits = rf.search(DATA, Query(ids=range(60), k=60, normalize="none", rerank=rerank))
    wanted = rf.evaluate_ge2018(DATA, normalize="none", rerank=rerank, examples=0).query_included
    relevant = LABELS[hits.ids] == LABELS[:, None]
    precision = np.cumsum(relevant, axis=1) / np.arange(1, 61)
    assert np.mean((precision * relevant).sum(1) / relevant.sum(1)) == pytest.approx(wanted.map, abs=1e-12)
    some = rf.search(DATA, Query(ids=[3], k=5, normalize="none", rerank=rerank, where=Column(column="item", value="x")))
    assert some.ids.tolist() == [[-1] * 5]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"vectors": [[1.0, 2.0]]}, "vectors: expected 12 values each, got 2"),
        ({"ids": [60]}, "ids: expected ids of the 60 rows of demo, got 60"),
        ({"vectors": np.ones((1, 12)), "rerank": "diffuse:3"}, "expected queries that are rows of the database"),
        ({"ids": [1], "field": "fc6"}, "field: expected one of the vectors"),
        ({"ids": [1], "rerank_codes": 30}, "rerank_codes: expected none for vectors"),
        ({"ids": [1], "same_label": True}, "same_label: expected none for vectors"),
        ({"images": ["a.jpg"]}, "expected features that say which encoder made them"),
    ],
)
def test_what_does_not_go_with_the_database_is_refused(more, said):
    with pytest.raises(ValueError, match=said):
        rf.search(DATA, Query(**more))


def test_codes_and_values_of_a_hash_model():
    u = RNG.integers(-2, 3, (40, 9)).astype(np.float32)
    scores = RNG.dirichlet(np.ones(2), 40).astype(np.float32)
    provenance = {"hash": {"bits": 9, "classes": ["x", "y"]}}
    data = Features(np.hstack([u, scores]), tuple(map(str, range(40))), None, (), "codes", provenance=provenance)
    where = Column(column="label", value="x") & Column(column="probability", op=">", value=0.6)
    chosen = np.flatnonzero((scores.argmax(1) == 0) & (scores.max(1) > 0.6))
    hamming = (u[chosen] > 0) != (u[7] > 0)
    order = chosen[np.argsort(hamming.sum(1), kind="stable")]
    hits = rf.search(data, Query(ids=[7], k=len(chosen), where=where))
    assert hits.ids[0].tolist() == order.tolist()
    assert {found.label for found in hits.answers[0].results} == {"x"}
    squared, near = reference.euclidean_topk(u[:2], u, 5)
    for asked in ({"ids": [0, 1]}, {"vectors": u[:2]}):
        values = rf.search(data, Query(**asked, k=5, field="u", normalize="none"))
        assert values.ids.tolist() == near.tolist()
        assert values.squared.tobytes() == squared.tobytes()
    for depth in (5, 12, 40):
        two = rf.search(data, Query(ids=[0, 7, 9], k=5, rerank_codes=depth, where=where))
        _, exact = reference.euclidean_topk(u[[0, 7, 9]], u[chosen], 5)
        shared = sum(len(set(chosen[one]) & set(other)) for one, other in zip(exact, two.ids.tolist(), strict=True))
        assert (two.how["recall"], two.how["recall_queries"]) == (shared / 15, 3)
    assert two.how["recall"] == 1
    with pytest.raises(ValueError, match="vectors: expected field='u' to go with them"):
        rf.search(data, Query(vectors=u[:1]))
    with pytest.raises(
        ValueError, match="steps: expected none for codes; leave it out, or search the field u; got 'l2'"
    ):
        find(data, data, Search(steps="l2"))


def test_an_archive_is_searched_by_images(tmp_path):
    scenes = write_scenes(tmp_path / "scenes")
    made = rf.encode(scenes, "lbp", out=tmp_path / "f", workers=0)
    archive = rf.Archive(tmp_path / "f")
    hits = archive.search(rf.Query(images=scenes / "class1", k=3))
    assert [found.distance for answer in hits.answers for found in answer.results if found.rank == 1] == [0.0] * 6
    assert [answer.results[0].item for answer in hits.answers] == [name for name in made.items if "class1" in name]
    assert (len(archive), archive.versions, archive.encoder) == (18, [1], made.spec)
    some = archive.search(rf.Query(images=[scenes / "class1/class1_0.jpg", scenes / "none.jpg"]))
    assert (len(some), [Path(entry.item).name for entry in some.skipped]) == (1, ["none.jpg"])
    (scenes / "class0/class0_0.jpg").unlink()
    rf.encode(scenes, "lbp", out=tmp_path / "f", workers=0, resume=True)
    assert len(rf.Archive(tmp_path / "f")) == 17
    assert len(rf.Archive(tmp_path / "f").features(version=1)) == len(archive.features()) == 18
    assert archive.verify().is_sound


@pytest.fixture
def kernel_calls(monkeypatch):
    """Whether queries and database of each call of the kernel were the same memory."""
    seen, kernel = [], compiled.cpu.euclidean_topk
    monkeypatch.setattr(
        compiled.cpu, "euclidean_topk", lambda *given: (seen.append(given[0] is given[3]), kernel(*given))[1]
    )
    return seen


WAYS = [{}, {"normalize": "none"}, {"normalize": "feature"}, {"steps": "l2"}, {"rerank": "augment:3"}]


@pytest.mark.parametrize("way", WAYS)
def test_all_rows_as_queries_are_searched_in_their_own_memory(way, kernel_calls):
    found = rf.search(DATA, Query(ids=range(60), k=7, **way))
    assert kernel_calls
    assert all(kernel_calls)
    turned = rf.search(DATA, Query(ids=[*range(1, 60), 0], k=7, **way))
    assert np.array_equal(found.ids, np.roll(turned.ids, 1, axis=0))
    assert found.squared.tobytes() == np.roll(turned.squared, 1, axis=0).tobytes()


def test_graphs_and_expansions_search_for_rows_in_their_own_memory(kernel_calls):
    x = np.random.default_rng(1).standard_normal((300, 32), np.float32)
    Diffusion(5).graph(x)
    Expansion(5).apply(x, x, np.arange(300))
    Expansion(5, database=True).apply(x[:9], x, np.arange(9))
    assert kernel_calls == [True, True, False, True]
