"""What was found as GeoJSON (RFC 7946)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rsir_fast.archive.exchange.geojson import geometry_of
from rsir_fast.archive.footprints import footprints
from rsir_fast.archive.tables import ItemRow

__all__ = ["feature_collection"]


def feature_collection(told: Sequence[tuple[Mapping[str, Any], ItemRow]]) -> dict[str, Any]:
    """Return a FeatureCollection of items with their footprints, each with the properties that are told of it."""
    features = [
        {
            "type": "Feature",
            "geometry": geometry_of(shape),
            "properties": {name: _plain(value) for name, value in properties.items()},
        }
        for (properties, _), shape in zip(told, footprints([item for _, item in told]), strict=True)
    ]
    return {"type": "FeatureCollection", "features": features}


def _plain(value: Any) -> Any:
    """Return a value as JSON has one: NaN and infinities are null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
