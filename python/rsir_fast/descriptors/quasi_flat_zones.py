"""The quasi-flat-zone scale space of an image, and its power spectra."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from rsir_fast.descriptors.descriptor import require

__all__ = ["scale_space", "spectra"]

_FULL = np.log1p(127.5**2)
"""Of an image half black, half white: no image of 8 bits has more energy."""
_NOTHING = 1e-9
"""Energy below this is rounding."""
_LOWEST = 1 / 256


def scale_space(pixels: NDArray[np.uint8], alphas: Sequence[int]) -> Iterator[NDArray[np.float64]]:
    """Yield the image with each quasi-flat zone filled with its mean, for each step.

    A quasi-flat zone of step alpha holds the pixels that a path of 4-neighbours joins, none of whose steps in grey
    value is larger than alpha. One tree (alpha-tree) holds the zones of every alpha.

    Parameters
    ----------
    pixels
        Uint8 [H, W], not empty.
    alphas
        Steps.

    Yields
    ------
    ndarray
        Float64 [H, W].

    Raises
    ------
    ImportError
        If higra is missing.

    Notes
    -----
    Soille P. (2008), Constrained connectivity for hierarchical image partitioning and simplification, IEEE TPAMI 30(7).
    O(pixels log pixels).

    Examples
    --------
    >>> row = np.array([[0, 1, 2, 9]], np.uint8)
    >>> [image.tolist() for image in scale_space(row, (0, 1, 7))]
    [[[0.0, 1.0, 2.0, 9.0]], [[1.0, 1.0, 1.0, 9.0]], [[3.0, 3.0, 3.0, 3.0]]]
    """
    higra = require("higra")
    values = pixels.astype(np.float64)
    if pixels.size == 1:
        yield from (values for _ in alphas)
        return
    graph = higra.get_4_adjacency_graph(pixels.shape)
    steps = higra.weight_graph(graph, values, higra.WeightFunction.L1)
    tree, altitudes = higra.quasi_flat_zone_hierarchy(graph, steps)
    for alpha in alphas:
        zones = np.asarray(higra.labelisation_horizontal_cut_from_threshold(tree, altitudes, alpha)).ravel()
        sums = np.bincount(zones, weights=values.ravel())
        yield (sums / np.maximum(np.bincount(zones), 1))[zones].reshape(pixels.shape)


def spectra(
    pixels: NDArray[np.uint8], alphas: Sequence[int], rings: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where the energy of the power spectra lies: at which scales, and at which frequencies.

    Both are of the spectra without their means, as log(1 + energy) / log(1 + 127.5^2), 0 to 1.

    Parameters
    ----------
    pixels
        Uint8 [H, W], not empty.
    alphas
        Steps of the scales.
    rings
        Parts of the frequencies, of equal ratio, from 1/256 to 1/sqrt(2) cycles a pixel; lower ones join the first.

    Returns
    -------
    by_scale : ndarray
        Float64 [scales]: energy of all frequencies, which is the variance of the simplified image.
    by_frequency : ndarray
        Float64 [rings]: mean of the scales.

    Notes
    -----
    A fast Fourier transform for each scale.

    Examples
    --------
    >>> by_scale, by_frequency = spectra(np.tile(np.array([0, 255], np.uint8), (4, 2)), (0, 255), 2)
    >>> by_scale.tolist(), by_frequency.tolist()
    ([1.0, 0.0], [0.0, 0.5])
    """
    height, width = pixels.shape
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None, :]
    frequency = np.sqrt(fy * fy + fx * fx)
    edges = np.geomspace(_LOWEST, np.sqrt(0.5), rings + 1)[1:-1]
    ring = np.searchsorted(edges, frequency.ravel(), side="right")
    energy = np.zeros((len(alphas), rings))
    for scale, image in enumerate(scale_space(pixels, alphas)):
        power = np.square(np.abs(np.fft.fft2(image - image.mean()))) / image.size**2
        power[0, 0] = 0.0
        energy[scale] = np.bincount(ring, weights=power.ravel(), minlength=rings)
    energy[energy < _NOTHING] = 0.0
    by_scale, by_ring = np.log1p(energy.sum(axis=1)) / _FULL, np.log1p(energy) / _FULL
    return np.clip(by_scale, 0.0, 1.0), np.clip(by_ring.mean(axis=0), 0.0, 1.0)
