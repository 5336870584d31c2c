"""Footprints of a version as GeoJSON (RFC 7946): a feature an item."""

from __future__ import annotations

import json
from typing import Any, BinaryIO

import numpy as np

from rsir_fast.archive.footprints import footprints
from rsir_fast.archive.snapshot import Snapshot

__all__ = ["geometry_of", "write_geojson"]

_BATCH = 1 << 12


def write_geojson(file: BinaryIO, snapshot: Snapshot) -> None:
    """Write the items of a version, batch by batch, in its order; those without a place have no geometry."""
    items = snapshot.items
    names = [name for name in items.columns if name not in ("west", "south", "east", "north")]
    columns = {name: items.column(name) for name in names}
    file.write(b'{"type": "FeatureCollection", "features": [')
    for first in range(0, len(snapshot), _BATCH):
        rows = np.arange(first, min(first + _BATCH, len(snapshot)))
        values = {name: column.slice(first, len(rows)).to_pylist() for name, column in columns.items()}
        shapes = footprints(items.rows(rows))
        for at, row_id in enumerate(snapshot.ids[rows].tolist()):
            told = {name: _plain(each[at]) for name, each in values.items() if each[at] is not None}
            feature = {"type": "Feature", "id": row_id, "geometry": geometry_of(shapes[at]), "properties": told}
            file.write(b"," if first or at else b"")
            file.write(b"\n" + json.dumps(feature, ensure_ascii=False).encode())
    file.write(b"\n]}\n")


def geometry_of(shape: Any) -> dict[str, Any] | None:
    """Return a geometry of shapely as GeoJSON: outer rings counterclockwise."""
    if shape is None:
        return None
    import shapely

    found: dict[str, Any] = json.loads(shapely.to_geojson(shapely.orient_polygons(shape)))
    return found


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value
