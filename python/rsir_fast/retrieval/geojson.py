"""What was found as GeoJSON (RFC 7946)."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rsir_fast.retrieval.hits import Hits

__all__ = ["geojson_of", "geometry_of"]


def geojson_of(hits: Hits) -> dict[str, Any]:
    """Return a FeatureCollection: a feature for each result of each query; see `Hits.geojson`."""
    from rsir_fast.retrieval.footprints import footprints

    numbers = list(hits.items)
    shapes = dict(zip(numbers, footprints([hits.items[number] for number in numbers]), strict=True))
    features = []
    for answer in hits.answers:
        for found in answer.results:
            told = found.as_json()
            columns = told.pop("columns", {})
            for name in ("path", "bounds"):  # of this machine; in the geometry
                told.pop(name, None)
            properties = {**columns, "query": answer.query, **told, "time": found.time}
            features.append(
                {
                    "type": "Feature",
                    "geometry": geometry_of(shapes[found.id]),
                    "properties": {name: _plain(value) for name, value in properties.items()},
                }
            )
    return {"type": "FeatureCollection", "features": features}


def geometry_of(shape: Any) -> dict[str, Any] | None:
    """Return a geometry of shapely as that of GeoJSON: outer rings counterclockwise, inner ones clockwise."""
    if shape is None:
        return None
    from shapely.geometry import mapping
    from shapely.geometry.polygon import orient

    if shape.geom_type == "Polygon":
        shape = orient(shape)
    elif shape.geom_type == "MultiPolygon":
        shape = type(shape)([orient(part) for part in shape.geoms])
    found: dict[str, Any] = json.loads(json.dumps(mapping(shape)))
    return found


def _plain(value: Any) -> Any:
    """Return a value as JSON has one: NaN and infinities are null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
