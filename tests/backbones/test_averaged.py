"""Features averaged over turns and sizes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import rsir_fast as rf
from rsir_fast.backbones import TURNS, all_turns, averaged
from scene_files import write_scenes
from side_by_side import table
from small_network import INPUT_SIZE, small_network


def test_the_mean_over_turns_is_that_of_all_turns(tmp_path):
    backbone = small_network()
    scenes = write_scenes(tmp_path / "scenes", classes=1, per_class=2, size=64)
    every = table(rf.encode(scenes, all_turns(backbone), device="cpu", batch_size=4)).reshape(2, TURNS, -1)
    mean = rf.encode(scenes, averaged(backbone, turns=True), device="cpu", batch_size=4)
    np.testing.assert_allclose(mean.matrix, every.mean(axis=1), rtol=1e-5, atol=1e-6)
    assert mean.provenance["averaged"] == {"turns": 8, "sizes": [INPUT_SIZE]}
    assert mean.provenance["description"].endswith(", mean over 8 turns")


def test_the_mean_over_sizes_is_that_of_resized_inputs():
    backbone = rf.backbones.load_backbone("squeezenet1_1", weights="random:0")
    both = averaged(backbone, sizes=(96, 64))
    assert both.preprocessing.input_size == 96
    images = torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    small = torch.nn.functional.interpolate(images, size=(64, 64), mode="bicubic", antialias=True)
    with torch.no_grad():
        expected = (backbone.network(images).flatten(1) + backbone.network(small).flatten(1)) / 2
        torch.testing.assert_close(both(images), expected)


def test_nothing_to_average_is_the_network_itself():
    backbone = rf.backbones.load_backbone("squeezenet1_1", weights="random:0")
    assert averaged(backbone) is backbone


@pytest.mark.parametrize(
    ("name", "layer", "sizes", "message"),
    [
        ("squeezenet1_1", None, (16,), "expected different sizes of at least 32, got 16"),
        ("squeezenet1_1", None, (64, 64), "expected different sizes"),
        ("cnn-f", "pool5", (224, 256), "expected features of 9216 values for every size"),
        ("cnn-f", "fc6", (256,), "cannot take images of 256"),
    ],
)
def test_sizes_that_a_network_cannot_take_are_refused(name, layer, sizes, message):
    with pytest.raises(ValueError, match=message):
        averaged(rf.backbones.load_backbone(name, layer, weights="random:0"), sizes=sizes)
