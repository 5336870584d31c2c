"""The whole table from images: every number against its parts, interrupted and gone on with."""

from __future__ import annotations

import dataclasses
import statistics
from pathlib import Path

import numpy as np
import pytest
import torch

import rsir_fast as rf
from rsir_fast.archive.folders import features_state
from rsir_fast.datasets import Dataset, LabelNoise, Skipped, low_shot, unseen_split
from rsir_fast.errors import DatasetError, FeaturesError, RsirError
from rsir_fast.hashing import HashModel
from rsir_fast.hashing.baselines import iterative_quantization
from rsir_fast.hashing.cosine_preserving import cosine_preserving
from rsir_fast.hashing.encode import encode_features
from rsir_fast.protocols import evaluate_codes
from rsir_fast.protocols.drawing import Drawing
from rsir_fast.protocols.hash_rows import Parts, by_label, by_probabilities
from rsir_fast.protocols.hash_table import MEASURES
from rsir_fast.protocols.reproduce_dhcnn2021 import reproduce_dhcnn2021
from rsir_fast.report.comparison import comparison_grid
from scene_files import write_broken, write_scenes
from small_network import small_network

SETTINGS = {"lengths": (8, 16), "seeds": (0, 1), "freeze_backbone": True, "epochs": 2, "device": "cpu"}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("scenes") / "data", per_class=10)


@pytest.fixture(scope="module")
def done(scenes, tmp_path_factory):
    out = tmp_path_factory.mktemp("reproduce") / "out"
    return out, reproduce_dhcnn2021(scenes, small_network, out=out, **SETTINGS)


def row(result, method, bits):
    (found,) = [row for row in result.rows if (row.method, row.bits) == (method, bits)]
    return found


def test_every_method_length_and_seed_is_there(done):
    _, result = done
    by_labels = ["DHCNN: its label", "DHCNN: its probabilities"]
    coded = ["DHCNN", "ITQ", "random projection"]
    methods = [coded[0], *by_labels, *coded[1:]]
    expected = [("features, Euclidean", None), *((method, bits) for bits in (8, 16) for method in methods)]
    assert [(row.method, row.bits) for row in result.rows] == expected
    assert all([run.seed for run in row.runs] == [0, 1] for row in result.rows)
    assert result.curves.bits == 16
    assert list(result.curves.methods) == coded
    assert "NaN" not in result.to_json()


def test_mean_and_spread_are_of_the_runs(done):
    for found in done[1].rows:
        for measure in MEASURES:
            values = [getattr(run, measure) for run in found.runs if getattr(run, measure) is not None]
            measured = found.measures[measure]
            assert measured.seeds == len(values)
            assert (measured.missing is None) == bool(values)
            if values:
                assert measured.mean == pytest.approx(sum(values) / 2)
                assert measured.deviation == pytest.approx(abs(values[0] - values[1]) / 2**0.5, abs=1e-12)
    assert statistics.mean(run.kappa for run in row(done[1], "DHCNN", 16).runs) is not None
    assert row(done[1], "ITQ", 8).measures["kappa"].missing == "gives no labels"


def test_dhcnn_is_that_of_training_and_evaluating_by_hand(scenes, done):
    model = rf.train_dhcnn(scenes, small_network(), bits=16, epochs=2, freeze_backbone=True, seed=1, device="cpu")
    encoded = rf.encode(scenes, model.as_backbone(), device="cpu")
    by_hand = rf.evaluate_dhcnn2021(encoded)
    run = row(done[1], "DHCNN", 16).runs[1]
    assert run.overall_accuracy == by_hand.labels.overall_accuracy
    assert run.map_expected == pytest.approx(by_hand.test_vs_train.map.expected, abs=0.02)
    assert run.test_map_expected == pytest.approx(by_hand.test_vs_test.map.expected, abs=0.02)
    parts = Parts.of(encoded, rf.stratified_split(rf.open_dataset(scenes), seed=1))
    scores = np.asarray(encoded["probabilities"])
    for name, ranked in (
        ("its label", by_label(scores.argmax(1), encoded.labels, 3, parts)),
        ("its probabilities", by_probabilities(scores, encoded.labels, parts)),
    ):
        found = row(done[1], f"DHCNN: {name}", 16)
        assert found.runs[1].map_expected == pytest.approx(ranked.test_vs_train.map.expected, abs=0.02)
        assert found.measures["kappa"].missing == "labels are those of the model's own row"


