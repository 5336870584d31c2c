"""From a folder of scenes to a model file, taken up again, and used for extraction."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import rsir_fast as rf
from rsir_fast.backbones import all_turns, averaged
from rsir_fast.datasets import LabelNoise, low_shot
from rsir_fast.errors import DatasetError, FeaturesError, TrainingError, WeightFileError
from rsir_fast.hashing import RECIPES, HashModel, train_dhcnn
from scene_files import write_broken, write_scenes
from side_by_side import table
from small_network import small_network


@pytest.fixture(scope="module")
def scenes(tmp_path_factory) -> Path:
    return write_scenes(tmp_path_factory.mktemp("scenes") / "data")


def train(scenes, network=None, **settings) -> HashModel:
    return train_dhcnn(
        scenes, network or small_network(), **{"bits": 16, "freeze_backbone": True, "device": "cpu", **settings}
    )


def same_weights(a: HashModel, b: HashModel) -> bool:
    pairs = zip(a.network.state_dict().items(), b.network.state_dict().items(), strict=True)
    return all(x == y and torch.equal(v, w) for (x, v), (y, w) in pairs)


def test_a_model_is_saved_loaded_and_used(scenes, tmp_path):
    sharp = rf.backbones.load_backbone("squeezenet1_1", weights="random:0")  # sees enough to tell classes apart
    model = train(scenes, sharp, out=tmp_path / "run")
    assert model.classes == ("class0", "class1", "class2")
    assert len(model.training["split"]["train"]) == 15
    log = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in log] == list(range(1, 61))
    assert log[-1]["total"] < log[0]["total"]

    again = HashModel.load(tmp_path / "run/model.safetensors")
    assert same_weights(model, again)
    assert (again.classes, again.bits, again.training) == (model.classes, 16, json.loads(json.dumps(model.training)))

    features = rf.encode(scenes, again.as_backbone(), device="cpu", batch_size=6)
    u, probabilities = np.asarray(features["u"]), np.asarray(features["probabilities"])
    assert u.shape == (18, 16)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)
    assert (probabilities.argmax(1) == features.labels).mean() > 0.9
    assert features.provenance["hash"]["classes"] == ["class0", "class1", "class2"]

    codes = rf.pack_codes(u)  # searched by bytes, counted bit by bit
    bits = np.unpackbits(codes, axis=1, bitorder="little")
    assert np.array_equal(bits, u > 0)
    apart = (bits[:, None] != bits[None]).sum(2)
    order = np.argsort(apart, axis=1, kind="stable")
    distances, ids = rf.hamming_topk(codes, codes, len(codes))
    assert np.array_equal(ids, order)
    assert np.array_equal(distances, np.take_along_axis(apart, order, 1))


def test_few_shots_and_wrong_labels_are_of_training_alone(scenes):
    """The weights are those that another data set, with these images and labels from the start, gives."""
    plain = {"recipe": replace(RECIPES["modern"], augment=False), "epochs": 1, "seed": 2}
    data, noise = rf.open_dataset(scenes), LabelNoise(0.4, "asymmetric")
    split = rf.stratified_split(data, seed=2)
    few = low_shot(split, data, 3, seed=2)
    noisy = noise.apply(few.apply(data)[0], seed=2)
    labels = np.array(data.labels)
    labels[[data.items.index(item) for item in noisy.items]] = noisy.labels
    by_hand = train(replace(data, labels=labels), split=few, **plain)
    model = train(scenes, shots=3, label_noise=noise, **plain)
    assert same_weights(model, by_hand)
    assert model.training["split"]["train"] == list(few.train)
    assert (model.training["shots"], model.training["label_noise"]) == (3, {"share": 0.4, "kind": "asymmetric"})
    assert not {"shots", "label_noise"} & by_hand.training.keys()
    assert not same_weights(model, train(scenes, shots=3, **plain))
    rules = rf.evaluate_dhcnn2021(rf.encode(scenes, model.as_backbone(), device="cpu")).rules
    assert rules.split.content() == {
        "kind": "drawn",
        "shots": 3,
        "label_noise": 0.4,
        "noise": "asymmetric",
        "seeds": (2,),
    }


def test_the_whole_network_is_trained_from_images(scenes):
    recipe = replace(RECIPES["modern"], epochs=2, batch_size=8)
    model = train(scenes, freeze_backbone=False, recipe=recipe)
    fresh = small_network().state_dict()
    trained = model.network.backbone.state_dict()
    assert any(not torch.equal(fresh[name], trained[name]) for name in fresh)
    assert not any(parameter.requires_grad for parameter in model.network.parameters())


def test_taken_up_after_an_interruption_it_is_the_same(scenes, tmp_path):
    whole = train(scenes, epochs=6)
    steps = []
    with pytest.raises(TrainingError, match=r"stopped in epoch 4; .*checkpoint.pt holds epoch 3"):
        train(scenes, epochs=6, out=tmp_path, progress=lambda p: steps.append(p) or p.epoch < 4)
    assert not (tmp_path / "model.safetensors").exists()
    assert same_weights(train(scenes, epochs=6, out=tmp_path, resume=True), whole)
    with pytest.raises(TrainingError, match=r"found one with another bits \(16, now 24\); give the same"):
        train(scenes, epochs=6, out=tmp_path, resume=True, bits=24)
    other = small_network(weights="random:1")
    told = r"found one with another weights \(random:0, now random:1\); give the same"
    with pytest.raises(TrainingError, match=told):
        train_dhcnn(scenes, other, bits=16, freeze_backbone=True, device="cpu", epochs=6, out=tmp_path, resume=True)
    with pytest.raises(TrainingError, match="expected a new folder, found a training"):
        train(scenes, epochs=6, out=tmp_path)


@pytest.mark.parametrize("network", ["squeezenet1_1", "mobilenet_v2"])
def test_the_whole_network_taken_up_is_the_same(scenes, tmp_path, network):
    recipe = replace(RECIPES["modern"], epochs=2, head_epochs=2, batch_size=8)

    def run(**settings):
        given = {"bits": 16, "recipe": recipe, "device": "cpu", **settings}
        return train_dhcnn(scenes, small_network(network), **given)

    def second_epoch(progress):
        return not (progress.stage == "train network" and progress.epoch == 2)

    with pytest.raises(TrainingError, match=r"stopped in epoch 2; .*checkpoint.pt holds epoch 1"):
        run(out=tmp_path, progress=second_epoch)
    assert same_weights(run(out=tmp_path, resume=True), run())


def test_a_data_set_in_memory(scenes, tmp_path):
    data = rf.open_dataset(scenes)
    pairs = [(np.asarray(data.load_image(i)), int(data.labels[i])) for i in range(len(data))]
    model = train(pairs, epochs=1, out=tmp_path)
    assert same_weights(HashModel.load(tmp_path / "model.safetensors"), model)


def test_tensorboard_sees_each_epoch_once(scenes, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with pytest.raises(TrainingError, match="stopped in epoch 3"):
        train(scenes, epochs=4, out=tmp_path, progress=lambda p: p.epoch < 3)
    time.sleep(1.0)  # TensorBoard reads files by their names: those of one second and process as 10 before 9
    train(scenes, epochs=4, out=tmp_path, resume=True)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    for name in ("total", "similarity", "quantization", "label", "learning_rate"):
        found = [(event.step, event.value) for event in events.Scalars(name)]
        assert found == [(line["epoch"], pytest.approx(line[name], rel=1e-6)) for line in log]


KILLED = """
import sys
sys.path.insert(0, sys.argv[3])
from rsir_fast.hashing import train_dhcnn
from small_network import small_network
train_dhcnn(sys.argv[1], small_network(), bits=16, freeze_backbone=True, device="cpu", epochs=200000, out=sys.argv[2])
"""


def test_killed_it_leaves_a_whole_checkpoint(scenes, tmp_path):
    process = subprocess.Popen([sys.executable, "-c", KILLED, scenes, tmp_path, Path(__file__).parents[1]])
    log = tmp_path / "log.jsonl"
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and not (log.exists() and len(log.read_text().splitlines()) >= 5):
        assert process.poll() is None
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    epochs = state["epoch"]
    assert epochs >= 5
    assert len(state["log"]) == epochs

    def until(progress) -> bool:
        return progress.epoch <= epochs + 3

    with pytest.raises(TrainingError, match=f"holds epoch {epochs + 3}"):
        train(scenes, epochs=200000, out=tmp_path, resume=True, progress=until)
    with pytest.raises(TrainingError, match=f"holds epoch {epochs + 3}"):
        train(scenes, epochs=200000, out=tmp_path / "whole", progress=until)
    resumed, whole = (torch.load(p / "checkpoint.pt", weights_only=True) for p in (tmp_path, tmp_path / "whole"))
    assert all(torch.equal(resumed["network"][name], whole["network"][name]) for name in whole["network"])
    assert torch.equal(resumed["bank"], whole["bank"])


def test_images_that_cannot_be_read_are_left_out(scenes, tmp_path):
    folder = write_scenes(tmp_path / "data", classes=2)
    write_broken(folder / "class0")
    recipe = replace(RECIPES["modern"], epochs=1)
    for frozen in (True, False):
        assert train(folder, recipe=recipe, freeze_backbone=frozen).classes == ("class0", "class1")


def test_features_over_turns_are_no_backbone(scenes):
    for made in (all_turns(small_network()), averaged(small_network(), turns=True)):
        with pytest.raises(
            ValueError, match="encoder: expected squeezenet1_1 itself, got one of features over several"
        ):
            train_dhcnn(scenes, made, freeze_backbone=True, device="cpu")
    of_turns = rf.encode(scenes, averaged(small_network(), turns=True), device="cpu")
    recipe = replace(RECIPES["modern"], augment=False)
    with pytest.raises(FeaturesError, match="squeezenet1_1:gap, found others .turns: mean, now upright"):
        train(scenes, features=of_turns, recipe=recipe)


def test_a_recipe_says_how_a_network_sees_images(scenes):
    model = train(scenes, recipe="pytorch", epochs=1)
    assert model.network.backbone.preprocessing.resize == "short-side"
    assert model.training["recipe"]["resize"] == "short-side"
    seen = model.as_backbone().preprocessing
    assert (seen.resize, seen.interpolation) == ("short-side", "bilinear")
    with pytest.raises(FeaturesError, match=r"resize whole, now short-side"):
        train(scenes, recipe="pytorch", features=rf.encode(scenes, small_network(), device="cpu"))


def test_what_cannot_be_trained(scenes, tmp_path):
    with pytest.raises(ValueError, match="bits: expected a hash length of 8 to 1024, got 7"):
        train(scenes, bits=7)
    with pytest.raises(ValueError, match="recipe: expected one of modern, matlab, pytorch"):
        train(scenes, recipe="paper")
    flat = tmp_path / "flat"
    write_broken(flat)
    with pytest.raises(DatasetError, match="class"):
        train(flat)
    with pytest.raises(ValueError, match="classes: expected at least 2"):
        train(write_scenes(tmp_path / "one", classes=1))
    lonely = write_scenes(tmp_path / "lonely", classes=2)
    for image in sorted((lonely / "class1").iterdir())[1:]:
        image.unlink()
    assert train(lonely, epochs=1).classes == ("class0", "class1")  # its one image is for training


def test_files_that_are_no_model(tmp_path, scenes):
    with pytest.raises(WeightFileError, match="found no such file"):
        HashModel.load(tmp_path / "none.safetensors")
    (tmp_path / "text").write_text("no model")
    with pytest.raises(WeightFileError, match="cannot read it"):
        HashModel.load(tmp_path / "text")
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(WeightFileError, match="found other safetensors"):
        HashModel.load(tmp_path / "other.safetensors")
    model = train(scenes, epochs=1)
    model.network.head.hash = torch.nn.Linear(512, 24)
    model.network.head.classifier = torch.nn.Linear(16, 3)  # of another length
    model.save(tmp_path / "mismatch.safetensors")
    with pytest.raises(WeightFileError, match="size mismatch"):
        HashModel.load(tmp_path / "mismatch.safetensors")
    model = train(scenes, epochs=1)
    model.network.head.classifier.bias[0] = torch.nan
    model.save(tmp_path / "nan.safetensors")
    with pytest.raises(WeightFileError, match="NaN or infinite values in head.classifier.bias"):
        HashModel.load(tmp_path / "nan.safetensors")


def test_features_computed_before_are_taken(scenes):
    features = rf.encode(scenes, all_turns(small_network()), device="cpu")  # of all images
    split = rf.stratified_split(rf.open_dataset(scenes))
    given = train(scenes, features=features, split=split, epochs=3)
    rows = [features.items.index(item) for item in split.train]
    seen = torch.from_numpy(table(features)[rows]).view(-1, 512)
    torch.testing.assert_close(given.network.head.mean, seen.mean(0))
    assert given.training["split"]["train"] == list(split.train)
    with pytest.raises(FeaturesError, match=r"expected those of all training images, 14 are missing, first class0"):
        train(scenes, features=replace(features, arrays=table(features)[:1], items=features.items[:1], labels=None))
    with pytest.raises(FeaturesError, match=r"found others .weights: random:1, now random:0."):
        train(scenes, features=replace(features, provenance={**features.provenance, "weights": {"file": "random:1"}}))
    with pytest.raises(FeaturesError, match=r"found others .turns: upright, now each.; make them by"):
        train(scenes, features=features.field())
    whole = {"freeze_backbone": False, "recipe": replace(RECIPES["modern"], epochs=1, head_epochs=2)}
    # Of all images at once: other batches, other last bits.
    found, expected = (train(scenes, features=given, **whole) for given in (features.field(), None))
    for a, b in zip(found.network.head.parameters(), expected.network.head.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-2, atol=1e-3)


def test_the_head_comes_first(scenes):
    """The whole network starts from a head that knows the classes, and from the codes that it gives."""
    seen = []
    recipe = replace(RECIPES["modern"], epochs=1, augment=False)
    model = train(scenes, freeze_backbone=False, recipe=recipe, progress=lambda p: seen.append(p))
    assert [p.stage for p in seen][:: len(seen) - 1] == ["extract", "train network"]
    assert {(p.stage, p.epochs) for p in seen} == {("extract", 0), ("train head", 60), ("train network", 1)}
    unprepared = []
    train(scenes, freeze_backbone=False, recipe=replace(recipe, head_epochs=0), progress=lambda p: unprepared.append(p))
    assert seen[-1].terms["label"] < 0.8 * unprepared[-1].terms["label"]
    assert model.training["recipe"]["head_epochs"] == 60


def test_many_images_lie_in_a_mapped_file(scenes, monkeypatch):
    from rsir_fast.hashing import inputs

    recipe = replace(RECIPES["modern"], epochs=1, batch_size=8)
    in_memory = train(scenes, freeze_backbone=False, recipe=recipe)
    monkeypatch.setattr(inputs, "MAX_IN_MEMORY", 1000)
    assert same_weights(train(scenes, freeze_backbone=False, recipe=recipe), in_memory)
