"""Several layers of one of the paper's networks by one forward pass."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rsir_fast.backbones.backbone import Backbone
from rsir_fast.backbones.caffenets import NETWORKS, TABLE_LAYERS

__all__ = ["every_layer"]

_ENDS = {"flatten": "pool5", "relu6": "fc6", "relu7": "fc7"}
"""The module whose output is a layer of the paper."""


def every_layer(backbone: Backbone, layers: Sequence[str] | None = None) -> Backbone:
    """Return a backbone whose features are those of pool5, fc6 and fc7, up to its own layer, one after the other.

    Parameters
    ----------
    backbone : Backbone
        A ``cnn-*`` network; shares it with what is returned.
    layers : sequence of str, optional
        Only these, in the order of the network, up to its own layer.

    Returns
    -------
    Backbone
        Its provenance has ``layers``: name and dimension of each, in order; each layer's values have the bits of a
        backbone cut there. `backbone` itself if it is cut at ``pool5``.

    Raises
    ------
    ValueError
        For a network without these layers.

    Notes
    -----
    One forward pass an image in place of one a layer.

    Examples
    --------
    >>> from rsir_fast.backbones import load_backbone
    >>> every_layer(load_backbone("cnn-f", "fc6", "random:0")).provenance["layers"]
    [['pool5', 9216], ['fc6', 4096]]
    """
    if backbone.name not in NETWORKS or not isinstance(backbone.network, nn.Sequential):
        raise ValueError(f"expected a plain cnn-* network, which has pool5, fc6 and fc7, got {backbone.name}")
    if backbone.layer == TABLE_LAYERS[0]:
        return backbone
    network = NETWORKS[backbone.name].scaled(float(str(backbone.provenance.get("width", 1))))
    names = TABLE_LAYERS[: TABLE_LAYERS.index(backbone.layer) + 1]
    if layers is not None:
        chosen = tuple(name for name in names if name in layers)
        if chosen != tuple(layers):
            raise ValueError(f"layers: expected some of {', '.join(names)}, in this order, got {', '.join(layers)}")
        names = chosen
    dims = [[name, network.dim(name)] for name in names]
    whole = copy.copy(backbone)
    whole._modules = {"network": _Layers(backbone.network, names)}
    whole.layer, whole.dim = "+".join(names), sum(network.dim(name) for name in names)
    whole.provenance = {**backbone.provenance, "layer": whole.layer, "dim": whole.dim, "layers": dims}
    return whole


class _Layers(nn.Module):
    """The outputs of all layers, [n, sum of dims]."""

    def __init__(self, network: nn.Sequential, names: Sequence[str]) -> None:
        super().__init__()
        self.network = network
        self.names = tuple(names)

    def forward(self, values: Tensor) -> Tensor:
        found = []
        for name, module in self.network.named_children():
            values = module(values)
            if _ENDS.get(name) in self.names:
                found.append(values)
        return torch.cat(found, dim=1)