def test_baselines_are_fitted_on_training_features(scenes, done):
    features = rf.encode(scenes, small_network(), device="cpu")
    split = rf.stratified_split(rf.open_dataset(scenes), seed=1)
    train, test = (np.array([features.items.index(item) for item in part]) for part in (split.train, split.test))
    u = iterative_quantization(features.matrix[train], 16, seed=1).project(features.matrix)
    by_hand = evaluate_codes(rf.pack_codes(u), features.labels, 16, test, train)
    run = row(done[1], "ITQ", 16).runs[1]
    assert run.map_expected == by_hand.map.expected
    assert run.map_worst == by_hand.map.worst


def test_no_codes_is_the_ranking_by_distance(scenes, done):
    features = rf.encode(scenes, small_network(), device="cpu")
    split = rf.stratified_split(rf.open_dataset(scenes), seed=0)
    train, test = (np.array([features.items.index(item) for item in part]) for part in (split.train, split.test))
    unit = features.matrix - features.matrix.mean(1, keepdims=True)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    for measure, database in (("map_expected", train), ("test_map_expected", test)):
        values = []
        for query in test:
            others = database[database != query]
            order = others[np.argsort(-unit[others] @ unit[query], kind="stable")]
            values.append(rf.metrics.average_precision(features.labels[order] == features.labels[query]))
        run = row(done[1], "features, Euclidean", None).runs[0]
        assert getattr(run, measure) == pytest.approx(np.mean(values), abs=1e-6)


def test_a_finished_one_is_not_done_again(scenes, done, monkeypatch):
    out, result = done
    monkeypatch.setattr("rsir_fast.protocols.hash_runs.train_dhcnn", None)
    monkeypatch.setattr("rsir_fast.protocols.hash_rows.evaluate_codes", None)
    timing = (out / "timing.json").read_bytes()
    assert reproduce_dhcnn2021(scenes, small_network, out=out, **SETTINGS) == result
    assert (out / "timing.json").read_bytes() == timing


def test_features_made_before_give_the_same_table(scenes, done, tmp_path):
    out, result = done
    given = {**SETTINGS, "features": rf.Features.load(out / "features"), "seeds": (0,), "lengths": (8,)}
    short = reproduce_dhcnn2021(scenes, small_network, out=tmp_path / "out", **given)
    assert features_state(tmp_path / "out" / "features") is None
    assert [row.runs for row in short.rows] == [row(result, one.method, one.bits).runs[:1] for one in short.rows]


def test_features_that_lack_images_or_are_of_another_network_are_refused_before_the_work(scenes, done, tmp_path):
    whole = rf.Features.load(done[0] / "features")
    lost = rf.stratified_split(rf.open_dataset(scenes), seed=0).test[-1]
    fields = {field.name: np.asarray(whole[field.name]) for field in whole.fields}
    kept = np.array([item != lost for item in whole.items])

    def made(provenance=whole.provenance, skipped=()):
        about = (tuple(np.array(whole.items)[kept]), whole.labels[kept], whole.classes, "elsewhere")
        rows = {name: rows[kept] for name, rows in fields.items()}
        return rf.Features(rows, *about, provenance=provenance, skipped=skipped)

    given = {**SETTINGS, "seeds": (0,), "lengths": (8,)}
    words = rf"expected those of all training and test images of data, 1 are missing, first {lost}; make them of the"
    with pytest.raises(FeaturesError, match=words):
        reproduce_dhcnn2021(scenes, small_network, out=tmp_path / "lacks", features=made(), **given)
    other = made({**whole.provenance, "layer": "another"})
    with pytest.raises(FeaturesError, match="expected those of the network that is trained"):
        reproduce_dhcnn2021(scenes, small_network, out=tmp_path / "other", features=other, **given)
    assert not list(tmp_path.iterdir())
    unreadable = made(skipped=(Skipped(lost, "truncated"),))
    found = reproduce_dhcnn2021(scenes, small_network, out=tmp_path / "out", features=unreadable, **given)
    assert (found.dataset.name, len(found.dataset.skipped)) == ("data", 1)


def test_interrupted_in_the_second_training_it_is_the_same(scenes, done, tmp_path):
    starts = []

    def until(progress) -> bool:
        starts.append((progress.epoch, progress.done) == (1, progress.total))
        return not (sum(starts) == 2 and progress.epoch == 2)

    with pytest.raises(RsirError, match="stopped in epoch 2"):
        reproduce_dhcnn2021(scenes, small_network, out=tmp_path, progress=until, **SETTINGS)
    assert len(list(tmp_path.glob("models/*/result.json"))) == 1
    assert len(list(tmp_path.glob("models/*/checkpoint.pt"))) == 2
    trained = []
    result = reproduce_dhcnn2021(scenes, small_network, out=tmp_path, progress=trained.append, **SETTINGS)
    assert result == done[1]
    assert result.to_json() == done[1].to_json()
    epochs = [at.done == at.total for at in trained if at.stage == "train head"]
    assert sum(epochs) == 1 + 2 * 2  # of three trainings


