"""Codes of a model ranked by a split that is not its own: published lists, or another draw."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from rich.console import Console

import rsir_fast as rf
from html_page import Page
from rsir_fast.datasets import LabelSets, Split
from rsir_fast.errors import DatasetError
from rsir_fast.protocols import evaluate_codes
from rsir_fast.protocols.coded_images import check_split
from rsir_fast.report import result_table, write_report
from rsir_fast.report.compared import compared_grids

BITS, N, TRAIN = 8, 45, 30


@pytest.fixture
def features(hash_features):
    return hash_features


def split_of(features, train, test, seed=None):
    items = np.array(features.items)
    return Split("demo", tuple(items[train].tolist()), tuple(items[test].tolist()), seed)


def codes_and_labels(features):
    return np.asarray(features["codes"]), np.array([1, 2, 0])[features.labels]  # in the model's numbering


def told(result):
    console = Console(width=200)
    with console.capture() as captured:
        console.print(result_table(result))
    return captured.get()


def rows(first, last):
    return np.arange(first, last)


def test_the_parts_are_those_of_the_split(features):
    """Trained on the images 0 to 29; 20 to 37 are searched by 38 to 44."""
    split = split_of(features, rows(20, 38), rows(38, N), seed=4)
    result = rf.evaluate_dhcnn2021(features, split=split, gallery=("train", "test", "rest", "all"))
    codes, labels = codes_and_labels(features)
    places = {"train": rows(20, 38), "test": rows(38, N), "rest": rows(0, 38), "all": rows(0, N)}
    for name, database in places.items():
        assert result.by_place[f"test_vs_{name}"] == evaluate_codes(codes, labels, BITS, rows(38, N), database)
    assert dict(result.images) == {"train": 18, "test": 7}
    assert dict(result.split) == {"seed": 0, "train": TRAIN, "test": N - TRAIN}  # the model's
    other = {"train": 18, "test": 7, "trained_on": 10, "trained_queries": 0, "kept": False}
    assert dict(result.other_split) == other
    assert result.queries.trained_on is None
    assert result.rules.split.content() == {"kind": "drawn", "train": 0.72, "seeds": (4,)}
    assert result.dataset.notes == (
        "the split is not the model's own: it was trained on 10 of the 18 training images of the split",
    )
    assert list(result.queries.items) == list(split.test)
    written = json.loads(result.to_json())
    assert written["other_split"] == other
    assert rf.Dhcnn2021Result.model_validate(written) == result.model_copy(update={"examples": ()})


def test_the_models_own_split_given_again_is_its_own(features, tmp_path):
    lost = "a/lost.png"  # could not be read in training: of its split, and not of what it was trained on
    features.provenance["hash"]["training"]["skipped"] = [{"item": lost, "reason": "empty"}]
    own = rf.evaluate_dhcnn2021(features)
    split = split_of(features, rows(0, TRAIN), rows(TRAIN, N))
    for given in (split, dataclasses.replace(split, train=(lost, *split.train))):
        again = rf.evaluate_dhcnn2021(features, split=given, split_file="s.json")
        for place in ("test_vs_train", "test_vs_test", "labels", "images", "split"):
            assert getattr(again, place) == getattr(own, place)
        assert again.other_split is None
        assert "other_split" not in json.loads(again.to_json())
        assert (again.rules.split.kind, again.rules.split.file) == ("given", "s.json")
        assert again.dataset.notes == own.dataset.notes == ()
        write_report(tmp_path, again)
        text = Page((tmp_path / "report.html").read_text()).text
        assert "30 training and 15 test images, given, file s.json" in text
        assert "as in the paper; the network has seen their labels" in text
        assert "Test vs train is the paper's way" in text
        assert "Another split" not in text
        assert "The split is not the one" not in text


def test_test_images_that_were_trained_on_are_refused(features):
    split = split_of(features, rows(0, 25), rows(25, N))
    message = (
        r"demo: expected test images that the model was not trained on, but it was trained on 5 of the 20 of the "
        r"split, such as b/25.png; train a model by this split, or say what becomes of them: trained_queries="
    )
    with pytest.raises(DatasetError, match=message):
        rf.evaluate_dhcnn2021(features, split=split)
    with pytest.raises(ValueError, match="trained_queries: expected one of refuse, leave-out, keep, got 'drop'"):
        rf.evaluate_dhcnn2021(features, split=split, trained_queries="drop")
    with pytest.raises(DatasetError, match="trained on all 3 of the split; train a model by this split"):
        rf.evaluate_dhcnn2021(features, split=split_of(features, rows(30, 40), rows(0, 3)), trained_queries="leave-out")


def test_left_out_they_are_no_queries_and_the_result_says_so(features):
    split = split_of(features, rows(0, 25), rows(25, N))
    result = rf.evaluate_dhcnn2021(features, split=split, trained_queries="leave-out", gallery=("train", "rest"))
    codes, labels = codes_and_labels(features)
    assert result.test_vs_train == evaluate_codes(codes, labels, BITS, rows(TRAIN, N), rows(0, 25))
    assert result.test_vs_rest == evaluate_codes(codes, labels, BITS, rows(TRAIN, N), rows(0, TRAIN))
    assert dict(result.images) == {"train": 25, "test": 15}
    assert (result.other_split.trained_queries, result.other_split.kept) == (5, False)
    assert result.dataset.notes[1:] == (
        "5 of 20 test images of the split are left out, as the model was trained on them",
    )


def test_the_rest_is_told_with_the_test_images_left_out(features, tmp_path):
    split = split_of(features, rows(0, 25), rows(25, N))
    result = rf.evaluate_dhcnn2021(features, split=split, trained_queries="leave-out", gallery=("rest", "test"))
    assert result.test_vs_rest.database == TRAIN
    write_report(tmp_path, result)
    text = Page((tmp_path / "report.html").read_text()).text
    assert (
        "the database is all images but the queries, those of neither part of the split among them, and 5 test images "
        "left out, which the network was trained on"
    ) in text


def test_test_vs_test_is_only_named_where_it_has_a_figure(features, tmp_path):
    """Nor is test vs train said to flatter where it has none, or has nothing that was trained on."""
    flattered, beside = "training images in the database flatter the score", "read test vs test beside it"
    cases = {
        ("train", "test"): (True, True),
        ("train",): (True, False),
        ("test",): (False, False),
        ("all", "test"): (True, True),
    }
    for gallery, words in cases.items():
        result = rf.evaluate_dhcnn2021(features, gallery=gallery)
        assert (flattered in told(result), beside in told(result)) == words
        write_report(tmp_path, result)
        text = Page((tmp_path / "report.html").read_text()).text
        assert ("has never seen" in text) == ("test" in gallery)
        assert ("Test vs train is the paper's way" in text) == ("train" in gallery)

    items, labels = np.array(features.items), np.asarray(features.labels)
    unseen = {"seed": 0, "train": items[labels != 0].tolist(), "test": items[labels == 0].tolist()}
    features.provenance["hash"]["training"]["split"] = unseen  # nothing relevant among the training images
    assert flattered not in told(rf.evaluate_dhcnn2021(features))


def test_kept_they_are_told_as_leakage_wherever_the_figures_are(features, tmp_path):
    features = dataclasses.replace(features, name="UCMerced_LandUse")
    split = split_of(features, rows(0, 25), rows(25, N))
    result = rf.evaluate_dhcnn2021(features, split=split, trained_queries="keep")
    codes, labels = codes_and_labels(features)
    assert result.test_vs_train == evaluate_codes(codes, labels, BITS, rows(25, N), rows(0, 25))
    assert (result.other_split.trained_queries, result.other_split.kept) == (5, True)
    assert result.queries.trained_on == 5
    remark = "leakage: 5 of 20 queries are images that the model was trained on; the figures say little of new images"
    assert result.dataset.notes[1] == remark
    assert remark in told(result)
    assert "leakage: the network was trained on 5 of 20 queries, which flatters every score" in told(result)
    write_report(tmp_path, result)
    text = Page((tmp_path / "report.html").read_text()).text
    assert "Leakage: the network was trained on 5 of 20 queries, which flatters every score." in text
    assert "has never seen" not in text
    assert "Beside the published numbers" not in text
    assert "every test image, 5 that the model was trained on among them" in text


def test_the_report_names_both_splits(features, tmp_path):
    result = rf.evaluate_dhcnn2021(features, split=split_of(features, rows(20, 38), rows(38, N)), split_file="list.txt")
    write_report(tmp_path, result)
    text = Page((tmp_path / "report.html").read_text()).text
    for words in (
        "18 training and 7 test images, given, file list.txt",
        "30 training and 15 test images, seed 0",
        "the training images of the split; the network has seen the labels of 10 of them",
        "it has seen the labels of 10 of the 18 training images. Test vs test ranks only images that the network has "
        "never seen.",
    ):
        assert words in text
    assert "the paper's way" not in text


def test_where_no_training_image_is_here_nothing_is_promised(features):
    features.provenance["hash"]["training"]["split"] = {"train": ["elsewhere/1"], "test": ["elsewhere/2"]}
    result = rf.evaluate_dhcnn2021(features, split=split_of(features, rows(0, 30), rows(30, N)))
    assert (result.other_split.trained_on, result.other_split.trained_queries) == (None, None)
    assert result.dataset.notes == (
        "none of the images that the model was trained on (1) is here by its name: whether test images are among them "
        "cannot be told",
    )
    assert result.labels.overall_accuracy is not None  # its classes are known


def test_images_of_the_split_that_are_not_here_are_noted_and_none_at_all_is_refused(features):
    split = Split("demo", (*features.items[20:38], "gone/1"), (*features.items[38:], "gone/2"))
    result = rf.evaluate_dhcnn2021(features, split=split)
    assert result.dataset.notes[1:] == (
        "1 of the 19 training images of the split are not here, or could not be read",
        "1 of the 8 test images of the split are not here, or could not be read",
    )
    with pytest.raises(DatasetError, match="expected test images of the split, such as gone/2, found none of them"):
        rf.evaluate_dhcnn2021(features, split=Split("demo", features.items[20:38], ("gone/2",)))


def test_classes_that_the_model_was_not_trained_on_are_its_own(features):
    """Class a is not trained on, and stands in the training images of the other split."""
    items, labels = np.array(features.items), np.asarray(features.labels)
    own = {"seed": 0, "train": items[(labels != 0) & (rows(0, N) < TRAIN)].tolist(), "test": items[TRAIN:].tolist()}
    features.provenance["hash"]["training"]["split"] = own
    split = Split("demo", tuple(items[:TRAIN].tolist()), tuple(items[TRAIN:].tolist()))
    result = rf.evaluate_dhcnn2021(features, split=split)
    assert result.labels.per_class[["c", "a", "b"].index("a")] is None
    assert result.dataset.notes[-1] == (
        "5 of 15 test images are of 1 class that were not trained on: no label of theirs can be right"
    )
    assert result.test_vs_train.queries_without_relevant == 0


def test_wrong_labels_that_the_model_was_taught_are_stated_by_any_split(features):
    features.provenance["hash"]["training"]["label_noise"] = {"share": 0.2, "kind": "symmetric"}
    split = split_of(features, rows(20, 38), rows(38, N))
    result = rf.evaluate_dhcnn2021(features, split=split, split_file="list.txt")
    stated = {"kind": "given", "train": 0.72, "file": "list.txt", "label_noise": 0.2, "noise": "symmetric"}
    assert result.rules.split.content() == stated
    assert "20 % of the labels wrong in training (symmetric)" in told(result)


def test_a_split_is_checked_before_any_work(features):
    made = features.provenance["hash"]
    found = check_split(features, made, split_of(features, rows(20, 38), rows(38, N)))
    assert (found.train.tolist(), found.test.tolist()) == (list(range(20, 38)), list(range(38, N)))
    assert found.trained_on.sum() == TRAIN
    with pytest.raises(DatasetError, match="but it was trained on 10 of the 25"):
        check_split(features, made, split_of(features, rows(0, 20), rows(20, N)))


def test_values_of_a_model_ranked_by_another_protocol_say_what_it_was_trained_on(features):
    made = rf.evaluate_ge2018(features.field("u"))
    assert made.dataset.notes == (
        "30 of 45 queries are images that the model of these features was trained on: what they find says little of "
        "new images",
    )
    assert made.queries.trained_on == 30
    split = split_of(features, rows(0, TRAIN), rows(TRAIN, N))
    asked = rf.protocols.evaluate_between(rf.protocols.between_parts(features.field("u"), split))
    assert not [remark for remark in asked.dataset.notes if "trained on" in remark]
    split = split_of(features, rows(0, 25), rows(25, N))
    asked = rf.protocols.evaluate_between(rf.protocols.between_parts(features.field("u"), split))
    assert [remark[:18] for remark in asked.dataset.notes if "trained on" in remark] == ["5 of 20 queries ar"]
    assert asked.queries.trained_on == 5
    sets = LabelSets(("odd",), np.arange(N)[:, None] % 2 == 1)
    labelled = rf.protocols.evaluate_multilabel(features.field("u"), sets)
    assert (labelled.queries.trained_on, labelled.dataset.notes) == (30, made.dataset.notes)


def test_a_comparison_says_which_model_was_trained_on_queries(features):
    split = split_of(features, rows(0, 25), rows(25, N))
    leaking = rf.evaluate_dhcnn2021(features, split=split, trained_queries="keep")
    own = {"seed": 0, "train": list(split.train), "test": list(split.test)}
    features.provenance["hash"]["training"]["split"] = own
    honest = rf.evaluate_dhcnn2021(features)
    found = rf.protocols.compare_results([("one", leaking), ("two", honest)])
    assert found.notes == ("leakage: the model of one was trained on 5 of 20 queries",)
    assert found.notes[0] in compared_grids(found)[0].notes
    assert "notes" not in json.loads(rf.protocols.compare_results([("two", honest), ("too", honest)]).to_json())
