"""Boxes and geometries that items are asked for by: read and checked."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, TypeAlias

__all__ = ["Bounds", "Geometry", "checked_box", "checked_geometry", "whole_geometry"]

Bounds: TypeAlias = "tuple[float, float, float, float]"
"""West, south, east, north in degrees (WGS 84); west > east crosses the antimeridian."""
Geometry: TypeAlias = "dict[str, Any]"
"""Of GeoJSON: type and coordinates."""

_CRS84 = ("CRS84", "EPSG::4326", "EPSG:4326", "WGS84")


def checked_box(box: Bounds) -> Bounds:
    """Return a box.

    Raises
    ------
    ValueError
        If it is none.
    """
    west, south, east, north = box
    if not all(map(math.isfinite, box)) or max(abs(west), abs(east)) > 180 or max(abs(south), abs(north)) > 90:
        raise ValueError(
            f"box: expected west, south, east, north in degrees, -180 to 180 and -90 to 90, got {_numbers(box)}"
        )
    if south > north:
        raise ValueError(f"box: expected south at most north in west, south, east, north, got {_numbers(box)}")
    return box


def _numbers(box: Bounds) -> str:
    return ",".join(f"{value:g}" for value in box)


def checked_geometry(given: Any) -> Geometry:
    """Return a geometry of GeoJSON, WKT or another library as that of GeoJSON.

    Raises
    ------
    ValueError
        If it is none in degrees, or not valid.

    Examples
    --------
    >>> checked_geometry("POINT (3 4)")
    {'type': 'Point', 'coordinates': [3.0, 4.0]}
    """
    import shapely
    from shapely.errors import ShapelyError
    from shapely.geometry import mapping, shape

    content = getattr(given, "__geo_interface__", given)
    try:
        parts = [shapely.from_wkt(content)] if isinstance(content, str) else [shape(part) for part in _parts(content)]
    except (KeyError, TypeError, AttributeError, IndexError, ValueError, ShapelyError) as error:
        if str(error).startswith("polygon: "):
            raise
        raise ValueError(
            f"polygon: expected WKT, or a geometry, a feature or features of GeoJSON, got {_short(content)}"
        ) from None
    for part in parts:
        if not shapely.is_valid(part):
            raise ValueError(
                f"polygon: expected a valid geometry, got another ({shapely.is_valid_reason(part)}); mend it"
            )
    found = parts[0] if len(parts) == 1 else shapely.union_all(parts)
    if found.is_empty:
        raise ValueError("polygon: expected a geometry, got an empty one")
    west, south, east, north = found.bounds
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):  # NaN is not, either
        raise ValueError(
            f"polygon: expected degrees (WGS 84), longitude first, from -180 to 180 and -90 to 90, got "
            f"{_numbers(found.bounds)}; cut what crosses the antimeridian there"
        )
    geometry: Geometry = json.loads(json.dumps(mapping(shapely.force_2d(found))))
    return geometry


def _parts(content: Any) -> list[Any]:
    """Return the geometries of GeoJSON of any kind."""
    if not isinstance(content, Mapping):
        raise TypeError(content)
    name = str((content.get("crs") or {}).get("properties", {}).get("name", "CRS84"))
    if not name.endswith(_CRS84):
        raise ValueError(f"polygon: expected degrees (WGS 84), got the coordinate reference system {name}")
    if content["type"] == "FeatureCollection":
        return [part for feature in content["features"] for part in _parts(feature)]
    return [] if content["type"] == "Feature" and content["geometry"] is None else [content.get("geometry", content)]


def _short(content: object) -> str:
    from rsir_fast.base.text import short

    return short(content if isinstance(content, str) else json.dumps(content, default=repr), 60)


def whole_geometry(geometry: Geometry) -> Any:
    """Return a geometry that was checked as one of shapely, made ready to be compared with many."""
    import shapely
    from shapely.geometry import shape

    found = shape(geometry)
    shapely.prepare(found)
    return found
