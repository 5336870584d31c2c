"""Weights converted once, as autocast converts them in every pass."""

from __future__ import annotations

import copy

import torch
from torch import fx, nn

__all__ = ["converted"]


def converted(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Return a network whose convolutions and linear layers hold weights of the type that autocast gives them.

    Parameters
    ----------
    module : nn.Module
        In eval mode; stays as it is, and shares what is not changed with what is returned. Changed are layers that do
        nothing but being called, in graphs (as of `rsir_fast.backbones.folded`) and in sequences: other modules may
        look at a layer's weights.
    dtype : torch.dtype
        Of autocast.

    Returns
    -------
    nn.Module
        Under autocast, the same bits; `module` itself where there is nothing to do.

    Examples
    --------
    >>> from rsir_fast.backbones import folded, load_backbone
    >>> network = converted(folded(load_backbone("mobilenet_v2", weights="random:0")), torch.bfloat16)
    >>> {parameter.dtype for parameter in network.parameters()}
    {torch.bfloat16}
    """
    if isinstance(module, fx.GraphModule):
        return _converted_graph(module, dtype)
    convertible = type(module) is nn.Sequential
    made = {
        name: _layer(part, dtype)
        if convertible and _is_layer(part)
        else None
        if part is None
        else converted(part, dtype)
        for name, part in module._modules.items()
    }
    if all(made[name] is part for name, part in module._modules.items()):
        return module
    whole = copy.copy(module)
    whole._modules = made
    return whole


def _converted_graph(module: fx.GraphModule, dtype: torch.dtype) -> fx.GraphModule:
    looked_at = {str(node.target) for node in module.graph.nodes if node.op == "get_attr"}
    called = {str(node.target) for node in module.graph.nodes if node.op == "call_module"}
    layers = {name: part for name, part in module.named_modules() if name in called and _is_layer(part)}
    layers = {name: part for name, part in layers.items() if not any(each.startswith(f"{name}.") for each in looked_at)}
    if not layers:
        return module
    whole = fx.GraphModule(module, copy.deepcopy(module.graph)).eval()
    for name, part in layers.items():
        whole.set_submodule(name, _layer(part, dtype))
    return whole


def _is_layer(part: nn.Module | None) -> bool:
    return type(part) in (nn.Conv2d, nn.Linear)


def _layer(part: nn.Module | None, dtype: torch.dtype) -> nn.Module:
    assert part is not None
    made = copy.copy(part)
    made._parameters = {
        name: None if each is None else nn.Parameter(each.detach().to(dtype), requires_grad=False)
        for name, each in part._parameters.items()
    }
    return made
