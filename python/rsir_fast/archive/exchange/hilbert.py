"""Places in an order in which neighbours on Earth are neighbours in the file."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["hilbert_order"]

_BITS = 16


def hilbert_order(longitude: NDArray[np.float64], latitude: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return rows along a Hilbert curve over the degrees, 65,536 cells a side; those without a place last.

    Parameters
    ----------
    longitude, latitude : array, float64 [n]
        Degrees; NaN where there is no place.

    Returns
    -------
    array, int64 [n]
        Equal cells in the order that they had.

    Examples
    --------
    >>> hilbert_order(np.array([10.0, -170.0, np.nan, 11.0]), np.array([50.0, -80.0, 0.0, 50.0])).tolist()
    [1, 0, 3, 2]
    """
    known = np.isfinite(longitude) & np.isfinite(latitude)
    side = np.int64(1 << _BITS)
    x, y = (
        np.clip(np.where(known, (degrees + half) / (2 * half), 0) * side, 0, side - 1).astype(np.int64)
        for degrees, half in ((longitude, 180.0), (latitude, 90.0))
    )
    distance = np.zeros(len(x), np.int64)
    cell = side // 2
    while cell:
        right, upper = (x & cell) > 0, (y & cell) > 0
        distance += cell * cell * ((3 * right) ^ upper)
        flipped = right & ~upper  # the lower right quarter is turned the other way
        x, y = np.where(flipped, side - 1 - x, x), np.where(flipped, side - 1 - y, y)
        x, y = np.where(upper, x, y), np.where(upper, y, x)
        cell //= 2
    distance[~known] = side * side
    return np.argsort(distance, kind="stable")
