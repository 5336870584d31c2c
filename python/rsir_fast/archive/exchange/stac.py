"""What stands beside an export: an Item of STAC with the fields of the embedding extension (a proposal)."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import numpy as np

from rsir_fast.archive.exchange.geoparquet import extent
from rsir_fast.archive.snapshot import Snapshot

__all__ = ["as_json", "stac_item"]


def stac_item(snapshot: Snapshot, file: str, media_type: str) -> dict[str, Any]:
    """Return an Item that tells of an export.

    Parameters
    ----------
    snapshot
        The version that was exported.
    file
        Name of the export, beside which the item lies.
    media_type
        Of the export.
    """
    version, items = snapshot.version, snapshot.items
    field = next(each for each in snapshot.spec.fields if each.is_searched)
    box = None
    if items.bounds is not None and np.isfinite(items.bounds).any():
        box = extent(items.bounds)
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [],
        "id": f"{version.name}-{version.number}",
        "geometry": None if box is None else _rectangle(box),
        **({} if box is None else {"bbox": box}),
        "properties": {
            **_times(snapshot),
            "title": f"{version.name}, by {snapshot.spec.title}",
            "emb:type": "chip",
            "emb:dimensions": field.width if field.bits is None else field.bits,
            "data_type": field.dtype,
            "emb:quantization": {"method": "none", "original_dtype": field.dtype},
            **_layout(snapshot),
            "rsir:encoder": snapshot.spec.meaning(),
            "rsir:normalize": version.normalize,
            "rsir:rows": len(snapshot),
        },
        "links": [{"rel": "emb:model", "href": f"urn:sha256:{snapshot.spec.digest()}", "title": snapshot.spec.title}],
        "assets": {"embeddings": {"href": f"./{file}", "type": media_type, "roles": ["data"]}},
    }


def as_json(item: dict[str, Any]) -> bytes:
    """Return an item as it is written."""
    return (json.dumps(item, indent=1) + "\n").encode()


def _rectangle(box: list[float]) -> dict[str, Any]:
    west, south, east, north = box
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def _times(snapshot: Snapshot) -> dict[str, Any]:
    """Return when the items were taken; where nothing is known, when the version was made."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if "time" in snapshot.items.columns:
        ends = pc.min_max(snapshot.items.column("time").cast(pa.int64()))
        first, last = (ends[name].as_py() for name in ("min", "max"))
        if first is not None:
            told = [datetime.fromtimestamp(at / 1e6, timezone.utc).isoformat() for at in (first, last)]
            if first == last:
                return {"datetime": told[0]}
            return {"datetime": None, "start_datetime": told[0], "end_datetime": told[1]}
    return {"datetime": snapshot.version.created}


def _layout(snapshot: Snapshot) -> dict[str, Any]:
    """Return the size of windows of rasters, if all have the same."""
    sizes = snapshot.items.window_sizes
    if len(sizes) != 1:
        return {}
    width, height = sizes[0]
    return {"emb:chip_layout": {"layout_type": "regular_grid", "chip_size": [height, width]}}
