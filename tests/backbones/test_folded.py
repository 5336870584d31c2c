"""Batch normalisation folded into convolutions: the same function, and every layer keeps its meaning."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from rsir_fast.backbones import Backbone, all_turns, averaged, folded, load_backbone
from rsir_fast.encoders.hash_model import HashModel
from rsir_fast.encoders.hash_network import DHCNN, HashHead
from rsir_fast.extraction import encode
from rsir_fast.extraction.again import encode_like
from rsir_fast.extraction.run import Run
from small_network import small_network


def with_statistics(backbone: Backbone) -> Backbone:
    """Give batch normalisation something to do: the statistics of untrained weights are 0 and 1."""
    generator = torch.Generator().manual_seed(1)
    for part in backbone.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.copy_(0.1 * torch.randn(part.num_features, generator=generator))
            part.running_var.copy_(0.5 + torch.rand(part.num_features, generator=generator))
            part.weight.copy_(0.5 + torch.rand(part.num_features, generator=generator))
            part.bias.copy_(torch.randn(part.num_features, generator=generator))
    return backbone


def normalisations(module: nn.Module) -> int:
    return sum(isinstance(part, nn.BatchNorm2d) for part in module.modules())


def difference(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).abs().max() / one.abs().max())


@pytest.mark.parametrize("name", ["mobilenet_v2", "resnet18", "shufflenet_v2_x0_5", "efficientnet_b0"])
def test_it_is_the_same_function(name):
    backbone = with_statistics(load_backbone(name, weights="random:0"))
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    images = torch.randn(2, *backbone.preprocessing.shape, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        plain, fast = backbone(images), folded(backbone)(images)
    assert normalisations(folded(backbone)) == 0 < normalisations(backbone)
    assert difference(plain, fast) < 1e-4
    # The network given is as it was: training goes on from it.
    assert all(torch.equal(value, before[key]) for key, value in backbone.state_dict().items())
    assert folded(folded(backbone)).state_dict().keys() == folded(backbone).state_dict().keys()


@pytest.mark.parametrize("layer", ["features.2.conv.2", "features.2.conv.3"])
def test_a_layer_keeps_its_meaning(layer):
    """The raw output of a convolution, which a batch normalisation follows, is not that of both."""
    backbone = with_statistics(load_backbone("mobilenet_v2", "features.2", weights="random:0"))
    cut = load_backbone("mobilenet_v2", layer, weights="random:0")
    cut.load_state_dict({key: backbone.state_dict()[key] for key in cut.state_dict()})
    images = torch.randn(1, *cut.preprocessing.shape, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        plain, fast = cut(images), folded(cut)(images)
    assert difference(plain, fast) < 1e-4
    assert normalisations(folded(cut)) == 0


def test_an_output_that_is_used_twice_stays():
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

        def forward(self, images):
            values = self.conv(images)
            return values + self.norm(values)

    graph = torch.fx.symbolic_trace(Twice().eval())
    graph.norm.running_mean.fill_(3.0)
    images = torch.randn(1, 3, 8, 8)
    assert normalisations(folded(graph)) == 1
    assert torch.equal(folded(graph)(images), graph(images))


def test_networks_within_networks():
    backbone = with_statistics(load_backbone("mobilenet_v2", weights="random:0"))
    head = HashHead(backbone.dim, bits=16, classes=3)
    model = HashModel(DHCNN(backbone, head).eval().requires_grad_(False), ("a", "b", "c"), {})
    for whole in (all_turns(backbone), averaged(backbone, turns=True, sizes=(64, 96)), model.as_backbone()):
        assert normalisations(folded(whole)) == 0 < normalisations(whole)
    plain = load_backbone("cnn-f", "pool5", weights="random:0", width=0.1)
    assert folded(plain) is plain
    assert folded(nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)).eval())[1].num_features == 4


def test_the_run_says_so_and_another_is_told():
    scenes = [(np.full((32, 32, 3), grey, np.uint8), 0) for grey in (0, 90, 200, 255)]
    backbone = with_statistics(small_network("mobilenet_v2"))
    found = encode(scenes, backbone, workers=0, device="cpu")
    made = found.provenance["extraction"]
    assert made["folded"] is True
    assert "folded" not in Run(small_network(), torch.device("cpu"), "float32", 4).describe()
    assert encode_like(found, scenes, backbone).notes == ()
    older = {key: value for key, value in made.items() if key != "folded"}
    found.provenance["extraction"] = older
    note = encode_like(found, scenes, backbone).notes[-1]
    assert "another folding of batch normalisation (False, now True)" in note
