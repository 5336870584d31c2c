"""The item that shows a place."""

from __future__ import annotations

import numpy as np

from rsir_fast.archive.tables import BOUNDS
from rsir_fast.retrieval.searched import Searched
from rsir_fast.retrieval.where import Box

__all__ = ["item_at"]


def item_at(searched: Searched, place: tuple[float, float]) -> int:
    """Return the id of the item whose footprint holds a place; of several the one whose centre is nearest.

    Parameters
    ----------
    searched : Searched
    place : tuple of float
        Longitude and latitude, degrees (WGS 84).

    Raises
    ------
    ValueError
        If no item shows it, saying how far those that there are extend.
    """
    import shapely

    longitude, latitude = place
    if BOUNDS[0] not in searched.columns:
        raise ValueError("at: expected items with places, but none of these has one; ask by images or ids")
    here = Box(box=(longitude, latitude, longitude, latitude))
    near = searched.places(searched.ids(here))
    near = near[shapely.covers(searched.footprints(near), shapely.points(longitude, latitude))]
    west, south, east, north = (searched.column(name).to_numpy() for name in BOUNDS)
    if not len(near):
        live = searched.rows.counted
        extent = np.nanmin(west[live]), np.nanmin(south[live]), np.nanmax(east[live]), np.nanmax(north[live])
        if (west[live] > east[live]).any():
            extent = -180.0, extent[1], 180.0, extent[3]
        told = ",".join(f"{value:.6g}" for value in extent)
        raise ValueError(
            f"at: expected a place that an item shows, got {longitude:g},{latitude:g}; the items lie within {told} "
            "(west, south, east, north)"
        )
    centre = (west[near] + east[near]) / 2 + np.where(west[near] > east[near], 180, 0)
    across = (centre - longitude + 180) % 360 - 180
    along = (south[near] + north[near]) / 2 - latitude
    far = np.hypot(across * np.cos(np.radians(latitude)), along)
    return int(searched.rows.ids[near[np.argmin(far)]])
