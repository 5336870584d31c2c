"""Features averaged over an image's eight turns and over several input sizes."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from rsir_fast.backbones.backbone import Backbone
from rsir_fast.backbones.turns import TURNS, all_turns

__all__ = ["averaged"]


def averaged(backbone: Backbone, *, turns: bool = False, sizes: Sequence[int] = ()) -> Backbone:
    """Return a backbone whose features are means over an image's eight turns, over several input sizes, or both.

    An overhead scene has no up: its eight turns by right angles, plain and mirrored, are as good images of it. Objects
    come in several sizes: the network sees them larger in a larger input.

    Parameters
    ----------
    backbone : Backbone
        Shares its network with what is returned.
    turns : bool
        Mean over the eight turns.
    sizes : sequence of int
        Heights and widths of the input; empty: the network's own. The features must be as long for every size, as the
        mean over positions (``gap``) is.

    Returns
    -------
    Backbone
        Of the same dimension; its provenance has ``averaged``. `backbone` itself where there is nothing to average.

    Raises
    ------
    ValueError
        For sizes that the network cannot take, less than 32, or twice the same.

    Notes
    -----
    Eight forward passes an image for the turns; a size s costs (s / input size)^2. An image is resized to the largest
    size once; the smaller ones are made from that by an antialiased bicubic resize.

    Examples
    --------
    >>> from rsir_fast.backbones import load_backbone
    >>> averaged(load_backbone("squeezenet1_1", weights="random:0"), turns=True).dim
    512
    """
    wanted = tuple(sizes)
    if not turns and not wanted:
        return backbone
    if any(size < 32 for size in wanted) or len(set(wanted)) < len(wanted):
        raise ValueError(f"sizes: expected different sizes of at least 32, got {', '.join(map(str, wanted))}")
    if wanted:
        _check(backbone, wanted)
    whole = copy.copy(backbone)
    if wanted:
        whole.preprocessing = replace(backbone.preprocessing, input_size=max(wanted))
        whole._modules = {"network": _Sizes(backbone.network, wanted)}
    if turns:
        mean = _MeanOfTurns(all_turns(whole))
        whole = copy.copy(whole)
        whole._modules = {"network": mean}
    means = [f"{TURNS} turns"] * turns + [f"sizes {', '.join(map(str, wanted))}"] * bool(wanted)
    whole.provenance = {
        **backbone.provenance,
        "description": f"{backbone.provenance['description']}, mean over {' and '.join(means)}",
        "preprocessing": whole.preprocessing.describe(),
        "averaged": {"turns": TURNS if turns else 1, "sizes": list(wanted) or [backbone.preprocessing.input_size]},
    }
    return whole


def _check(backbone: Backbone, sizes: Sequence[int]) -> None:
    """Refuse a network whose features are not as long, or not defined, for some size."""
    if backbone.preprocessing.mean_image is not None:
        raise ValueError(f"sizes: expected none for {backbone.name}, whose mean image has one size; leave them out")
    for size in sizes:
        try:
            with torch.inference_mode():
                dim = int(
                    backbone.network(torch.zeros(1, len(backbone.preprocessing.bands), size, size)).flatten(1).shape[1]
                )
        except (RuntimeError, AssertionError) as error:
            raise ValueError(f"sizes: {backbone.name} {backbone.layer} cannot take images of {size}: {error}") from None
        if dim != backbone.dim:
            raise ValueError(
                f"sizes: expected features of {backbone.dim} values for every size, but {backbone.name} "
                f"{backbone.layer} has {dim} for {size}; average a layer such as gap"
            )


class _Sizes(nn.Module):
    """The mean over several input sizes, [n, dim], of images of the largest."""

    def __init__(self, network: nn.Module, sizes: Sequence[int]) -> None:
        super().__init__()
        self.network = network
        self.sizes = tuple(sizes)
        for size in self.sizes:
            self.register_buffer(f"filter_{size}", _filter(max(self.sizes), size), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        parts = [self.network(self._resized(images, size)).flatten(1).float() for size in self.sizes]
        return torch.stack(parts).mean(dim=0)

    def _resized(self, images: Tensor, size: int) -> Tensor:
        if size == images.shape[-1]:
            return images
        if torch.compiler.is_compiling():  # engines have products, but not all of them this filter
            rows = self.get_buffer(f"filter_{size}")
            return rows @ images @ rows.T
        resized: Tensor = functional.interpolate(images, size=(size, size), mode="bicubic", antialias=True)
        return resized


def _filter(before: int, after: int) -> Tensor:
    """Return the resize of a column as a matrix, [after, before]."""
    columns = torch.eye(before)[None, None]
    made: Tensor = functional.interpolate(columns, size=(after, before), mode="bicubic", antialias=True)
    return made[0, 0]


class _MeanOfTurns(nn.Module):
    """The mean over turns, [n, dim]."""

    def __init__(self, every: Backbone) -> None:
        super().__init__()
        self.every = every

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.every(images)
        return features.view(len(features), TURNS, -1).mean(dim=1)
