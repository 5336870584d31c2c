"""The protocol of Song et al. 2021, its labels and its examples."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from rich.console import Console

import rsir_fast as rf
from rsir_fast.errors import DatasetError, FeaturesError
from rsir_fast.protocols import evaluate_codes
from rsir_fast.protocols.facts import Timing
from rsir_fast.report import result_table
from side_by_side import table

BITS, CLASSES, N, TRAIN = 8, ("a", "b", "c"), 45, 30
MODEL_CLASSES = ("c", "a", "b")


@pytest.fixture
def features(hash_features):
    return hash_features


def test_the_split_decides_what_is_asked_and_what_is_searched(features):
    result = rf.evaluate_dhcnn2021(features)
    codes = rf.pack_codes(table(features)[:, :BITS])
    of_model = np.array([1, 2, 0])[features.labels]  # the model numbers the classes otherwise
    train, test = np.arange(TRAIN), np.arange(TRAIN, N)
    assert result.test_vs_train == evaluate_codes(codes, of_model, BITS, test, train)
    assert result.test_vs_test == evaluate_codes(codes, of_model, BITS, test, test)
    assert result.test_vs_train.map != result.test_vs_test.map
    assert dict(result.images) == {"train": TRAIN, "test": N - TRAIN}
    assert dict(result.split) == {"seed": 0, "train": TRAIN, "test": N - TRAIN}
    assert result.training.content() == {"seed": 7}


def test_labels_against_counting_by_hand(features):
    labels = rf.evaluate_dhcnn2021(features).labels
    predicted = [MODEL_CLASSES[place] for place in table(features)[TRAIN:, BITS:].argmax(1)]
    true = [CLASSES[label] for label in features.labels[TRAIN:]]
    right = [t == p for t, p in zip(true, predicted, strict=True)]
    assert labels.overall_accuracy == pytest.approx(np.mean(right))
    for row, name in enumerate(MODEL_CLASSES):
        of_class = [hit for hit, t in zip(right, true, strict=True) if t == name]
        assert labels.per_class[row] == pytest.approx(np.mean(of_class))
        assert list(labels.confusion[row]) == [
            sum(t == name and p == other for t, p in zip(true, predicted, strict=True)) for other in MODEL_CLASSES
        ]
    chance = sum(np.mean([t == name for t in true]) * np.mean([p == name for p in predicted]) for name in CLASSES)
    assert labels.kappa == pytest.approx((np.mean(right) - chance) / (1 - chance))


def test_every_gallery_against_a_plain_program(features):
    """Two images of the features are in neither part of the split."""
    made = features.provenance["hash"]
    split = {"seed": 0, "train": list(features.items[2:TRAIN]), "test": list(features.items[TRAIN:])}
    made = {**made, "training": {"split": split}}
    features = dataclasses.replace(features, provenance={"name": "x", "hash": made})
    bits = np.asarray(features["u"]) > 0
    apart = (bits[:, None] != bits[None]).sum(2)
    rows = {"all": np.arange(N), "rest": np.arange(TRAIN), "test": np.arange(TRAIN, N), "train": np.arange(2, TRAIN)}
    result = rf.evaluate_dhcnn2021(features, gallery=tuple(rows))
    assert list(result.by_place) == [f"test_vs_{name}" for name in rows]
    assert result.headline == result.test_vs_all
    assert result.rules.gallery == tuple(rows)
    for name, gallery in rows.items():
        values = []
        for query in range(TRAIN, N):
            others = gallery[gallery != query]
            order = others[np.argsort(apart[query, others], kind="stable")]
            ranks = np.flatnonzero(features.labels[order] == features.labels[query]) + 1
            values.append(np.mean(np.arange(1, len(ranks) + 1) / ranks))
        assert result.by_place[f"test_vs_{name}"].map.by_index == pytest.approx(np.mean(values))
    example = rf.evaluate_dhcnn2021(features, gallery=("test",), examples=3).examples[0]
    assert len(example.results) == 3
    assert {hit.item for hit in example.results} <= set(range(TRAIN, N)) - {example.query}
    assert rf.evaluate_dhcnn2021(features, gallery=("rest",)).test_vs_train is None
    console = Console(width=100)
    with console.capture() as captured:
        console.print(result_table(result, per_class=True))
    assert " ".join(
        ["class", "test", "images", "mAP", "vs", "all", "mAP", "vs", "rest", "right", "labels"]
    ) in " ".join(captured.get().split())
    for wrong in ((), ("rest", "rest"), ("others",)):
        with pytest.raises(ValueError, match="gallery: expected some of train, test, rest, all, each once, got"):
            rf.evaluate_dhcnn2021(features, gallery=wrong)


def test_classes_that_were_not_trained_on_have_no_accuracy(features):
    """All of them: no figure, and why. Some of them: their own are left out, and a note says so."""
    items = np.array(features.items)

    def evaluated(tested):
        split = {"seed": 0, "train": items[~tested].tolist(), "test": items[tested].tolist()}
        made = {**features.provenance["hash"], "training": {"split": split}}
        return rf.evaluate_dhcnn2021(dataclasses.replace(features, provenance={"name": "x", "hash": made}))

    result = evaluated(features.labels != 0)  # trained on a alone
    why = "no class of the test images was trained on, so no label can be right"
    labels = result.labels
    assert (labels.overall_accuracy, labels.kappa, labels.missing) == (None, None, why)
    assert set(labels.per_class) == {None}
    split = result.rules.split
    assert (split.kind, split.unseen, split.seeds) == ("unseen classes", pytest.approx(2 / 3, abs=1e-4), (0,))
    assert result.test_vs_train.queries_without_relevant == result.images.test == 30
    assert result.dataset.notes[0].startswith("30 of 30 test images are of 2 classes that were not trained on")
    console = Console(width=100)
    with console.capture() as captured:
        console.print(result_table(result))
    assert f"labels of the test images: {why}" in captured.get()

    mixed = evaluated((features.labels == 1) | (np.arange(N) % 2 == 0))  # b is not trained on
    assert mixed.labels.per_class[MODEL_CLASSES.index("b")] is None
    assert mixed.labels.missing is None
    assert mixed.dataset.notes[0].startswith("15 of 31 test images are of 1 class ")


def test_a_model_without_a_classifier_has_no_labels(features):
    """Its classifier is 0, so that the first class would be every image's label."""
    even = np.full((N, len(MODEL_CLASSES)), 1 / len(MODEL_CLASSES), np.float32)
    matrix = np.concatenate([np.asarray(features["u"]), even], axis=1)
    named = features.items, features.labels, features.classes, features.name
    result = rf.evaluate_dhcnn2021(rf.Features(matrix, *named, provenance=features.provenance))
    assert (result.labels.overall_accuracy, result.labels.kappa) == (None, None)
    assert result.labels.missing == "the model was trained without a classifier and prefers no class"
    assert {hit.label for example in result.examples for hit in example.results} == {None}


