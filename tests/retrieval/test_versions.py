"""Searches of an archive that changes: ids stay, versions answer as they did, hidden rows change nothing."""

from __future__ import annotations

import numpy as np
import pytest

import rsir_fast as rf
from placed_archive import draw_inputs, draw_vectors, write_placed
from rsir_fast.retrieval import Column, Query

INPUTS, VECTORS = draw_inputs(0, 90), draw_vectors(1, 90)


@pytest.fixture
def folder(tmp_path):
    """Version 1: 60 rows; 2: every other one of them; 3: 30 more before those; 4: the last of the first are back."""
    archive = tmp_path / "archive"
    write_placed(archive, INPUTS[:60], VECTORS)
    write_placed(archive, INPUTS[:60:2], VECTORS)
    write_placed(archive, [*INPUTS[60:], *INPUTS[:60:2]], VECTORS)
    write_placed(archive, [*INPUTS[60:], *INPUTS[:60:2], *INPUTS[51:60:2]], VECTORS)
    return archive


WAYS = [
    {"normalize": "none"},
    {},
    {"normalize": "feature"},
    {"steps": "center,l2"},
    {"rerank": "augment:3"},
    {"normalize": "none", "where": Column(column="orbit", op=">", value=0)},
]


@pytest.mark.parametrize("way", WAYS)
def test_a_version_answers_as_it_did_when_it_was_the_newest(tmp_path, way):
    archive = tmp_path / "archive"
    states = [INPUTS[:60], INPUTS[:60:2], [*INPUTS[60:], *INPUTS[:60:2]]]
    before = []
    for number, inputs in enumerate(states, 1):
        write_placed(archive, inputs, VECTORS)
        for asked in ({"ids": [0, 4]}, {"vectors": VECTORS[3:5]}):
            query = Query(**asked, k=70, **way)
            before.append((number, query, rf.Archive(archive).search(query)))
    for number, query, hits in before:
        again = rf.Archive(archive).search(query, version=number)
        assert again.ids.tobytes() == hits.ids.tobytes()
        assert again.squared.tobytes() == hits.squared.tobytes()
        assert again.as_json() == hits.as_json()
        assert again.how == hits.how
        told = rf.archive.Snapshot(archive, number).version
        assert (hits.how["version"], hits.how["digest"]) == (number, told.digest)


def test_features_in_memory_are_no_version(folder):
    features = rf.Archive(folder).features()
    loose = rf.Features(features.matrix, tuple(features.items), None, (), "loose")
    assert loose.version is None
    assert "version" not in rf.search(loose, Query(ids=[0])).how


def test_ids_are_those_of_the_archive_and_order_equal_distances(folder):
    archive = rf.Archive(folder)
    features = archive.features()
    assert features.ids.tolist() != sorted(features.ids.tolist())  # the data set has another order
    order = np.argsort(features.ids)
    squared, places = rf.euclidean_topk(VECTORS[:2], features.matrix[order], 65)
    hits = archive.search(Query(vectors=VECTORS[:2], k=65, normalize="none"))
    assert hits.ids.tolist() == features.ids[order][places].tolist()
    assert hits.squared.tobytes() == squared.tobytes()
    names = dict(zip(features.ids.tolist(), features.items, strict=True))
    assert [found.item for found in hits.answers[0].results] == [names[number] for number in hits.ids[0].tolist()]


def test_what_is_hidden_is_not_found_and_cannot_be_asked_for(folder):
    archive = rf.Archive(folder)
    hits = archive.search(Query(ids=[0], k=200))
    assert set(hits.ids[0].tolist()) == {*archive.features().ids.tolist(), -1}
    with pytest.raises(ValueError, match="ids: expected ids of the 65 rows of placed, got 1"):
        archive.search(Query(ids=[0, 1]))
    assert archive.search(Query(ids=[0, 1]), version=1).queries == ("0.tif", "1.tif")


def test_rows_are_read_where_they_lie(folder):
    """However many are hidden, and wherever: no copy of a field is made."""
    archive = rf.Archive(folder)
    segments = archive._newest.segments
    blocks = archive.features().all_rows.fields["vector"].blocks
    assert [len(block) for block in blocks] == [60, 30]
    assert all(np.shares_memory(block, part["vector"]) for block, part in zip(blocks, segments, strict=True))


@pytest.mark.parametrize("way", WAYS)
def test_hidden_rows_never_count(folder, tmp_path, way):
    """The same rows in an archive of their own, in the order of their ids, give the same answers."""
    features = rf.Archive(folder).features()
    number = {name: each for each, name in zip(features.ids.tolist(), features.items, strict=True)}
    alone = sorted((each for each in INPUTS if each.source in number), key=lambda each: number[each.source])
    write_placed(tmp_path / "alone", alone, VECTORS)
    for asked in (VECTORS[:1], VECTORS[50:53]):
        query = Query(vectors=asked, k=30, **way)
        hits, others = (rf.Archive(each).search(query) for each in (folder, tmp_path / "alone"))
        if way.get("normalize") != "feature" and "steps" not in way:  # which are fitted in the order of the data set
            assert hits.squared.tobytes() == others.squared.tobytes()
            wanted = [number[alone[place].source] for place in others.ids[0].tolist() if place >= 0]
            assert [each for each in hits.ids[0].tolist() if each >= 0] == wanted
        np.testing.assert_allclose(hits.squared, others.squared, rtol=1e-5, atol=1e-6)