def test_the_backbone_is_trained_without_freezing(scenes, tmp_path):
    settings = {**SETTINGS, "lengths": (8,), "seeds": (0,), "epochs": 1, "freeze_backbone": False}
    result = reproduce_dhcnn2021(scenes, small_network, out=tmp_path, **settings)
    trained = row(result, "DHCNN", 8)
    assert trained.measures["map_expected"].deviation is None
    assert features_state(tmp_path / "models/seed0-8bits-dhcnn/features") == "finished"


def test_both_weightings(scenes, tmp_path):
    settings = {**SETTINGS, "lengths": (8,), "seeds": (0,)}
    result = reproduce_dhcnn2021(scenes, small_network, out=tmp_path, compare_weightings=True, **settings)
    losses = {name: recipe["loss"] for name, recipe in result.settings.recipes.items()}
    found = {name: (loss["loss_weighting"], loss["beta"]) for name, loss in losses.items()}
    assert found == {
        "DHCNN (matlab weighting, beta 25)": ("matlab", 25.0),
        "DHCNN (pytorch weighting, beta 10)": ("pytorch", 10.0),
    }
    one, other = (
        HashModel.load(tmp_path / f"models/seed0-8bits-dhcnn-{name}/model.safetensors").network.head
        for name in ("matlab-weighting-beta-25", "pytorch-weighting-beta-10")
    )
    assert not torch.equal(one.hash.weight, other.hash.weight)


def test_unseen_classes_are_ranked_among_themselves(tmp_path):
    folder = write_scenes(tmp_path / "data", classes=5, per_class=4)
    plain = dataclasses.replace(rf.hashing.RECIPES["modern"], augment=False)
    settings = {**SETTINGS, "lengths": (8,), "epochs": 1, "seeds": (1,), "recipe": plain, "unseen": 0.4}
    result = reproduce_dhcnn2021(folder, small_network, out=tmp_path / "out", **settings)
    features = rf.Features.load(tmp_path / "out/features")
    split = unseen_split(rf.open_dataset(folder), unseen=0.4, seed=1)
    drawn = {item.partition("/")[0] for item in split.test}
    assert result.settings.unseen_classes == (tuple(sorted(drawn)),)
    model = HashModel.load(tmp_path / "out/models/seed1-8bits-dhcnn/model.safetensors")
    assert not {item.partition("/")[0] for item in model.training["split"]["train"]} & drawn
    train, test = (np.array([features.items.index(item) for item in part]) for part in (split.train, split.test))
    u = iterative_quantization(features.matrix[train], 8, seed=1).project(features.matrix)
    by_hand = evaluate_codes(rf.pack_codes(u), features.labels, 8, test, test)
    assert row(result, "ITQ", 8).runs[0].test_map_expected == by_hand.map.expected
    u = encode_features(model, features)["u"]
    by_hand = evaluate_codes(rf.pack_codes(np.asarray(u)), features.labels, 8, test, test)
    found = row(result, "DHCNN", 8)
    assert found.runs[0].test_map_expected == by_hand.map.expected
    assert found.measures["map_expected"].missing == "nothing in the training images is of an unseen class"
    why = "no class of the test images was trained on, so no label can be right"
    assert found.measures["overall_accuracy"].missing == why
    u = cosine_preserving(features.matrix[train], features.labels[train], 8, seed=1).project(features.matrix)
    by_hand = evaluate_codes(rf.pack_codes(u), features.labels, 8, test, test)
    assert row(result, "cosine-preserving", 8).runs[0].test_map_expected == by_hand.map.expected
    assert result.settings.rules.split.unseen == 0.4
    assert result.curves.methods["ITQ"].queries == 8