def test_the_result_says_what_it_was_computed_from(features):
    features = dataclasses.replace(features, notes=("one left out",), skipped=(("a/x.png", "0 bytes"),))
    result = rf.evaluate_dhcnn2021(features)
    written = json.loads(result.to_json())
    assert written["dataset"] == {
        "name": "demo",
        "items": N,
        "classes": list(CLASSES),
        "class_counts": [15, 15, 15],
        "notes": ["one left out"],
        "skipped": [{"item": "a/x.png", "reason": "0 bytes"}],
    }
    assert written["features"] == {"backbone": "x", "layer": "unknown", "dim": BITS + 3, "non_finite_rows": 0}
    assert result.timing.total_s >= result.timing.rank_s > 0


def test_only_the_timing_may_differ(features):
    first, second = (rf.evaluate_dhcnn2021(features, threads=threads) for threads in (1, 2))
    assert first.examples == second.examples
    first, second = (found.model_copy(update={"timing": Timing()}) for found in (first, second))
    assert first == second
    assert first.to_json() == second.to_json()


def test_examples_are_the_nearest_training_images_with_class_and_label(features):
    evaluation = rf.evaluate_dhcnn2021(features, examples=6)
    bits = table(features)[:, :BITS] > 0
    scores = table(features)[:, BITS:]
    precision = evaluation.test_vs_train.per_query
    assert [example.note for example in evaluation.examples] == [
        "best of all",
        "worst of all",
        *["median of its class"] * 3,
    ]
    assert evaluation.examples[0].average_precision == max(precision)
    assert evaluation.examples[1].average_precision == min(precision)
    wrong_labels = 0
    for example in evaluation.examples:
        query = example.query
        assert query >= TRAIN
        assert example.average_precision == precision[query - TRAIN]
        assert example.query_class == CLASSES[features.labels[query]]
        assert example.query_label == MODEL_CLASSES[scores[query].argmax()]
        assert example.query_probability == scores[query].max()
        distances = (bits[:TRAIN] != bits[query]).sum(1)
        assert [hit.item for hit in example.results] == np.argsort(distances, kind="stable")[:6].tolist()
        for hit in example.results:
            assert hit.distance == distances[hit.item]
            assert hit.class_name == CLASSES[features.labels[hit.item]]
            assert hit.label == MODEL_CLASSES[scores[hit.item].argmax()]
            assert hit.probability == scores[hit.item].max()
            assert hit.relevant is (hit.class_name == example.query_class)
            wrong_labels += hit.label != hit.class_name
    assert wrong_labels > 0


