"""Parts of a split, and two data sets, against a plain program."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from rich.console import Console

import rsir_fast as rf
from rsir_fast.datasets import Split, read_label_map
from rsir_fast.errors import DatasetError, FeaturesError
from rsir_fast.protocols import between_datasets, between_parts, evaluate_between
from rsir_fast.report import result_table
from rsir_fast.report.published import compare_with_published
from rsir_fast.report.rules import rules_in_words


def made(classes, per_class, seed, name) -> rf.Features:
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(classes)), per_class)
    matrix = rng.normal(size=(len(labels), 6)) + 1.2 * np.eye(6)[labels]
    items = tuple(f"{classes[label]}/{i}.png" for i, label in enumerate(labels))
    return rf.Features(matrix.astype(np.float32), items, labels, tuple(classes), name)


@pytest.fixture
def features():
    return made(("a", "b", "c"), 12, 0, "UC Merced")


@pytest.fixture
def split(features):
    """Six images are in neither part; one of the split was never read."""
    order = [features.items[i] for i in np.random.default_rng(1).permutation(36)]
    return Split("UC Merced", (*order[:18], "a/gone.png"), tuple(order[18:30]), 7)


def unit(matrix):
    spread = (matrix - matrix.mean(1, keepdims=True)) / matrix.std(1, keepdims=True)
    return (1 + spread / 3) / 2


def plain(queries, query_labels, gallery, gallery_labels, own=None):
    """mAP, ANMRR (K = 2 NG) and precision at 5, an item at a time."""
    found = []
    for number, (query, label) in enumerate(zip(queries, query_labels, strict=True)):
        order = np.argsort(((gallery - query) ** 2).sum(1), kind="stable")
        if own is not None:
            order = order[order != own[number]]
        hits = gallery_labels[order] == label
        ranks = np.flatnonzero(hits) + 1
        k = 2 * len(ranks)
        counted = np.where(ranks <= k, ranks, 1.25 * k).mean() - (1 + len(ranks)) / 2
        nmrr = counted / (1.25 * k - (1 + len(ranks)) / 2)
        found.append((np.mean(np.arange(1, len(ranks) + 1) / ranks), nmrr, hits[:5].mean()))
    return np.mean(found, axis=0)


@pytest.mark.parametrize("gallery", ["train", "test", "rest", "all"])
def test_every_gallery_of_a_split(features, split, gallery):
    row = {item: number for number, item in enumerate(features.items)}
    train, test = ([row[item] for item in part if item in row] for part in (split.train, split.test))
    rest = [number for number in range(36) if number not in test]
    rows = np.array({"train": train, "test": test, "rest": rest, "all": range(36)}[gallery])
    between = between_parts(features, split, gallery)
    result = evaluate_between(between)
    x, labels = unit(np.asarray(features.matrix, np.float64)), features.labels
    own = [np.flatnonzero(rows == query)[0] for query in test] if gallery in ("test", "all") else None
    expected = plain(x[test], labels[test], x[rows], labels[rows], own)
    found = result.query_excluded
    assert (found.map, found.anmrr, found.precision_at[5]) == pytest.approx(tuple(expected), abs=1e-6)
    included = plain(x[test], labels[test], x[rows], labels[rows])
    assert result.query_included.map == pytest.approx(included[0], abs=1e-6)
    assert (found == result.query_included) == (own is None)
    assert result.queries.items == split.test
    assert result.rules.gallery == (gallery,)
    assert (result.rules.split.kind, result.rules.split.seeds) == ("drawn", (7,))
    assert f"12 test images are the queries, {len(rows)} images the gallery ({gallery})" in result.dataset.notes
    assert "1 images of the split are not here, or could not be read" in result.dataset.notes
    for example in result.examples:
        items = [hit.item for hit in example.results]
        assert set(items) <= set(rows.tolist()) - {example.query}
        assert len(items) == min(10, len(rows) - (own is not None))
    paper = {"backbone": "CNN-Alex (8-bit conv trunk)", "layer": "pool5"}
    named = {"features": result.features.model_copy(update=paper)}
    assert compare_with_published(rf.evaluate_ge2018(features).model_copy(update=named)) is not None
    assert compare_with_published(result.model_copy(update=named)) is None  # not the paper's queries


def test_normalised_by_the_gallery_and_steps_fitted_on_it(features, split):
    between = between_parts(features, split, "train")
    x, labels = np.asarray(features.matrix, np.float64), features.labels
    queries, gallery = x[between.queries], x[between.gallery]
    mean, spread = gallery.mean(0), 3 * gallery.std(0)
    expected = plain(
        (queries - mean) / spread, labels[between.queries], (gallery - mean) / spread, labels[between.gallery]
    )
    assert evaluate_between(between, normalize="feature").query_excluded.map == pytest.approx(expected[0], abs=1e-6)
    _, _, axes = np.linalg.svd(gallery - mean, full_matrices=False)
    projected = [(side - mean) @ axes[:2].T for side in (queries, gallery)]
    expected = plain(projected[0], labels[between.queries], projected[1], labels[between.gallery])
    found = evaluate_between(between, steps="pca:2", cutoffs=(3,), map_at=4, divisor="found")
    assert list(found.query_excluded.precision_at) == [3]
    assert (found.rules.map_at, found.rules.divisor, found.rules.cutoffs) == (4, "found", (3,))
    first = []
    for query, label in zip(projected[0], labels[between.queries], strict=True):
        hits = labels[between.gallery][np.argsort(((projected[1] - query) ** 2).sum(1), kind="stable")][:4] == label
        ranks = np.flatnonzero(hits) + 1
        first.append(np.mean(np.arange(1, len(ranks) + 1) / ranks) if len(ranks) else 0.0)
    assert found.query_excluded.map_at.value == pytest.approx(np.mean(first), abs=1e-6)
    assert found.query_excluded.map == pytest.approx(expected[0], abs=1e-6)
    assert found.settings.steps == ("pca:2",)


def test_another_data_set_by_a_label_map(features):
    other = made(("X", "Y", "Z", "b"), 9, 5, "AID")
    between = between_datasets(features, other, {"a": "Y", "c": "X"})
    result = evaluate_between(between, normalize="none")
    asked, ranked = np.flatnonzero(features.labels != 1), np.flatnonzero(other.labels < 2)
    names = np.array(["Y", "", "X"])[features.labels[asked]], np.array(["X", "Y", "Z", "b"])[other.labels[ranked]]
    sides = (np.asarray(each.matrix, np.float64) for each in (features, other))
    expected = plain(next(sides)[asked], names[0], next(sides)[ranked], names[1])
    found = result.query_excluded
    assert (found.map, found.anmrr, found.precision_at[5]) == pytest.approx(tuple(expected), abs=1e-6)
    assert result.dataset.notes == (
        "24 queries from UC Merced, 18 images of AID to rank; classes: a = Y, c = X",
        "left out, as no class of the map: 12 images of UC Merced (b)",
        "left out, as no class of the map: 18 images of AID (Z, b)",
    )
    words = rules_in_words(result.rules)
    assert "gallery: the images of AID; relevant: an image of the class that is the query's (a = Y, c = X)" in words
    assert result.examples == ()
    console = Console(width=100)
    with console.capture() as captured:
        console.print(result_table(result, per_class=True))
    assert "24" in captured.get()
    equal = between_datasets(features, other)
    assert (equal.label_map, len(equal.queries), len(equal.gallery)) == ((("b", "b"),), 12, 9)


def test_what_cannot_be_asked(features, split):
    other = made(("X", "Y"), 4, 5, "AID")
    with pytest.raises(DatasetError, match="AID: expected a map of its classes .X, Y., got W; give a label map"):
        between_datasets(features, other, {"a": "W"})
    with pytest.raises(DatasetError, match="UC Merced: expected a map of its classes .a, b, c., got no class in both"):
        between_datasets(features, other)
    narrow = dataclasses.replace(other, arrays=np.zeros((8, 5), np.float32))
    with pytest.raises(FeaturesError, match="expected vectors of 6 values as of UC Merced, found 5"):
        between_datasets(features, narrow, {"a": "X"})
    with pytest.raises(ValueError, match="gallery: expected one of train, test, rest, all, got 'others'"):
        between_parts(features, split, "others")
    with pytest.raises(DatasetError, match="expected test images of the split and images to rank, found 0"):
        between_parts(features, Split("d", split.train, ("no.png",)))
    with pytest.raises(ValueError, match="normalize: expected 'row', 'feature' or 'none', got 'minmax'"):
        evaluate_between(between_parts(features, split), normalize="minmax")


def test_label_maps(tmp_path):
    (tmp_path / "map.csv").write_text("query,gallery\nairplane, Airport\nriver,River\n")
    (tmp_path / "map.json").write_text('{"airplane": "Airport", "river": "River"}')
    for name in ("map.csv", "map.json"):
        assert read_label_map(tmp_path / name) == {"airplane": "Airport", "river": "River"}
    for name, text, message in [
        ("a.csv", "airplane\n", "two names a line are expected, not 'airplane'"),
        ("b.csv", "a,b\na,c\n", "class 'a' occurs twice"),
        ("c.json", '["a"]', "no object of class names to class names"),
        ("d.json", '{"a": 3}', "no object of class names to class names"),
    ]:
        (tmp_path / name).write_text(text)
        with pytest.raises(DatasetError, match=message):
            read_label_map(tmp_path / name)


def test_queries_keep_the_names_of_their_own_classes(features):
    other = made(("b", "c"), 9, 5, "AID")  # numbers of classes differ from those of the queries'
    result = evaluate_between(between_datasets(features, other))
    for item, label in zip(result.queries.items, result.queries.labels, strict=True):
        assert result.class_names[label] == item.split("/")[0]


def test_a_gallery_that_holds_the_queries_is_refused(features):
    other = made(("a", "b", "c"), 12, 1, "AID")  # the same names, other images
    between_datasets(features, other)
    rows = np.asarray(other.matrix).copy()
    rows[5] = np.asarray(features.matrix)[5]
    other = rf.Features(rows, other.items, other.labels, other.classes, "AID")
    with pytest.raises(DatasetError, match=r"1 image is in both, such as a/5.png, and would find itself"):
        between_datasets(features, other)


def test_a_split_of_a_file_is_not_said_to_be_drawn(features):
    unseen = Split("UC Merced", features.items[:24], features.items[24:], 3)  # class c is not trained on
    result = evaluate_between(between_parts(features, unseen, "train", "unseen.json"))
    assert (result.rules.split.kind, result.rules.split.file, result.rules.split.seeds) == ("given", "unseen.json", ())
    said = "12 of 12 queries have no image of their class in the gallery; rank them among themselves (gallery test)"
    assert said in result.dataset.notes
