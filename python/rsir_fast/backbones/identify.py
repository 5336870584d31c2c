"""Whose tensors these are: a weight file that does not fit the network asked for often fits another."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from rsir_fast.backbones.caffenets import NETWORKS, build_network
from rsir_fast.backbones.torchvision_nets import build_network as build_torchvision
from rsir_fast.backbones.torchvision_nets import torchvision_names
from rsir_fast.backbones.weights import is_counter

__all__ = ["Shapes", "WithoutMemory", "above", "network_of"]

Shapes = Mapping[str, tuple[int, ...]]

# In the first part of a name: modules after the last feature map, which a fine-tuned network may have otherwise.
_HEAD = re.compile(r"(?i)aux|classif|fc|heads?\b|linear|logits|project|predict|prototype")

_INITIALISES = frozenset(
    [getattr(nn.init, name) for name in ("constant_", "kaiming_normal_", "kaiming_uniform_", "normal_", "uniform_")]
    + [getattr(torch.Tensor, name) for name in ("clamp_", "erfinv_", "fill_", "normal_", "uniform_", "zero_")]
    + [torch.Tensor.add_, torch.Tensor.mul_]
)


def above(modules: Collection[str]) -> Callable[[str], bool]:
    """Return a function that tells whether a tensor belongs to the classifier above the cut.

    Parameters
    ----------
    modules : collection of str
        Names of the modules up to the cut, those without tensors (ReLU, dropout) included.

    Examples
    --------
    >>> in_head = above(["features.0", "classifier.0", "classifier.1"])
    >>> [in_head(name) for name in ("features.9.bias", "classifier.1.bias", "classifier.3.bias", "fc.weight")]
    [False, False, True, True]
    """
    last: dict[str, list[tuple[int, int, str]]] = {}
    for module in modules:
        stem, order = _order(module)
        if _HEAD.search(stem):
            last[stem] = max(last.get(stem, order), order)

    def in_head(name: str) -> bool:
        stem, order = _order(name)
        return bool(_HEAD.search(stem)) and (stem not in last or order[: len(last[stem])] > last[stem])

    return in_head


def _order(name: str) -> tuple[str, list[tuple[int, int, str]]]:
    """Return the first word of a name, and the name in parts that sort as the modules follow one another.

    >>> _order("fc6.weight")
    ('fc', [(1, 0, 'fc'), (0, 6, ''), (1, 0, 'weight')])
    """
    parts = [part for part in re.split(r"\.|(\d+)", name) if part]
    return parts[0], [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]


def network_of(shapes: Shapes, like: str = "") -> str:
    """Return the name of another network whose tensors, but for the classifier, are exactly these; empty if none is.

    Parameters
    ----------
    shapes : mapping of str to tuple of int
        By name.
    like : str
        The network asked for, which is no answer; its family is looked at first.

    Notes
    -----
    Builds every known network once, without memory for its tensors: some seconds. Only for telling an error.

    Examples
    --------
    >>> network_of({"conv1.weight": (64, 3, 11, 11), "conv1.bias": (64,)})
    ''
    """
    found = _trunk(shapes)
    if not found:
        return ""
    family = re.split(r"[\d_-]", like)[0]
    names = sorted([*NETWORKS, *torchvision_names()], key=lambda name: (name != like, not name.startswith(family)))
    first = next((name for name in names if _trunk_of(name) == found), "")
    return "" if first == like else first


def _trunk(shapes: Shapes) -> dict[str, tuple[int, ...]]:
    return {
        name: tuple(shape)
        for name, shape in shapes.items()
        if not (_HEAD.search(name.partition(".")[0]) or is_counter(name))
    }


@functools.cache
def _trunk_of(name: str) -> dict[str, tuple[int, ...]]:
    with WithoutMemory():
        model = build_network(NETWORKS[name], "pool5") if name in NETWORKS else build_torchvision(name)
    return _trunk({key: tuple(tensor.shape) for key, tensor in model.state_dict().items()})


class WithoutMemory(TorchFunctionMode):
    """Parameters on the meta device; what networks compute while they are built (widths of a RegNet) is computed.

    To initialise them would change nothing, and take most of the time.
    """

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function in _INITIALISES:
            tensor = args[0] if args else kwargs["tensor"]
            if tensor.is_meta:
                return tensor
        elif function is torch.empty:
            kwargs = {**(kwargs or {}), "device": "meta"}
        return function(*args, **(kwargs or {}))
