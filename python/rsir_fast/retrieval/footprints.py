"""Where items lie on Earth, as geometries in degrees (WGS 84)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive.items import Items

__all__ = ["box_geometry", "footprints"]


def footprints(items: Items, which: NDArray[np.int64]) -> NDArray[Any]:
    """Return the footprints of some items, an object of shapely each; None of what has no place."""
    found = np.empty(len(which), object)
    bounds = items.bounds
    for at, row in enumerate([] if bounds is None else bounds[which].tolist()):
        found[at] = None if row[0] != row[0] else box_geometry(*row)
    return found


def box_geometry(west: float, south: float, east: float, north: float) -> Any:
    """Return bounds as a geometry: two where they cross the antimeridian, a point or a line where they have no width.

    Examples
    --------
    >>> box_geometry(170, 0, -170, 1).geom_type, box_geometry(3, 4, 3, 4).wkt
    ('MultiPolygon', 'POINT (3 4)')
    """
    import shapely

    if west > east:
        return shapely.union(box_geometry(west, south, 180, north), box_geometry(-180, south, east, north))
    if west < east and south < north:
        return shapely.box(west, south, east, north)
    if (west, south) == (east, north):
        return shapely.points(west, south)
    return shapely.linestrings([(west, south), (east, north)])