def test_a_split_from_elsewhere_is_that_of_all_seeds(scenes, done, tmp_path):
    data = rf.open_dataset(scenes)
    split = rf.stratified_split(data, seed=1)
    split.save(tmp_path / "mine.json")
    drawn, given, shares = (Drawing.of(0.5, None, word, data) for word in (None, tmp_path / "mine.json", "70/30"))
    assert given.split(data, 0) == given.split(data, 5) == split
    assert drawn.split(data, 5) == rf.stratified_split(data, train=0.5, seed=5)
    assert shares.split(data, 5) == rf.stratified_split(data, train=0.7, seed=5)
    assert (drawn.told(), shares.told()) == ({}, {})  # as before there were others
    other = Drawing.of(0.5, None, dataclasses.replace(split, train=split.test, test=split.train), data)
    assert given.told() != other.told()
    part = shares.split(data, 5)
    assert shares.tested({5: part}) == len(part.test) / len(data)
    assert given.tested({0: split, 1: split}) is None  # trainings alone differ
    rules = given.settings(data, {0: split}, (1,))["rules"].split
    assert (rules.kind, rules.file, rules.train, rules.seeds) == ("given", "mine.json", 0.8, ())
    result = reproduce_dhcnn2021(scenes, small_network, out=tmp_path, split=split, **{**SETTINGS, "lengths": (8,)})
    by_seed = row(result, "DHCNN", 8).runs, row(done[1], "DHCNN", 8).runs
    assert by_seed[0][1].map_expected == by_seed[1][1].map_expected  # the split of seed 1
    assert by_seed[0][0].map_expected != by_seed[1][0].map_expected
    intervals = [row(found, "DHCNN", 8).measures["map_expected"].interval for found in (result, done[1])]
    assert intervals[0] is None
    assert "No interval of the means: all seeds have one split" in " ".join(comparison_grid(result).notes)
    assert intervals[1].low < row(done[1], "DHCNN", 8).measures["map_expected"].mean
    few = Drawing.of(0.5, None, split, data, shots=2)
    assert few.split(data, 3) == low_shot(split, data, 2, seed=3)
    assert few.told() == {**given.told(), "shots": 2}
    assert few.settings(data, {3: split}, (1,))["rules"].split.seeds == (3,)
    with pytest.raises(ValueError, match="unseen: expected no split beside it"):
        Drawing.of(0.5, 0.25, split, data)


def test_wrong_labels_are_of_the_rules_of_every_split():
    items = tuple(f"{'abcd'[i % 4]}/{i}" for i in range(24))
    data, noise = Dataset("demo", Path(), items, np.arange(24) % 4, tuple("abcd")), LabelNoise(0.2, "asymmetric")
    drawings = {
        "drawn": Drawing.of(0.5, None, None, data, shots=2),
        "unseen classes": Drawing.of(0.5, 0.4, None, data),
        "given": Drawing.of(0.5, None, rf.stratified_split(data, seed=1), data),
    }
    for kind, drawing in drawings.items():
        splits = {4: drawing.split(data, 4)}
        settings = drawing.settings(data, splits, (1,), noise)
        split = settings["rules"].split
        assert (split.kind, split.label_noise, split.noise, split.seeds) == (kind, 0.2, "asymmetric", (4,))
        assert (settings["label_noise"], settings["noise"]) == (0.2, "asymmetric")  # where they were told before
        assert settings["rules"].gallery == (("test",) if kind == "unseen classes" else ("train", "test"))
        assert not {"label_noise", "noise"} & drawing.settings(data, splits, (1,))["rules"].split.content().keys()


def test_what_cannot_be_had_says_why(tmp_path):
    folder = write_scenes(tmp_path / "data", classes=2)
    write_broken(folder / "class0")
    result = reproduce_dhcnn2021(folder, small_network, out=tmp_path / "out", **{**SETTINGS, "seeds": (0,)})
    missing = row(result, "ITQ", 16).measures["map_expected"].missing
    assert "ITQ expects at most" in missing
    assert "ITQ" not in result.curves.methods
    assert len(result.dataset.skipped) == 3


def test_what_is_refused(scenes, done):
    out, _ = done
    for wrong, message in [
        ({"lengths": (8, 7)}, "lengths: expected hash lengths of 8 to 1024, got 7"),
        ({"lengths": ()}, "lengths: expected at least one, each once"),
        ({"seeds": (1, 1)}, "seeds: expected at least one, each once"),
        ({"seeds": (-1,)}, "seeds: expected numbers from 0 on, got -1"),
        ({"recipe": "paper"}, "recipe: expected one of modern, matlab, pytorch"),
    ]:
        with pytest.raises(ValueError, match=message):
            reproduce_dhcnn2021(scenes, small_network, out=out, **{**SETTINGS, **wrong})
    with pytest.raises(RsirError, match="found one with another recipe"):
        reproduce_dhcnn2021(scenes, small_network, out=out, **{**SETTINGS, "epochs": 3})


def test_what_cannot_be_split_is_refused_before_the_work(scenes, tmp_path):
    with pytest.raises(ValueError, match="train: expected a share between 0 and 1"):
        reproduce_dhcnn2021(scenes, small_network, out=tmp_path / "out", train=1.5, **SETTINGS)
    lonely = write_scenes(tmp_path / "lonely", classes=2, per_class=1)
    with pytest.raises(DatasetError, match="expected a class with two images or more, to train on and to test"):
        reproduce_dhcnn2021(lonely, small_network, out=tmp_path / "out", **SETTINGS)
    assert not (tmp_path / "out").exists()
