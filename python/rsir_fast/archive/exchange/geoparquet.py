"""A version as GeoParquet: a row an item, with every field, place, time and column."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive.exchange.model import METADATA, Provenance
from rsir_fast.archive.footprints import footprints
from rsir_fast.archive.items import Items
from rsir_fast.archive.snapshot import Snapshot
from rsir_fast.encoders.fields import FieldSpec

__all__ = ["extent", "write_geoparquet", "write_items"]

_BATCH = 1 << 14
_GROUP = 1 << 16


def write_geoparquet(file: BinaryIO, snapshot: Snapshot, order: NDArray[np.int64]) -> None:
    """Write a version, batch by batch, compressed by zstd.

    Parameters
    ----------
    file
        To write to.
    snapshot
        The version.
    order
        Its rows, in the order of the file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    items = snapshot.items
    names = [name for name in items.columns if name not in ("west", "south", "east", "north")]
    columns = {name: items.column(name) for name in names}
    if "class" in columns:  # whose segments number their classes each
        columns["class"] = columns["class"].cast(pa.string())
    arrays = {field.name: snapshot[field.name] for field in snapshot.spec.fields}
    has_place = items.bounds is not None
    schema = pa.schema(
        [
            ("id", pa.int64()),
            *((name, column.type) for name, column in columns.items()),
            *((field.name, _type(field)) for field in snapshot.spec.fields),
            *([("geometry", pa.binary()), ("bbox", _bbox_type())] if has_place else []),
        ]
    )
    kinds: set[str] = set()
    # Numbers of networks are not compressed by a dictionary: they are all different.
    plain = [name for name in schema.names if name not in arrays]
    with pq.ParquetWriter(
        file, schema, compression="zstd", use_dictionary=plain, write_page_index=True, store_schema=True
    ) as writer:
        for first in range(0, len(order), _BATCH):
            rows = order[first : first + _BATCH]
            table: dict[str, Any] = {"id": pa.array(snapshot.ids[rows])}
            table |= {name: column.take(pa.array(rows)) for name, column in columns.items()}
            table |= {field.name: _lists(arrays[field.name][rows], field) for field in snapshot.spec.fields}
            if has_place:
                table |= _places(items, rows, kinds)
            writer.write_table(pa.table(table, schema=schema), row_group_size=_GROUP)
        writer.add_key_value_metadata(_metadata(snapshot, sorted(kinds) if has_place else None))


def write_items(file: BinaryIO, snapshot: Snapshot) -> None:
    """Write ids and items of a version, without vectors, in its order."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    items = snapshot.items
    columns = {name: items.column(name) for name in items.columns}
    if "class" in columns:
        columns["class"] = columns["class"].cast(pa.string())
    pq.write_table(pa.table({"id": pa.array(snapshot.ids), **columns}), file, compression="zstd")


def _type(field: FieldSpec) -> Any:
    import pyarrow as pa

    return pa.list_(pa.from_numpy_dtype(np.dtype(field.dtype)), field.width)


def _lists(rows: NDArray[Any], field: FieldSpec) -> Any:
    import pyarrow as pa

    block = np.ascontiguousarray(rows, dtype=field.dtype)
    return pa.FixedSizeListArray.from_arrays(pa.array(block.reshape(-1)), field.width)


def _bbox_type() -> Any:
    import pyarrow as pa

    return pa.struct([(name, pa.float64()) for name in ("xmin", "ymin", "xmax", "ymax")])


def _places(items: Items, rows: NDArray[np.int64], kinds: set[str]) -> dict[str, Any]:
    import pyarrow as pa
    import shapely

    shapes = footprints(items.rows(rows))
    known = shapes != None  # noqa: E711 (of an array)
    kinds |= {shape.geom_type for shape in shapes[known]}
    box = shapely.bounds(shapes)  # of what is cut at the antimeridian: all around
    mask = pa.array(~known)
    bbox = pa.StructArray.from_arrays(
        [pa.array(np.ascontiguousarray(box[:, at])) for at in range(4)], fields=list(_bbox_type()), mask=mask
    )
    return {"geometry": pa.array(shapely.to_wkb(shapes).tolist(), pa.binary()), "bbox": bbox}


def _metadata(snapshot: Snapshot, kinds: Sequence[str] | None) -> dict[str, str]:
    version = snapshot.version
    own = Provenance(
        spec=json.loads(json.dumps(snapshot.spec.meaning())),
        made=dict(version.made),
        normalize=version.normalize,
        archive={"name": version.name, "version": version.number, "digest": version.digest},
    )
    told = {METADATA: own.model_dump_json()}
    if kinds is not None:
        covering = {name: ["bbox", name] for name in ("xmin", "ymin", "xmax", "ymax")}
        column: dict[str, Any] = {
            "encoding": "WKB",
            "geometry_types": list(kinds),
            "edges": "planar",
            "covering": {"bbox": covering},
        }
        bounds = snapshot.items.bounds
        if bounds is not None and np.isfinite(bounds).any():
            column["bbox"] = extent(bounds)
        told["geo"] = json.dumps({"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}})
    return told


def extent(bounds: NDArray[np.float64]) -> list[float]:
    """Return the box around boxes; from -180 to 180 where one crosses the antimeridian."""
    known = bounds[np.isfinite(bounds).all(axis=1)]
    west, south, east, north = known[:, 0].min(), known[:, 1].min(), known[:, 2].max(), known[:, 3].max()
    if (known[:, 0] > known[:, 2]).any():
        west, east = -180.0, 180.0
    return [float(value) for value in (west, south, east, north)]
