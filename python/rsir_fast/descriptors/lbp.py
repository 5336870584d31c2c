"""Local binary patterns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rsir_fast.descriptors.descriptor import Descriptor, grey

__all__ = ["LocalBinaryPatterns"]

_ONE = 1024
"""Positions between pixels are in fixed point, so that a flat area is exactly flat and a turn exactly a turn."""


@dataclass
class LocalBinaryPatterns(Descriptor):
    """Rotation-invariant uniform local binary patterns of several scales after Ojala et al. 2002.

    A pixel's pattern on a circle of P points: which of them are at least as bright. With at most two changes around the
    circle it counts by the number of bright points, else as one of the rest: P + 2 values a scale, as shares of the
    pixels. Invariant, to the last bit, under quarter turns and reflections of the image, and under brighter light that
    keeps the order of the grey values.

    Parameters
    ----------
    scales
        Pairs (points, radius in pixels); the points a multiple of 4.

    Notes
    -----
    Ojala T., Pietikäinen M., Mäenpää T. (2002), Multiresolution gray-scale and rotation invariant texture
    classification with local binary patterns, IEEE TPAMI 24(7), 971-987. The image is continued by reflection, so that
    an image of any size has a description. O(pixels x points).

    Examples
    --------
    >>> LocalBinaryPatterns(((8, 1),)).describe(Image.new("L", (5, 5), 7)).tolist()
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    """

    scales: tuple[tuple[int, int], ...] = ((8, 1), (16, 2), (24, 3))

    kind: ClassVar[str] = "lbp"

    def __post_init__(self) -> None:
        self.scales = tuple((int(points), int(radius)) for points, radius in self.scales)
        for points, radius in self.scales:
            if points < 4 or points % 4 or radius < 1:
                raise ValueError(
                    f"scales: expected points a multiple of 4 and a radius of at least 1, got ({points}, {radius})"
                )

    @property
    def name(self) -> str:
        """Name for file names and the command line."""
        return self.kind

    @property
    def title(self) -> str:
        """Name for readers."""
        return f"LBP-{self.dim} (ours)"

    @property
    def layer(self) -> str:
        """What the values are."""
        return "binary patterns"

    @property
    def dim(self) -> int:
        """P + 2 for each scale of P points."""
        return sum(points + 2 for points, _ in self.scales)

    @property
    def choices(self) -> dict[str, Any]:
        """Every choice that decides the values."""
        return {
            "colour": "grey, ITU-R 601-2 luma, 8 bits",
            "scales": "; ".join(f"{points} points, radius {radius}" for points, radius in self.scales),
            "patterns": "rotation-invariant uniform (riu2), bilinear interpolation in 1/1024 pixel",
            "border": "continued by reflection",
            "values": "shares of the pixels, each scale for itself (L1)",
        }

    def describe(self, image: Image.Image) -> NDArray[np.float32]:
        """Return the shares of the patterns, scale by scale."""
        pixels = grey(image).astype(np.int64)
        return np.concatenate([_shares(pixels, points, radius) for points, radius in self.scales])


def _shares(pixels: NDArray[np.int64], points: int, radius: int) -> NDArray[np.float32]:
    height, width = pixels.shape
    padded = np.pad(pixels, radius + 1, mode="symmetric")

    def shifted(y: int, x: int) -> NDArray[np.int64]:
        top, left = radius + 1 + y, radius + 1 + x
        return padded[top : top + height, left : left + width]

    bits = np.empty((points, height, width), np.bool_)
    centre = pixels * _ONE * _ONE
    for point, (y, x) in enumerate(_circle(points, radius)):
        (row, down), (column, right) = divmod(y, _ONE), divmod(x, _ONE)
        value = np.zeros_like(pixels)
        for dy, weight_y in ((0, _ONE - down), (1, down)):
            for dx, weight_x in ((0, _ONE - right), (1, right)):
                if weight_y * weight_x:
                    value += weight_y * weight_x * shifted(row + dy, column + dx)
        bits[point] = value >= centre
    changes = (bits != np.roll(bits, 1, axis=0)).sum(axis=0)
    patterns = np.where(changes <= 2, bits.sum(axis=0), points + 1)
    return (np.bincount(patterns.ravel(), minlength=points + 2) / patterns.size).astype(np.float32)


def _circle(points: int, radius: int) -> list[tuple[int, int]]:
    """Return (y, x) of the points in fixed point; those of the later quarters are the first turned."""
    angles = 2 * np.pi * np.arange(points // 4) / points
    ys, xs = np.rint(radius * _ONE * np.sin(angles)), np.rint(radius * _ONE * np.cos(angles))
    quarter = [(int(y), int(x)) for y, x in zip(ys, xs, strict=True)]
    turned = list(quarter)
    for _ in range(3):
        quarter = [(x, -y) for y, x in quarter]
        turned += quarter
    return turned
