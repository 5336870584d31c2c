"""Global morphological texture in 62 values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rsir_fast.descriptors.covariance import circular_covariance_histogram, point_triplets
from rsir_fast.descriptors.descriptor import Descriptor, grey
from rsir_fast.descriptors.quasi_flat_zones import spectra

__all__ = ["MorphologicalTexture"]


@dataclass
class MorphologicalTexture(Descriptor):
    """Global morphological texture after Aptoula 2014: 62 values for a scene of any size.

    Four parts: the circular covariance histogram (20 values), rotation-invariant point triplets (20), and two
    descriptors of the Fourier power spectrum of the quasi-flat-zone scale space (11 each): how much energy there is at
    each scale, and at each frequency. Each value is between 0 and 1. Ours after the published idea, not its
    published parameters: `choices` has what we chose, `unverified` what we could not check.

    Parameters
    ----------
    radii
        Largest radius of circles and triplets, in pixels; all from 1 on are used.
    orientations
        Turns of a triplet, a multiple of 4.
    alphas
        Largest step between neighbouring pixels of one quasi-flat zone, for each scale.
    rings
        Parts of the frequencies.

    Notes
    -----
    Aptoula E. (2014), Remote sensing image retrieval with global morphological texture descriptors, IEEE TGRS 52(5),
    3023-3034; Aptoula E. (2012), Extending morphological covariance, Pattern Recognition 45. Invariant under quarter
    turns and reflections: the first two parts to the last bit, the spectra to rounding. The values differ in spread:
    normalise them over the database (``normalize="feature"``) before distances are taken. O(pixels (radii^2 + radii
    orientations)) and a fast Fourier transform for each scale. An image takes
    some 300 bytes a pixel, most of them for its tree: cut large scenes into tiles.

    Examples
    --------
    >>> vector = MorphologicalTexture().describe(Image.linear_gradient("L"))
    >>> vector.shape, bool((vector >= 0).all() and (vector <= 1).all())
    ((62,), True)
    """

    radii: int = 20
    orientations: int = 16
    alphas: tuple[int, ...] = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
    rings: int = 11

    kind: ClassVar[str] = "morphological"
    packages: ClassVar[dict[str, str]] = {"higra": "higra"}

    def __post_init__(self) -> None:
        self.alphas = tuple(int(alpha) for alpha in self.alphas)
        if self.radii < 1 or self.rings < 1:
            raise ValueError(f"expected at least 1 radius and 1 ring, got radii={self.radii}, rings={self.rings}")
        if self.orientations < 4 or self.orientations % 4:
            raise ValueError(f"orientations: expected a multiple of 4, got {self.orientations}")

    @property
    def name(self) -> str:
        """``morphological-62``."""
        return f"morphological-{self.dim}"

    @property
    def title(self) -> str:
        """``morphological-62 (ours)``."""
        return f"{self.name} (ours)"

    @property
    def layer(self) -> str:
        """The four parts, as the article abbreviates them."""
        return "CCH+RIT+FPS1+FPS2"

    @property
    def dim(self) -> int:
        """Two values a radius, one a scale, one a ring."""
        return 2 * self.radii + len(self.alphas) + self.rings

    @property
    def choices(self) -> dict[str, Any]:
        """Every choice that decides the values."""
        return {
            "colour": "grey, ITU-R 601-2 luma, 8 bits",
            "border": "continued by reflection",
            "CCH": f"share of the pixels whose difference of dilation and erosion by the circle of radius r grows most "
            f"at r = 1 to {self.radii}; the first of several; pixels without any difference count nowhere",
            "RIT": f"sum of the erosion by a point and two others r away, a quarter turn apart, largest of "
            f"{self.orientations} turns at each pixel, divided by the sum of the image, r = 1 to {self.radii}",
            "scale space": "quasi-flat zones, 4-connected, each filled with its mean, at steps of at most "
            + ", ".join(map(str, self.alphas)),
            "FPS1": "energy of each scale's power spectrum, without the mean: log(1 + energy) / log(1 + 127.5^2)",
            "FPS2": f"the same in {self.rings} rings of frequencies of equal ratio, 1/256 to 1/sqrt(2) cycles a pixel, "
            "mean of the scales",
            "parts": "side by side, not weighted; of different spread, so normalise over the database (feature)",
        }

    @property
    def unverified(self) -> tuple[str, ...]:
        """What we could not check against the articles, which we had no access to."""
        return (
            "split of the 62 values over the four parts (20, 20, 11, 11)",
            "radii, angle and orientations of circles and triplets",
            "what the histogram of the circular covariance counts",
            "how orientations are joined",
            "definition and steps of the quasi-flat zones",
            "what is taken from the power spectrum",
            "weights of the parts and distance",
        )

    def describe(self, image: Image.Image) -> NDArray[np.float32]:
        """Return the four parts, one after the other."""
        pixels = grey(image)
        parts = (
            circular_covariance_histogram(pixels, self.radii),
            point_triplets(pixels, self.radii, self.orientations),
            *spectra(pixels, self.alphas, self.rings),
        )
        return np.concatenate(parts).astype(np.float32)