def test_examples_can_be_left_out_and_never_exceed_the_database(features):
    assert rf.evaluate_dhcnn2021(features, examples=0).examples == ()
    assert {len(e.results) for e in rf.evaluate_dhcnn2021(features, examples=100).examples} == {TRAIN}


def test_unreadable_images_are_left_out(features):
    kept = [row for row in range(N) if row not in (0, N - 1)]
    fewer = dataclasses.replace(
        features,
        arrays=table(features)[kept],
        items=tuple(features.items[row] for row in kept),
        labels=features.labels[kept],
    )
    result = rf.evaluate_dhcnn2021(fewer)
    assert dict(result.images) == {"train": TRAIN - 1, "test": N - TRAIN - 1}
    assert dict(result.split) == {"seed": 0, "train": TRAIN, "test": N - TRAIN}


def test_a_single_test_image_is_not_ranked_among_itself(features):
    features.provenance["hash"]["training"]["split"]["test"] = [features.items[-1]]
    result = rf.evaluate_dhcnn2021(features)
    assert result.test_vs_test is None
    assert result.test_vs_train.queries == 1


def test_what_cannot_be_evaluated(features):
    plain = dataclasses.replace(features, provenance={"name": "cnn-m"})
    with pytest.raises(FeaturesError, match="expected features of a hash model.* found those of cnn-m"):
        rf.evaluate_dhcnn2021(plain)
    other = dataclasses.replace(features, classes=("a", "b", "d"))
    with pytest.raises(DatasetError, match=r"classes of the model \(c, a, b\), found a, b, d"):
        rf.evaluate_dhcnn2021(other)
    unlabelled = dataclasses.replace(features, labels=None)
    with pytest.raises(DatasetError, match=r"classes of the model \(c, a, b\), found none"):
        rf.evaluate_dhcnn2021(unlabelled)
    renamed = dataclasses.replace(features, items=tuple(f"x{i}" for i in range(N)))
    with pytest.raises(DatasetError, match=r"expected train images of the model's split, such as a/0.png"):
        rf.evaluate_dhcnn2021(renamed)


def test_images_of_the_split_that_are_not_here_are_noted(features):
    rows = np.delete(np.arange(N), [0, 1, TRAIN])
    fewer = dataclasses.replace(
        features,
        arrays=table(features)[rows],
        items=tuple(features.items[row] for row in rows),
        labels=features.labels[rows],
    )
    assert rf.evaluate_dhcnn2021(features).dataset.notes == ()
    assert list(rf.evaluate_dhcnn2021(fewer).dataset.notes) == [
        f"2 of the {TRAIN} training images of the model's split are not here, or could not be read",
        f"1 of the {N - TRAIN} test images of the model's split are not here, or could not be read",
    ]
