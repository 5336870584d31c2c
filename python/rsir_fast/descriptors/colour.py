"""Colour histogram."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rsir_fast.descriptors.descriptor import Descriptor

__all__ = ["ColourHistogram"]


@dataclass
class ColourHistogram(Descriptor):
    """Joint histogram of the three colours after Swain and Ballard 1991, as shares of the pixels.

    Invariant, to the last bit, under any rearrangement of the pixels: turns and reflections among them.

    Parameters
    ----------
    bins
        Equal parts of each channel, 1 to 256; the length is their cube.

    Notes
    -----
    Swain M. J., Ballard D. H. (1991), Color indexing, IJCV 7(1), 11-32. RGB in place of their opponent axes. O(pixels).

    Examples
    --------
    >>> ColourHistogram(bins=2).describe(Image.new("RGB", (3, 3), (255, 0, 0))).tolist()
    [0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]
    """

    bins: int = 8

    kind: ClassVar[str] = "colour-histogram"

    def __post_init__(self) -> None:
        if not 1 <= self.bins <= 256:
            raise ValueError(f"bins: expected 1 to 256, got {self.bins}")

    @property
    def name(self) -> str:
        """Name for file names and the command line."""
        return self.kind

    @property
    def title(self) -> str:
        """Name for readers."""
        return f"RGB histogram-{self.dim} (ours)"

    @property
    def layer(self) -> str:
        """What the values are."""
        return "colours"

    @property
    def dim(self) -> int:
        """Cube of the number of bins."""
        return self.bins**3

    @property
    def choices(self) -> dict[str, Any]:
        """Every choice that decides the values."""
        return {"colour": "RGB, 8 bits", "bins": f"{self.bins} a channel, joint", "values": "shares of the pixels (L1)"}

    def describe(self, image: Image.Image) -> NDArray[np.float32]:
        """Return the share of the pixels in each bin, red slowest."""
        pixels = np.asarray(image.convert("RGB")).astype(np.int64) * self.bins // 256  # [H, W, 3]
        bins = (pixels[..., 0] * self.bins + pixels[..., 1]) * self.bins + pixels[..., 2]
        return (np.bincount(bins.ravel(), minlength=self.dim) / bins.size).astype(np.float32)
