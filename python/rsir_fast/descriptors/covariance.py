"""Morphological covariance with structuring elements that have no direction: circles, and triplets in all turns."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["circular_covariance_histogram", "point_triplets"]

Offsets = tuple[tuple[int, int], ...]


def circular_covariance_histogram(pixels: NDArray[np.uint8], radii: int) -> NDArray[np.float64]:
    """Return the share of the pixels that respond most to the circle of each radius.

    A pixel's response to a radius is the difference of its dilation and its erosion by the circle of that radius, a
    ring one pixel wide; the radius at which it grows most is the pixel's. So the histogram tells how far it is, from
    the pixels of a scene, to where it changes.

    Parameters
    ----------
    pixels
        Uint8 [H, W], not empty.
    radii
        Largest radius; all from 1 on are used.

    Returns
    -------
    ndarray
        Float64 [radii], each at least 0; the sum is at most 1: pixels that do not respond at all count nowhere, so an
        image of one colour gives zeros.

    Notes
    -----
    O(pixels x radii^2).

    Examples
    --------
    >>> square = np.zeros((9, 9), np.uint8)
    >>> square[4, 4] = 255
    >>> (circular_covariance_histogram(square, 2) * 81).tolist()
    [8.0, 12.0]
    """
    shift = _Shift(pixels, radii)
    best = np.zeros(pixels.shape, np.int16)
    radius_of = np.zeros(pixels.shape, np.int64)
    before = np.zeros(pixels.shape, np.int16)
    for radius in range(1, radii + 1):
        ring = _ring(radius)
        high, low = shift(*ring[0]).copy(), shift(*ring[0]).copy()
        for y, x in ring[1:]:
            part = shift(y, x)
            np.maximum(high, part, out=high)
            np.minimum(low, part, out=low)
        response = high.astype(np.int16) - low
        growth = response - before
        before = response
        radius_of[growth > best] = radius
        np.maximum(best, growth, out=best)
    return np.bincount(radius_of.ravel(), minlength=radii + 1)[1:] / pixels.size


def point_triplets(pixels: NDArray[np.uint8], radii: int, orientations: int) -> NDArray[np.float64]:
    """Return the rotation-invariant covariance of point triplets at each distance.

    The structuring element is a point and two more at the same distance, a quarter turn apart. Of the erosions by its
    turns the largest is taken at each pixel, and their sum over the image is divided by the image's own.

    Parameters
    ----------
    pixels
        Uint8 [H, W], not empty.
    radii
        Largest distance; all from 1 on are used.
    orientations
        Turns, a multiple of 4.

    Returns
    -------
    ndarray
        Float64 [radii], 0 to 1; 1 for an image of one colour, black included.

    Notes
    -----
    O(pixels x radii x orientations).

    Examples
    --------
    >>> point_triplets(np.full((4, 4), 9, np.uint8), 3, 8).tolist()
    [1.0, 1.0, 1.0]
    """
    shift = _Shift(pixels, radii)
    total = int(pixels.sum(dtype=np.int64))
    if total == 0:
        return np.ones(radii)
    left = np.empty(radii)
    for radius in range(1, radii + 1):
        turns = _turns(radius, orientations)
        largest = np.zeros_like(pixels)
        for turn, (y, x) in enumerate(turns):
            other = turns[(turn + orientations // 4) % orientations]
            np.maximum(largest, np.minimum(np.minimum(shift(y, x), shift(*other)), pixels), out=largest)
        left[radius - 1] = int(largest.sum(dtype=np.int64)) / total
    return left


class _Shift:
    """An image moved by (y, x), continued by reflection."""

    def __init__(self, pixels: NDArray[np.uint8], reach: int) -> None:
        self._height, self._width = pixels.shape
        self._reach = reach
        self._padded = np.pad(pixels, reach, mode="symmetric")

    def __call__(self, y: int, x: int) -> NDArray[np.uint8]:
        top, left = self._reach + y, self._reach + x
        return self._padded[top : top + self._height, left : left + self._width]


@lru_cache(maxsize=256)
def _ring(radius: int) -> Offsets:
    """Return the pixels whose distance from the centre rounds to `radius`."""
    reach = range(-radius, radius + 1)
    return tuple(
        (y, x) for y in reach for x in reach if (2 * radius - 1) ** 2 <= 4 * (y * y + x * x) < (2 * radius + 1) ** 2
    )


@lru_cache(maxsize=256)
def _turns(radius: int, orientations: int) -> Offsets:
    """Return the pixels at `radius` in each direction; those of the later quarters are the first turned."""
    angles = 2 * np.pi * np.arange(orientations // 4) / orientations
    ys, xs = np.rint(radius * np.sin(angles)), np.rint(radius * np.cos(angles))
    quarter = [(int(y), int(x)) for y, x in zip(ys, xs, strict=True)]
    turned = list(quarter)
    for _ in range(3):
        quarter = [(x, -y) for y, x in quarter]
        turned += quarter
    return tuple(turned)
