"""Batch normalisation folded into the convolutions before it: the same function, with less to compute."""

from __future__ import annotations

import copy

from torch import fx, nn
from torch.fx.experimental.optimization import fuse

__all__ = ["folded"]


def folded(module: nn.Module) -> nn.Module:
    """Return a network with every batch normalisation that follows a convolution made part of it.

    A convolution whose own output is asked for, or used twice, stays as it is, so that every layer keeps its meaning.

    Parameters
    ----------
    module : nn.Module
        In eval mode; stays as it is, and shares what is not folded with what is returned. Folded are the networks that
        are built here, whose graph is known; a module of another's is taken as it is.

    Returns
    -------
    nn.Module
        `module` itself where there is nothing to fold. Its values differ in last bits, by rounding.

    Examples
    --------
    >>> from rsir_fast.backbones import load_backbone
    >>> backbone = load_backbone("mobilenet_v2", weights="random:0")
    >>> [sum(isinstance(part, nn.BatchNorm2d) for part in each.modules()) for each in (backbone, folded(backbone))]
    [52, 0]
    """
    if isinstance(module, fx.GraphModule):
        if not any(isinstance(part, nn.BatchNorm2d) for part in module.modules()):
            return module
        # A graph of its own, so that convolutions are replaced there and not in the network given.
        return fuse(fx.GraphModule(module, module.graph).eval(), inplace=True).eval()
    made = {name: None if part is None else folded(part) for name, part in module._modules.items()}
    if all(made[name] is part for name, part in module._modules.items()):
        return module
    whole = copy.copy(module)
    whole._modules = made
    return whole
