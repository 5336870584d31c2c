"""Images turned and mirrored: overhead scenes have no up, so each is eight images to learn from."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from rsir_fast.backbones.backbone import Backbone

__all__ = ["TURNS", "all_turns", "turned"]

TURNS = 8
"""Turns by right angles, each plain and mirrored: the symmetries of a square."""


def turned(images: Tensor, turn: int) -> Tensor:
    """Turn square images by ``turn % 4`` right angles, then mirror those of turns 4 and more.

    Parameters
    ----------
    images : Tensor [..., s, s]
    turn : int
        0 to 7; 0 leaves them as they are.

    Returns
    -------
    Tensor [..., s, s]

    Examples
    --------
    >>> turned(torch.tensor([[1, 2], [3, 4]]), 1).tolist(), turned(torch.tensor([[1, 2], [3, 4]]), 4).tolist()
    ([[2, 4], [1, 3]], [[2, 1], [4, 3]])
    """
    moved = torch.rot90(images, turn % 4, (-2, -1)) if turn % 4 else images
    return moved.flip(-1) if turn >= 4 else moved


def all_turns(backbone: Backbone) -> Backbone:
    """Return a backbone whose features are those of every image's eight turns, one after the other.

    Parameters
    ----------
    backbone : Backbone
        Shares its network with what is returned.

    Returns
    -------
    Backbone
        Of dimension ``8 * dim``; the first ``dim`` values are the features of `backbone`, bit for bit. Its provenance
        has ``turns``.

    Notes
    -----
    Eight forward passes an image; it is decoded once.

    Examples
    --------
    >>> from rsir_fast.backbones import load_backbone
    >>> all_turns(load_backbone("squeezenet1_1", weights="random:0")).dim
    4096
    """
    whole = copy.copy(backbone)
    whole._modules = {"network": _Turning(backbone)}
    whole.dim = TURNS * backbone.dim
    whole.provenance = {**backbone.provenance, "dim": whole.dim, "turns": TURNS}
    return whole


class _Turning(nn.Module):
    """The features of all turns, [n, 8 dim]."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone
        # A mean image stays where it is while the pixels are turned.
        mean, steps = backbone.preprocessing.mean_image, backbone.preprocessing
        offset = None if mean is None else torch.from_numpy(mean / torch.tensor(steps.std).view(-1, 1, 1).numpy())
        self.register_buffer("offset", offset, persistent=False)

    offset: Tensor | None

    def forward(self, values: Tensor) -> Tensor:
        return torch.cat([self.backbone(self._turned(values, turn)) for turn in range(TURNS)], dim=1)

    def _turned(self, values: Tensor, turn: int) -> Tensor:
        if turn == 0:
            return values
        pixels = values if self.offset is None else values + self.offset
        moved = turned(pixels, turn)
        moved = moved if self.offset is None else moved - self.offset
        return moved.contiguous(memory_format=torch.channels_last)
