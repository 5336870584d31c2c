"""Where items lie on Earth, as geometries in degrees (WGS 84), cut at the antimeridian."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive.tables import ItemRow
from rsir_fast.datasets.footprints import footprints as outlines_of
from rsir_fast.datasets.windows import Place, Window

__all__ = ["box_geometry", "footprints"]


def footprints(items: Sequence[ItemRow]) -> NDArray[Any]:
    """Return the footprints of items, an object of shapely each; None of what has no place.

    Of a window of a raster its outline, edges densified; of an import the outline that came with it; of what has
    bounds alone the box that they are.
    """
    import shapely

    found = np.empty(len(items), object)
    windows: dict[Place, list[tuple[int, Window]]] = defaultdict(list)
    for at, item in enumerate(items):
        if item.geometry is not None:
            found[at] = shapely.from_wkb(item.geometry)
        elif item.place is not None and item.window is not None and item.bounds is not None:
            windows[item.place].append((at, item.window))
        elif item.bounds is not None:
            found[at] = box_geometry(*item.bounds)
    for place, of in windows.items():
        for (at, _), outline in zip(of, outlines_of(place, [window for _, window in of]), strict=True):
            found[at] = None if outline is None else _cut(outline)
    return found


def _cut(outline: NDArray[np.float64]) -> Any:
    """Return the geometry of an outline whose longitudes go on beyond 180 across the antimeridian."""
    import shapely
    from shapely.affinity import translate

    whole = shapely.make_valid(shapely.Polygon(outline))
    west, _, east, _ = whole.bounds
    if west >= -180 and east <= 180:
        return whole
    parts = [whole & shapely.box(-180 + turn, -90, 180 + turn, 90) for turn in (-360, 0, 360)]
    moved = [translate(part, -turn) for part, turn in zip(parts, (-360, 0, 360), strict=True)]
    return shapely.union_all([part for part in moved if part.area > 0])


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
