"""Features of turned images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

import rsir_fast as rf
from rsir_fast.backbones import TURNS, all_turns, turned
from scene_files import write_scenes
from side_by_side import table
from small_network import small_network


def test_turns_are_the_eight_symmetries_of_a_square():
    square = torch.arange(9).view(3, 3)
    found = {tuple(turned(square, turn).flatten().tolist()) for turn in range(TURNS)}
    by_numpy = [np.rot90(side, k) for side in (square.numpy(), square.numpy().T) for k in range(4)]
    assert found == {tuple(view.flatten().tolist()) for view in by_numpy}
    assert turned(square, 0) is square


def test_features_are_those_of_turned_images(tmp_path):
    backbone = small_network()
    size = backbone.preprocessing.input_size  # a resize is not the same in every direction
    plain = write_scenes(tmp_path / "plain", classes=1, per_class=2, size=size)
    every = rf.encode(plain, all_turns(backbone), device="cpu", batch_size=4)
    assert every.provenance["turns"] == TURNS
    assert every.dim == TURNS * backbone.dim
    for turn in range(TURNS):
        folder = tmp_path / f"turn{turn}" / "class0"
        folder.mkdir(parents=True)
        for file in sorted((plain / "class0").iterdir()):
            pixels = torch.from_numpy(np.array(Image.open(file)).transpose(2, 0, 1).copy())
            Image.fromarray(turned(pixels, turn).numpy().transpose(1, 2, 0)).save(folder / f"{file.stem}.png")
        alone = rf.encode(folder.parent, backbone, device="cpu", batch_size=4).matrix
        found = table(every)[:, turn * backbone.dim : (turn + 1) * backbone.dim]
        if turn == 0:
            assert np.array_equal(found, alone)
        np.testing.assert_allclose(found, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("std", [1.0, 2.0])
def test_a_mean_image_stays_where_it_is(std):
    backbone = rf.backbones.load_backbone("cnn-f", "pool5", weights="random:0")
    steps = backbone.preprocessing
    rng = np.random.default_rng(0)
    mean = rng.uniform(90, 140, (3, 224, 224)).astype(np.float32)
    backbone.preprocessing = type(steps)(224, divisor=1.0, std=(std,) * 3, mean_image=mean)
    images = torch.from_numpy(rng.integers(0, 256, (1, 3, 224, 224), dtype=np.uint8))
    with torch.no_grad():
        every = all_turns(backbone)(backbone.preprocessing.normalize(images)).view(TURNS, -1)
        for turn in range(TURNS):
            alone = backbone(backbone.preprocessing.normalize(turned(images, turn)))[0]
            torch.testing.assert_close(every[turn], alone, rtol=1e-3, atol=1e-3)
