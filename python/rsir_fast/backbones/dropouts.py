"""Where a network itself sets values to 0 by chance in training: its dropout layers."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from rsir_fast.backbones.backbone import Backbone
from rsir_fast.backbones.torchvision_nets import build_network, is_dropout, is_torchvision_cut, next_modules

__all__ = ["Dropouts", "dropouts"]

_TABLE_PLACES = ("relu6", "relu7")
"""Of the ``cnn-*`` networks, whose files have no dropout layers (Krizhevsky et al. 2012, section 4.2)."""


class Dropouts(NamedTuple):
    """Dropout of a network that is cut at a layer.

    Attributes
    ----------
    within
        Modules whose outputs it drops from, before the layer, in no order.
    after
        Whether it drops from the layer itself, before whatever comes next has weights.
    """

    within: tuple[nn.Module, ...]
    after: bool


def dropouts(backbone: Backbone) -> Dropouts:
    """Find the dropout layers of a network that act up to where it is cut, and behind that.

    Parameters
    ----------
    backbone : Backbone
        Of a module of a user's, or of another library, only what lies before the cut is known.

    Returns
    -------
    Dropouts

    Examples
    --------
    torchvision's AlexNet drops from pool5 and fc6, VGG-11 from fc6 and fc7, of which the second lies behind fc7 itself.
    SqueezeNet drops from its last feature map:

    >>> from rsir_fast.backbones import load_backbone
    >>> dropouts(load_backbone("squeezenet1_1", weights="random:0"))
    Dropouts(within=(), after=True)
    """
    network = backbone.network
    named = dict(network.named_children())
    if _TABLE_PLACES[0] in named and isinstance(network, nn.Sequential):
        last = list(named)[-1]
        places = [name for name in _TABLE_PLACES if name in named]
        return Dropouts(tuple(named[name] for name in places if name != last), last in places)
    within = tuple(module for module in network.modules() if is_dropout(module))
    if not is_torchvision_cut(network):
        return Dropouts(within, False)
    with torch.device("meta"):
        whole = build_network(backbone.name, backbone.preprocessing.input_size)
    return Dropouts(within, any(map(is_dropout, next_modules(whole, backbone.name, backbone.layer))))
