"""What was found as GeoJSON (RFC 7946)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rsir_fast.retrieval.hits import Hits

__all__ = ["geojson_of"]


def geojson_of(hits: Hits) -> dict[str, Any]:
    """Return a FeatureCollection: a feature for each result of each query; see `Hits.geojson`."""
    from rsir_fast.archive.exchange.geojson import geometry_of
    from rsir_fast.archive.footprints import footprints

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


def _plain(value: Any) -> Any:
    """Return a value as JSON has one: NaN and infinities are null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
