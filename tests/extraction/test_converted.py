"""Weights converted once give the bits that autocast gives by converting them in every pass."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from rsir_fast.backbones import averaged, folded, load_backbone
from rsir_fast.extraction.engines.converted import converted

NETWORKS = [
    ("mobilenet_v2", {}, 1.0),
    ("resnet18", {}, 1.0),
    ("densenet121", {}, 1.0),
    ("swin_t", {}, 0.1),  # whose blocks look at most weights themselves
    ("cnn-f", {"layer": "fc6", "width": 0.1}, 1.0),
]
"""And the share of layers that are converted."""


def kept(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: each.clone() for name, each in network.state_dict().items()}


@pytest.mark.parametrize(("name", "settings", "share"), NETWORKS, ids=[each[0] for each in NETWORKS])
@pytest.mark.parametrize("of_sizes", [False, True])
def test_the_same_bits(name, settings, share, of_sizes):
    backbone = load_backbone(name, weights="random:0", **settings)
    if of_sizes and name in ("swin_t", "cnn-f"):
        pytest.skip("one size only")
    if of_sizes:
        backbone = averaged(backbone, turns=True, sizes=[32, 64])
    elif name not in ("swin_t", "cnn-f"):
        backbone.preprocessing = replace(backbone.preprocessing, input_size=64)
    network = folded(backbone)
    before = kept(network)
    images = torch.rand(2, *backbone.preprocessing.shape, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        expected = network(images)
        made = converted(network, torch.bfloat16)
        assert torch.equal(made(images), expected)
        assert torch.equal(network(images), expected)
    layers = [part for part in made.modules() if type(part) in (nn.Conv2d, nn.Linear)]
    assert sum(part.weight.dtype is torch.bfloat16 for part in layers) >= len(layers) * share
    assert all(
        torch.equal(each, before[key]) and each.dtype == before[key].dtype for key, each in kept(network).items()
    )


class Looks(nn.Module):
    """Computes with a layer's weights by itself, in float32."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return self.layer(values) * self.layer.weight.float().sum()


def test_a_module_that_may_look_at_weights_is_left_alone():
    module = Looks().eval()
    assert converted(module, torch.bfloat16) is module
    sequence = nn.Sequential(nn.Linear(3, 3), module).eval()
    made = converted(sequence, torch.bfloat16)
    assert (made[0].weight.dtype, made[1]) == (torch.bfloat16, module)
    assert sequence[0].weight.dtype is torch.float32
