"""Histogram of oriented gradients over a whole scene."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rsir_fast.descriptors.descriptor import Descriptor, grey

__all__ = ["OrientedGradients"]

_CLIP = 0.2
_SMALL = 1e-3


@dataclass
class OrientedGradients(Descriptor):
    """Histogram of oriented gradients after Dalal and Triggs 2005, over a grid that spans the image, whatever its size.

    The pixels are shared out among ``cells x cells`` equal cells and not resized. Blocks of 2 x 2 cells, overlapping by
    one, are normalised by their Euclidean length, clipped at 0.2 and normalised again. An image of one colour has the
    zero vector.

    Parameters
    ----------
    cells
        Cells a side, at least 2.
    orientations
        Bins over half a turn.

    Notes
    -----
    Dalal N., Triggs B. (2005), Histograms of oriented gradients for human detection, CVPR. Without their interpolation
    between neighbouring cells; the grid follows the image in place of a window of fixed size. Not invariant under
    turns: it says where in the scene which directions are. O(pixels + length).

    Examples
    --------
    >>> OrientedGradients().describe(Image.linear_gradient("L")).shape
    (1764,)
    """

    cells: int = 8
    orientations: int = 9

    kind: ClassVar[str] = "hog"

    def __post_init__(self) -> None:
        if self.cells < 2 or self.orientations < 1:
            raise ValueError(
                f"expected at least 2 cells and 1 orientation, got cells={self.cells}, orientations={self.orientations}"
            )

    @property
    def name(self) -> str:
        """Name for file names and the command line."""
        return self.kind

    @property
    def title(self) -> str:
        """Name for readers."""
        return f"HOG-{self.dim} (ours)"

    @property
    def layer(self) -> str:
        """What the values are."""
        return "oriented gradients"

    @property
    def dim(self) -> int:
        """Four cells a block, for each orientation."""
        return (self.cells - 1) ** 2 * 4 * self.orientations

    @property
    def choices(self) -> dict[str, Any]:
        """Every choice that decides the values."""
        return {
            "colour": "grey, ITU-R 601-2 luma, 8 bits",
            "gradient": "differences of the two neighbours, edge pixels repeated",
            "cells": f"{self.cells} x {self.cells} over the whole image, no interpolation between them",
            "orientations": f"{self.orientations} over 180 degrees, linear interpolation, weighted by magnitude",
            "blocks": f"2 x 2 cells, L2, clipped at {_CLIP}, L2",
        }

    def describe(self, image: Image.Image) -> NDArray[np.float32]:
        """Return the normalised blocks, row by row."""
        padded = np.pad(grey(image).astype(np.float64), 1, mode="edge")
        dx = padded[1:-1, 2:] - padded[1:-1, :-2]
        dy = padded[2:, 1:-1] - padded[:-2, 1:-1]
        height, width = dx.shape
        place = np.arctan2(dy, dx) / np.pi % 1.0 * self.orientations - 0.5
        low = np.floor(place)
        share = place - low
        magnitude = np.hypot(dx, dy)
        cell = (np.arange(height) * self.cells // height)[:, None] * self.cells
        cell = cell + np.arange(width) * self.cells // width  # [H, W]
        bins = cell * self.orientations
        votes = np.zeros(self.cells**2 * self.orientations)
        for which, weight in ((low, magnitude * (1 - share)), (low + 1, magnitude * share)):
            index = bins + which.astype(np.int64) % self.orientations
            votes += np.bincount(index.ravel(), weights=weight.ravel(), minlength=len(votes))
        area = np.bincount(cell.ravel(), minlength=self.cells**2)
        grid = (votes.reshape(-1, self.orientations) / np.maximum(area, 1)[:, None]).reshape(self.cells, self.cells, -1)
        blocks = np.concatenate([grid[:-1, :-1], grid[:-1, 1:], grid[1:, :-1], grid[1:, 1:]], axis=2)
        clipped = np.minimum(_unit(blocks), _CLIP)
        return _unit(clipped).astype(np.float32).ravel()


def _unit(blocks: NDArray[np.float64]) -> NDArray[np.float64]:
    lengths: NDArray[np.float64] = np.sqrt(np.square(blocks).sum(axis=2, keepdims=True) + _SMALL**2)
    return blocks / lengths
