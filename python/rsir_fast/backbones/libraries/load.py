"""From ``LIBRARY:NAME`` and a weight file to a `Backbone`."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from rsir_fast.backbones.backbone import Backbone
from rsir_fast.backbones.libraries.built import Built, trained, untrained
from rsir_fast.base.libraries import LIBRARIES, library_of

__all__ = ["empty_of_library", "load_of_library"]


def load_of_library(name: str, layer: str, weights: str | os.PathLike[str] | None) -> Backbone:
    """Load another library's network; arguments as for `rsir_fast.backbones.load_backbone`.

    Raises
    ------
    ImportError
        If the library is not installed.
    ValueError
        Unknown model or layer; the message lists close names.
    WeightFileError
        Weights missing, damaged, unsafe or of another network.
    """
    build = _builder(name, layer)
    if isinstance(weights, str) and weights.startswith("random:"):
        return untrained(build, weights)
    return trained(build, weights)


def empty_of_library(name: str, layer: str) -> nn.Module:
    """Build a network whose weights somebody else brings."""
    with torch.random.fork_rng(devices=[]):
        return _builder(name, layer)().features


def _builder(name: str, layer: str) -> Callable[[], Built]:
    library, model = library_of(name)
    known = LIBRARIES[library]
    if known.version is None:
        raise ImportError(
            f"{name} needs {known.package}, which is not installed; install it with: pip install 'rsir-fast[{library}]'"
        )
    if layer != known.layer:
        raise ValueError(f"encoder: expected the layer {known.layer!r}, the only one of {known.what}, got {layer!r}")
    if library == "timm":
        from rsir_fast.backbones.libraries.timm import build
    elif library == "open_clip":
        from rsir_fast.backbones.libraries.open_clip import build
    else:
        from rsir_fast.backbones.libraries.torchgeo import build
    return partial(build, model)
