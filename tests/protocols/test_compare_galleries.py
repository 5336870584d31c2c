"""Results of other galleries, or other labels, of one size are not those of one task."""

from __future__ import annotations

import json

import numpy as np
import pytest

import rsir_fast as rf
from rsir_fast.archive import Features
from rsir_fast.datasets import LabelSets, Split
from rsir_fast.errors import DatasetError
from rsir_fast.protocols import (
    MultilabelResult,
    between_parts,
    compare_results,
    evaluate_between,
    evaluate_multilabel,
)

CLASSES = ("ant", "bee")
ITEMS = tuple(f"{name}/{number}.png" for name in CLASSES for number in range(6))
LABELS = np.repeat([0, 1], 6)
TEST = tuple(item for item in ITEMS if item[-5] in "45")
SPLITS = [Split("demo", tuple(item for item in ITEMS if item[-5] in kept), TEST) for kept in ("01", "23")]


def features(seed=0):
    matrix = np.random.default_rng(seed).random((len(ITEMS), 5)).astype(np.float32)
    return Features(matrix, ITEMS, LABELS, CLASSES, "demo")


def coded(seed=0):
    """Features of a model that was trained on none of the images here."""
    rng = np.random.default_rng(seed)
    rows = np.concatenate([rng.standard_normal((len(ITEMS), 8)), rng.random((len(ITEMS), 2))], 1).astype(np.float32)
    split = {"seed": 0, "train": ["elsewhere/1"], "test": ["elsewhere/2"]}
    made = {"hash": {"bits": 8, "classes": list(CLASSES), "training": {"split": split}}}
    return Features(rows, ITEMS, LABELS, CLASSES, "demo", provenance=made)


def of_before(result, *keys):
    content = json.loads(result.to_json())
    for key in keys:
        held = content
        for name in key.split(".")[:-1]:
            held = held[name]
        del held[key.split(".")[-1]]
    return type(result).model_validate(content)


def test_codes_ranked_against_other_images_are_not_compared():
    one, other = (rf.evaluate_dhcnn2021(coded(), split=split, examples=0) for split in SPLITS)
    assert one.test_vs_train.database == other.test_vs_train.database
    words = r"test vs train ranks 4 images in a and other ones in b; evaluate both on the same images and split"
    with pytest.raises(DatasetError, match=words):
        compare_results([("a", one), ("b", other)])
    same = rf.evaluate_dhcnn2021(coded(1), split=SPLITS[0], gallery=("train",), examples=0)
    assert not compare_results([("a", one), ("b", same)]).notes
    before = of_before(other, "galleries")
    assert before.galleries == {}
    note = "not checked: whether the images that are ranked are the same, which b of before does not state"
    assert note in compare_results([("a", one), ("b", before)]).notes[0]


def test_a_gallery_counts_by_its_images_and_not_by_the_name_of_a_file():
    def evaluated(split, file, seed=0):
        return evaluate_between(between_parts(features(seed), split, "train", file), examples=0)

    one, other = (evaluated(split, "train.txt") for split in SPLITS)
    with pytest.raises(
        DatasetError, match=r"ranks the train images of a split \(.*train\.txt\) in a and other ones in b"
    ):
        compare_results([("a", one), ("b", other)])
    turned = Split("demo", SPLITS[0].train[::-1], SPLITS[0].test)
    assert not compare_results([("a", one), ("b", evaluated(turned, "mine.txt", 1))]).notes


def test_images_of_other_classes_are_another_gallery():
    moved = LABELS.copy()
    moved[[0, 6]] = moved[[6, 0]]
    changed = Features(features().matrix, ITEMS, moved, CLASSES, "demo")
    one, other = (
        evaluate_between(between_parts(each, SPLITS[0], "train"), examples=0) for each in (features(), changed)
    )
    with pytest.raises(DatasetError, match="same gallery"):
        compare_results([("a", one), ("b", other)])


def test_other_labels_with_as_many_of_each_are_refused():
    sets = np.random.default_rng(3).random((len(ITEMS), 3)) < 0.5
    order = np.random.default_rng(0).permutation(len(ITEMS))
    names = ("field", "river", "road")
    given = {"a": LabelSets(names, sets), "b": LabelSets(names, sets[order])}
    one, other = (evaluate_multilabel(features(), each, cutoffs=(1,)) for each in given.values())
    assert one.labels.counts == other.labels.counts
    with pytest.raises(DatasetError, match="same labels, but other images have them in b than in a, as many of each"):
        compare_results([("a", one), ("b", other)])
    columns = LabelSets(names[::-1], sets[:, ::-1])
    assert not compare_results([("a", one), ("b", evaluate_multilabel(features(1), columns, cutoffs=(1,)))]).notes
    before = of_before(other, "labels.digest")
    assert isinstance(before, MultilabelResult)
    notes = compare_results([("a", one), ("b", before)]).notes
    assert [note.partition(",")[0] for note in notes] == ["not checked: whether the labels of each image are the same"]
