"""Where on Earth a window of a raster lies: its outline, and the box around it, in degrees (WGS 84)."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsir_fast.base.faults import is_machine_fault
from rsir_fast.datasets.windows import Place, Window

__all__ = ["POINTS", "Bounds", "bounds_of", "footprint", "footprints"]

POINTS = 21
"""Added to each edge, as `rasterio.warp.transform_bounds` does: straight in one projection is bent in another."""

Bounds = tuple[float, float, float, float]
"""West, south, east, north in degrees; west > east crosses the antimeridian."""

_DEGREES = "EPSG:4326"
_NEAR = 1e-9
"""Degrees, 0.1 mm: nearer is the same."""


def footprint(place: Place, window: Window) -> NDArray[np.float64] | None:
    """Return the outline of a window of a raster.

    Parameters
    ----------
    place : Place
        CRS and transform of the raster.
    window : Window
        In pixels.

    Returns
    -------
    ndarray of float64 or None
        [m, 2], longitude and latitude in degrees (WGS 84), the first point again at the end; from the upper left corner
        along the upper edge, with 21 points added to each edge. **Longitudes are continuous**: of a window across the
        antimeridian they go beyond 180, up to 540; the westernmost is from -180 to 180. Around a pole they go through
        360 degrees, and the outline is closed along the pole. None where a point of it is nowhere on Earth, or the
        CRS is of no place on Earth.

    Examples
    --------
    >>> north = Place("EPSG:32633", (10.0, 0.0, 500000.0, 0.0, -10.0, 5300000.0))
    >>> footprint(north, Window(0, 0, 256, 256))[0].round(6).tolist()
    [15.0, 47.853342]
    """
    return footprints(place, [window])[0]


def footprints(place: Place, windows: Sequence[Window]) -> list[NDArray[np.float64] | None]:
    """Return the outlines of several windows of one raster; see `footprint`."""
    along = np.arange(POINTS + 1) / (POINTS + 1)
    nothing, everything = np.zeros_like(along), np.ones_like(along)
    right = np.concatenate([along, everything, 1 - along, nothing, [0]])  # [m], of the width
    down = np.concatenate([nothing, along, everything, 1 - along, [0]])
    column, row, width, height = np.asarray(windows, np.float64).reshape(-1, 4, 1).transpose(1, 0, 2)
    a, b, c, d, e, f = place.transform
    columns, rows = column + right * width, row + down * height  # [n, m]
    points = _on_earth(place.crs, a * columns + b * rows + c, d * columns + e * rows + f)
    if points is None:  # one of them looks past the Earth, or all do
        return [None] if len(windows) == 1 else [footprint(place, window) for window in windows]
    return [_outline(ring, place, window) for ring, window in zip(points, windows, strict=True)]


def bounds_of(outline: NDArray[np.float64]) -> Bounds:
    """Return the box around an outline.

    Parameters
    ----------
    outline
        As of `footprint`.

    Returns
    -------
    tuple of float
        West, south, east, north in degrees; west > east where it crosses the antimeridian, -180 and 180 around a pole.

    Examples
    --------
    >>> bounds_of(np.array([[170.0, 10.0], [190.0, 10.0], [190.0, 0.0], [170.0, 0.0], [170.0, 10.0]]))
    (170.0, 0.0, -170.0, 10.0)
    """
    west, south = outline.min(axis=0).tolist()
    east, north = outline.max(axis=0).tolist()
    south, north = max(south, -90.0), min(north, 90.0)
    if east - west >= 360 - _NEAR:
        return -180.0, south, 180.0, north
    return max(west, -180.0), south, east - 360 if east > 180 + _NEAR else min(east, 180.0), north


def _on_earth(crs: str, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return longitudes and latitudes [..., 2]; not finite where there are none, None where the CRS has none at all."""
    degrees = _transformed(crs, _DEGREES, x.ravel().tolist(), y.ravel().tolist())
    return None if degrees is None else np.stack([np.reshape(values, x.shape) for values in degrees], axis=-1)


def _transformed(source: str, target: str, x: list[float], y: list[float]) -> tuple[list[float], list[float]] | None:
    from rasterio.warp import transform

    try:
        found = transform(_crs(source), _crs(target), x, y)
    except Exception as error:  # of rasterio, or GDAL's own
        if is_machine_fault(error):
            raise
        return None
    return found[0], found[1]


@functools.lru_cache(256)
def _crs(text: str) -> Any:
    from rasterio.crs import CRS

    return CRS.from_user_input(text)


def _outline(ring: NDArray[np.float64], place: Place, window: Window) -> NDArray[np.float64] | None:
    """Return a closed ring [m, 2] with continuous longitudes."""
    if not np.isfinite(ring).all():
        return None
    at_pole = np.flatnonzero(np.abs(ring[:-1, 1]) > 90 - _NEAR)
    if len(at_pole) == 1:
        # A corner, or a point of an edge, where all longitudes meet and none is given: those of its neighbours are.
        ring = np.roll(ring[:-1], -at_pole[0], axis=0)
        pole = ring[0, 1]
        ring = np.concatenate([ring[1:], ring[:1]])
        ring[:-1, 0] = np.unwrap(ring[:-1, 0], period=360)
        ring = np.concatenate([ring[:-1], [[ring[-2, 0], pole], [ring[0, 0], pole]], ring[:1]])
    else:
        ring[:, 0] = np.unwrap(ring[:, 0], period=360)
        if abs(ring[-1, 0] - ring[0, 0]) > 180:
            pole = 90.0 if _holds_north(place, window) else -90.0
            ring = np.concatenate([ring, [[ring[-1, 0], pole], [ring[0, 0], pole]], ring[:1]])
    ring[:, 0] -= 360 * np.floor((ring[:, 0].min() + 180 + _NEAR) / 360)
    return ring


def _holds_north(place: Place, window: Window) -> bool:
    """Whether the north pole is inside of a window that holds one of the two."""
    from rasterio.transform import Affine

    pole = _transformed(_DEGREES, place.crs, [0.0], [90.0])
    if pole is None:
        return False
    a, b, c, d, e, f = (~Affine(*place.transform))[:6]
    x, y = pole[0][0], pole[1][0]
    column, row = a * x + b * y + c, d * x + e * y + f
    return bool(window.column <= column <= window.right and window.row <= row <= window.bottom)
