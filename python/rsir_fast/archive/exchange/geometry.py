"""Outlines of imported items: from WKB in whatever CRS to WKB and boxes in degrees (WGS 84). Needs shapely."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsir_fast.base.faults import is_machine_fault

__all__ = ["Outlines", "check_crs", "outlines", "points"]

_DEGREES = "EPSG:4326"


@dataclass(frozen=True)
class Outlines:
    """Where items are.

    Attributes
    ----------
    wkb : list of bytes or None
        In degrees, longitude first; None where there is none.
    bounds : array, float64 [n, 4]
        West, south, east, north; NaN where there are none, west > east across the antimeridian.
    doubt : str
        Why the file's places are not believed, all of them; empty if they are.
    """

    wkb: list[bytes | None]
    bounds: NDArray[np.float64]
    doubt: str = ""

    def box(self, row: int) -> tuple[float, float, float, float] | None:
        """Return the bounds of an item; None where there are none."""
        west, south, east, north = self.bounds[row].tolist()
        return None if math.isnan(west) else (west, south, east, north)


def points(longitude: NDArray[np.float64], latitude: NDArray[np.float64]) -> Outlines:
    """Return places that are known as points; NaN where there is none."""
    import shapely

    known = (np.abs(longitude) <= 180) & (np.abs(latitude) <= 90)
    places = shapely.points(longitude, latitude)
    places[~known] = None
    box = np.stack([longitude, latitude, longitude, latitude], axis=1)
    outside = np.isfinite(longitude) & np.isfinite(latitude) & ~known
    doubt = f"{outside.sum()} places are not in degrees" if outside.any() else ""
    return Outlines(_wkb(places), np.where(known[:, None], box, np.nan), doubt)


def outlines(wkb: Sequence[bytes | None], crs: Any) -> Outlines:
    """Return the outlines of geometries.

    Parameters
    ----------
    wkb
        One an item.
    crs
        What `rasterio.crs.CRS.from_user_input` takes; None: degrees, as GeoParquet means it.
    """
    import shapely
    from rasterio.crs import CRS

    shapes = shapely.from_wkb(np.array([*wkb, None], object)[:-1], on_invalid="ignore")
    stated = CRS.from_user_input(_DEGREES if crs is None else crs)
    box = shapely.bounds(shapes)
    there = np.isfinite(box).all(axis=1)
    as_degrees = bool(
        there.any() and (np.abs(box[there][:, [0, 2]]) <= 360).all() and (np.abs(box[there][:, [1, 3]]) <= 90).all()
    )
    if stated.is_geographic != as_degrees and there.any():
        (west, south), (east, north) = box[there].min(axis=0)[:2], box[there].max(axis=0)[2:]
        unit = "degrees" if as_degrees else "no degrees"
        doubt = (
            f"coordinates from {west:.6g}, {south:.6g} to {east:.6g}, {north:.6g} are {unit}, against the CRS that is "
            f"stated, {stated.to_string()[:80]}"
        )
        return Outlines([None] * len(shapes), np.full((len(shapes), 4), np.nan), doubt)
    if not _is_degrees(stated):
        shapes = _in_degrees(shapes, stated)
        box = shapely.bounds(shapes)
    box = np.where(np.isfinite(box).all(axis=1)[:, None], box, np.nan)
    for at in np.flatnonzero((box[:, 2] - box[:, 0] > 180) | (box[:, 2] > 180) | (box[:, 0] < -180)).tolist():
        box[at] = _around(shapes[at])
    known = np.isfinite(box).all(axis=1)
    shapes[~known] = None
    return Outlines(_wkb(shapes), box)


def check_crs(text: str) -> None:
    """Refuse what names no CRS.

    Raises
    ------
    ValueError
        Naming what is expected.
    """
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    try:
        CRS.from_user_input(text)
    except CRSError:
        raise ValueError(f"crs: expected a CRS such as EPSG:4326, or WKT, got {text!r}") from None


def _is_degrees(crs: Any) -> bool:
    return crs.to_authority() in (("EPSG", "4326"), ("OGC", "CRS84"))


def _in_degrees(shapes: NDArray[Any], crs: Any) -> NDArray[Any]:
    import shapely
    from rasterio.warp import transform

    def degrees(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        try:
            found = transform(crs, _DEGREES, x.tolist(), y.tolist())
        except Exception as error:  # of rasterio, or GDAL's own
            if is_machine_fault(error):
                raise
            return np.full((len(x), 2), np.nan)
        return np.stack(found, axis=1)

    return np.asarray(shapely.transform(shapes, lambda xy: degrees(xy[:, 0], xy[:, 1])))


def _around(shape: Any) -> tuple[float, float, float, float]:
    """Return the box of an outline that is wider than half of the Earth, or across the antimeridian.

    In parts on both sides of the antimeridian, as GeoJSON asks for: the box around them, which crosses it.
    """
    import shapely

    parts = shapely.bounds(shapely.get_parts(shape))
    south, north = float(parts[:, 1].min()), float(parts[:, 3].max())
    wests, easts = np.sort(parts[:, 0]), parts[:, 2][np.argsort(parts[:, 0])]
    if wests[0] >= -180 and easts.max() <= 180:
        gaps = wests[1:] - np.maximum.accumulate(easts)[:-1]
        if wests[0] <= -180 and easts.max() >= 180 and gaps.size and gaps.max() > 0:
            cut = int(gaps.argmax())
            return float(wests[cut + 1]), south, float(np.maximum.accumulate(easts)[cut]), north
        return float(wests[0]), south, float(easts.max()), north
    if easts.max() - wests[0] >= 360:
        return -180.0, south, 180.0, north
    turned = [(float(edge) + 180) % 360 - 180 for edge in (wests[0], easts.max())]
    return turned[0], south, turned[1], north


def _wkb(shapes: NDArray[Any]) -> list[bytes | None]:
    import shapely

    found: list[bytes | None] = shapely.to_wkb(shapes).tolist()
    return found
