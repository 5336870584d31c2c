"""From class folders to a weight file: learnt, taken up after a kill, exported, loaded again bit for bit."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

import rsir_fast as rf
from rsir_fast.backbones.caffenets import NETWORKS
from rsir_fast.backbones.weights import open_state_dict
from rsir_fast.errors import TrainingError, WeightFileError
from rsir_fast.pretraining import Pretrained, PretrainingRecipe, pretrain
from scene_files import write_scenes

QUICK = PretrainingRecipe(epochs=3, batch_size=8)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory) -> Path:
    return write_scenes(tmp_path_factory.mktemp("scenes") / "data", classes=3, per_class=5)


def train(scenes, network="cnn-alex", **settings) -> Pretrained:
    return pretrain(scenes, network, **{"width": 0.05, "recipe": QUICK, "device": "cpu", "workers": 1, **settings})


def same_weights(a: Pretrained, b: Pretrained) -> bool:
    pairs = zip(a.network.state_dict().items(), b.network.state_dict().items(), strict=True)
    return all(x == y and torch.equal(v, w) for (x, v), (y, w) in pairs)


def test_it_learns(tmp_path):
    folder = write_scenes(tmp_path / "scenes", classes=5, per_class=12)
    recipe = PretrainingRecipe(epochs=12, batch_size=8, learning_rate=0.002)
    result = train(folder, "cnn-f", width=0.125, recipe=recipe).training["result"]
    assert result["validation_loss"] < 1.2  # guessing: ln 5 = 1.61
    assert result["top1"] > 2 / 5


@pytest.mark.parametrize("network", ["cnn-alex", "cnn-m", "cnn-16"])
def test_the_file_gives_the_features_that_the_network_has(scenes, tmp_path, network):
    recipe = replace(QUICK, epochs=1, initialization="glorot" if network == "cnn-16" else "paper")
    made = train(scenes, network, recipe=recipe, out=tmp_path)
    path = tmp_path / "weights.safetensors"
    backbone = rf.backbones.load_backbone(network, "fc7", path)
    assert backbone.preprocessing.mean == pytest.approx(made.made.mean)
    assert backbone.dim == made.network.units == NETWORKS[network].scaled(0.05).units
    assert backbone.provenance["width"] == 0.05
    assert backbone.provenance["description"].endswith("(pre-trained on data, 3 classes, width 0.05)")
    assert backbone.provenance["weights"]["pretraining"]["result"]["epoch"] == 1
    data = rf.open_dataset(scenes)
    pixels = torch.stack([torch.from_numpy(backbone.preprocessing.prepare(data.load_image(i))) for i in range(4)])
    values = backbone.preprocessing.normalize(pixels)
    with torch.inference_mode():
        assert torch.equal(backbone(values), made.network.features(values))
        for layer in ("pool5", "fc6"):
            part = rf.backbones.load_backbone(network, layer, path)
            assert part(values).shape == (4, part.dim)
    features = rf.encode(scenes, backbone, device="cpu")
    assert features.matrix.shape == (15, backbone.dim)


def test_what_the_file_says(scenes, tmp_path):
    made = train(scenes, out=tmp_path)
    with safe_open(tmp_path / "weights.safetensors", framework="pt") as file:
        names, content = set(file.keys()), json.loads(file.metadata()["rsir_fast"])
    layers = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8")
    assert names == {f"{layer}.{part}" for layer in layers for part in ("weight", "bias")}
    assert (content["network"], content["width"], content["classes"]) == ("cnn-alex", 0.05, list(made.classes))
    assert content["training"]["recipe"]["momentum"] == 0.9
    assert content["training"]["images"] == {"train": 12, "validation": 3}
    before = (tmp_path / "weights.safetensors").read_bytes()
    train(scenes, out=tmp_path / "again")
    assert (tmp_path / "again" / "weights.safetensors").read_bytes() == before
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in log] == [1, 2, 3]
    assert {*log[0]} == {
        *("epoch", "loss", "train_top1", "learning_rate", "validation_loss", "top1", "top5", "images_per_s", "waiting")
    }


def test_full_width_is_read_without_a_word_on_it(tmp_path):
    from rsir_fast.backbones.weights import PreTraining
    from rsir_fast.pretraining import Classifier

    with torch.device("meta"):
        network = Classifier(NETWORKS["cnn-f"], classes=2)
    network.to_empty(device="cpu").load_state_dict({k: torch.zeros_like(v) for k, v in network.state_dict().items()})
    Pretrained(network, PreTraining("cnn-f", 1.0, (1.0, 2.0, 3.0), ("a", "b"), {"dataset": "x"})).save(tmp_path / "w")
    backbone = rf.backbones.load_backbone("cnn-f", "fc6", tmp_path / "w")
    assert "width" not in backbone.provenance
    assert backbone.provenance["description"] == "CNN-F (pre-trained on x, 2 classes)"
    assert backbone.preprocessing.mean == (1.0, 2.0, 3.0)


def test_files_that_are_asked_for_what_they_are_not(scenes, tmp_path):
    train(scenes, "cnn-f", recipe=replace(QUICK, epochs=1), out=tmp_path)
    path = tmp_path / "weights.safetensors"
    with pytest.raises(WeightFileError, match="expected weights of cnn-alex; found those of cnn-f of width 0.05"):
        rf.backbones.load_backbone("cnn-alex", "fc7", path)
    with pytest.raises(WeightFileError, match="expected weights of cnn-f of width 0.1; found those of .* width 0.05"):
        rf.backbones.load_backbone("cnn-f", "fc7", path, width=0.1)
    assert rf.backbones.load_backbone("cnn-f", "fc7", path, width=0.05).dim == 204


def flip(path: Path) -> None:
    """Change the lowest bits of a number, as a disk may: it is as good a number as before."""
    content = bytearray(path.read_bytes())
    content[-4] ^= 1
    path.write_bytes(content)


def test_a_flipped_bit_is_noticed(scenes, tmp_path):
    train(scenes, "cnn-f", recipe=replace(QUICK, epochs=1), out=tmp_path)
    path, model = tmp_path / "weights.safetensors", tmp_path / "model.safetensors"
    backbone = rf.backbones.load_backbone("cnn-f", "fc7", path)
    rf.train_dhcnn(scenes, backbone, bits=8, epochs=1, freeze_backbone=True, device="cpu").save(model)
    rf.HashModel.load(model)
    flip(model)
    with pytest.raises(WeightFileError, match="other bytes than were written.*train it again"):
        rf.HashModel.load(model)
    flip(path)
    weights = open_state_dict(path, "safetensors")
    with pytest.raises(WeightFileError, match="other bytes than were written"):
        list(map(weights.read, weights.shapes))


def test_hash_models_of_reduced_width_are_saved_and_loaded(scenes, tmp_path):
    train(scenes, "cnn-f", recipe=replace(QUICK, epochs=1), out=tmp_path)
    backbone = rf.backbones.load_backbone("cnn-f", "fc7", tmp_path / "weights.safetensors")
    model = rf.train_dhcnn(scenes, backbone, bits=8, epochs=1, freeze_backbone=True, device="cpu")
    model.save(tmp_path / "model.safetensors")
    again = rf.HashModel.load(tmp_path / "model.safetensors")
    assert again.as_backbone().provenance["dim"] == 8 + 3
    assert again.network.backbone.preprocessing == backbone.preprocessing


def test_interrupted_and_resumed_it_is_the_same(scenes, tmp_path):
    whole = train(scenes)
    with pytest.raises(TrainingError, match=r"stopped in epoch 3; .*checkpoint.pt holds epoch 2"):
        train(scenes, out=tmp_path, progress=lambda p: p.epoch < 3)
    assert not (tmp_path / "weights.safetensors").exists()
    resumed = train(scenes, out=tmp_path, resume=True)
    assert same_weights(resumed, whole)
    assert (resumed.made, resumed.skipped) == (whole.made, whole.skipped)
    with pytest.raises(TrainingError, match=r"found one with another .*seed \(0, now 1\)"):
        train(scenes, out=tmp_path, resume=True, seed=1)
    with pytest.raises(TrainingError, match="expected a new folder, found a training"):
        train(scenes, out=tmp_path)


def test_other_images_of_the_same_names_are_not_gone_on_with(scenes, tmp_path):
    copied = tmp_path / "scenes"
    shutil.copytree(rf.open_dataset(scenes).root, copied)
    with pytest.raises(TrainingError, match="stopped in epoch 3"):
        train(copied, out=tmp_path / "out", progress=lambda p: p.epoch < 3)
    first, second = (copied / item for item in rf.open_dataset(copied).items[:2])
    shutil.copy(second, first)
    with pytest.raises(TrainingError, match="found one with another .*set of images"):
        train(copied, out=tmp_path / "out", resume=True)


KILLED = """
import sys
from rsir_fast.pretraining import PretrainingRecipe, pretrain
recipe = PretrainingRecipe(epochs=100000, batch_size=8)
pretrain(sys.argv[1], "cnn-alex", width=0.05, recipe=recipe, device="cpu", out=sys.argv[2], workers=1)
"""


def test_killed_it_leaves_a_whole_checkpoint(scenes, tmp_path):
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(scenes), str(tmp_path)])
    log = tmp_path / "log.jsonl"
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and not (log.exists() and len(log.read_text().splitlines()) >= 3):
        assert process.poll() is None
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    epochs = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["epoch"]
    assert epochs >= 3
    recipe = replace(QUICK, epochs=100000)

    def until(progress) -> bool:
        return progress.epoch <= epochs + 1

    with pytest.raises(TrainingError, match=f"holds epoch {epochs + 1}"):
        train(scenes, recipe=recipe, out=tmp_path, resume=True, progress=until)
    with pytest.raises(TrainingError, match=f"holds epoch {epochs + 1}"):
        train(scenes, recipe=recipe, out=tmp_path / "whole", progress=until)
    resumed, whole = (torch.load(p / "checkpoint.pt", weights_only=True) for p in (tmp_path, tmp_path / "whole"))
    assert all(torch.equal(resumed["network"][name], whole["network"][name]) for name in whole["network"])
    moments = (state["optimizer"]["state"] for state in (resumed, whole))
    for a, b in zip(*(moment.values() for moment in moments), strict=True):
        assert torch.equal(a["momentum_buffer"], b["momentum_buffer"])


def test_a_plateau_is_remembered_over_an_interruption(scenes, tmp_path):
    recipe = PretrainingRecipe(epochs=5, batch_size=8, schedule="plateau", patience=1, learning_rate=1e-12)

    def rates(folder) -> list[float]:
        return [json.loads(line)["learning_rate"] for line in (folder / "log.jsonl").read_text().splitlines()]

    train(scenes, recipe=recipe, out=tmp_path / "whole")  # nothing is learnt: the error stays
    with pytest.raises(TrainingError):
        train(scenes, recipe=recipe, out=tmp_path / "parts", progress=lambda p: p.epoch < 4)
    train(scenes, recipe=recipe, out=tmp_path / "parts", resume=True)
    assert rates(tmp_path / "parts") == rates(tmp_path / "whole")
    assert rates(tmp_path / "whole") == pytest.approx([1e-12, 1e-12, 1e-13, 1e-14, 1e-15])


def test_unreadable_images_are_listed(tmp_path):
    folder = write_scenes(tmp_path / "data", classes=2, per_class=4)
    (folder / "class0" / "damaged.jpg").write_bytes(b"no image")
    made = train(folder, recipe=replace(QUICK, epochs=1))
    assert [entry.item for entry in made.skipped] == ["class0/damaged.jpg"]


def test_what_cannot_be_trained(scenes):
    for settings, message in [
        ({"network": "vgg16"}, "network: expected one of cnn-alex, .*, got 'vgg16'"),
        ({"width": 0.0}, "width: expected a share above 0 and at most 1, got 0.0"),
        ({"width": 1.5}, "width: expected a share above 0 and at most 1, got 1.5"),
        ({"recipe": replace(QUICK, short_side=200)}, "short_side: expected at least cnn-alex's 227, got 200"),
        ({"accumulate": 0}, "accumulate: expected at least 1, got 0"),
    ]:
        with pytest.raises(ValueError, match=message):
            train(scenes, **settings)


@pytest.mark.parametrize("network", ["cnn-m"])
def test_one_step_at_full_size(network):
    """Forward and backward of CNN-M as it is in the paper, 1000 classes, two images."""
    from rsir_fast.pretraining import Classifier, initialize

    classifier = Classifier(NETWORKS[network], classes=1000)
    initialize(classifier)
    images = 60 * torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    keep = classifier.dropout_factors(2, 0.5, torch.Generator().manual_seed(1))
    loss = torch.nn.functional.cross_entropy(classifier(images, keep), torch.tensor([3, 5]))
    loss.backward()
    assert 2 < loss.item() < 20  # guessing among 1000: 6.9
    for name, parameter in classifier.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name
