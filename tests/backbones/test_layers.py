"""Several layers by one pass: the bits of each layer by itself."""

from __future__ import annotations

import pytest
import torch

from network_files import write_network
from rsir_fast.backbones import all_turns, every_layer, load_backbone


@pytest.mark.parametrize("name", ["cnn-alex", "cnn-16"])
def test_every_layer_has_the_bits_of_a_backbone_cut_there(tmp_path, name):
    path = write_network(tmp_path, name) / f"{name}.safetensors"
    whole = every_layer(load_backbone(name, "fc7", path))
    size = whole.preprocessing.input_size
    images = torch.randn(3, 3, size, size, generator=torch.Generator().manual_seed(1)) * 50
    with torch.inference_mode():
        found = whole(images)
        parts = [load_backbone(name, layer, path)(images) for layer in ("pool5", "fc6", "fc7")]
    assert found.shape == (3, whole.dim)
    dims = [part.shape[1] for part in parts]
    assert whole.provenance["layers"] == [["pool5", dims[0]], ["fc6", dims[1]], ["fc7", dims[2]]]
    assert torch.equal(found, torch.cat(parts, dim=1))
    assert parts[2].abs().sum() > 0


def test_a_network_cut_at_the_first_layer_is_left_alone():
    backbone = load_backbone("cnn-f", "pool5", "random:0")
    assert every_layer(backbone) is backbone


@pytest.mark.parametrize(
    "make",
    [
        lambda: load_backbone("squeezenet1_1", weights="random:0"),
        lambda: all_turns(load_backbone("cnn-f", "fc6", "random:0", width=0.05)),
    ],
)
def test_others_have_no_such_layers(make):
    with pytest.raises(ValueError, match="expected a plain cnn-\\* network"):
        every_layer(make())
