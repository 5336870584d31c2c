"""Answers as GeoJSON: RFC 7946 by its own rules."""

from __future__ import annotations

import json

import numpy as np
import shapely
from shapely.geometry import shape

import rsir_fast as rf
from rsir_fast.archive import Features
from rsir_fast.archive.items import Items
from rsir_fast.archive.tables import ItemRow, Tables
from rsir_fast.datasets.footprints import bounds_of, footprint
from rsir_fast.datasets.windows import Place, Window
from rsir_fast.retrieval import Query

ACROSS = Place("EPSG:32601", (100.0, 0.0, 100_000.0, 0.0, -100.0, 1_000_000.0))
WINDOW = Window(0, 0, 1000, 300)


def row(number: int, **more) -> ItemRow:
    return ItemRow("images", f"{number}.tif", 1, 1, sha256="0" * 64, **more)


ROWS = [
    row(0, class_name="forest", bounds=(1.0, 2.0, 3.0, 4.0), time=0, columns=(("cloud", 0.5), ("rank", 7))),
    row(1, window=WINDOW, place=ACROSS, bounds=bounds_of(footprint(ACROSS, WINDOW))),
    row(2, columns=(("cloud", float("nan")),)),
    row(3, bounds=(10.0, 20.0, 10.0, 20.0)),
    row(4, bounds=(-180.0, 60.0, 180.0, 90.0)),
]
DATA = Features(np.arange(10, dtype=np.float32).reshape(5, 2), Items([Tables.of(ROWS)]), None, (), "demo")


def answered() -> list[dict]:
    found = rf.search(DATA, Query(ids=(0, 2), k=5, normalize="none")).geojson()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["type"] == "FeatureCollection"
    return found["features"]


def test_a_feature_for_each_result_of_each_query():
    features = answered()
    assert [(each["properties"]["query"], each["properties"]["rank"]) for each in features] == [
        (name, rank) for name in ("0.tif", "2.tif") for rank in range(1, 6)
    ]
    assert features[0]["properties"] == {
        "query": "0.tif", "rank": 1, "id": 0, "item": "0.tif", "distance": 0.0, "class": "forest",
        "time": "1970-01-01T00:00:00Z", "cloud": 0.5,
    }  # fmt: skip
    assert features[2]["properties"]["cloud"] is None
    assert features[2]["properties"]["time"] is None


def test_geometries_are_valid_in_order_and_the_right_way_round():
    features = answered()[:5]
    assert features[2]["geometry"] is None
    assert features[3]["geometry"] == {"type": "Point", "coordinates": [10.0, 20.0]}
    for feature, item in zip(features, ROWS, strict=True):
        if feature["geometry"] is None or item.bounds is None:
            continue
        found = shape(feature["geometry"])
        west, south, east, north = found.bounds
        assert -180 <= west <= east <= 180
        assert -90 <= south <= north <= 90
        assert found.is_valid
        for part in getattr(found, "geoms", [found]):
            if part.geom_type == "Polygon":
                assert shapely.is_ccw(part.exterior)
                assert part.exterior.coords[0] == part.exterior.coords[-1]
    assert features[0]["geometry"]["type"] == "Polygon"
    assert shape(features[0]["geometry"]).bounds == (1.0, 2.0, 3.0, 4.0)


def test_what_crosses_the_antimeridian_is_cut_there():
    found = answered()[1]["geometry"]
    assert found["type"] == "MultiPolygon"
    west, east = sorted(
        (shape({"type": "Polygon", "coordinates": part}) for part in found["coordinates"]), key=lambda p: p.bounds
    )
    assert (west.bounds[0], east.bounds[2]) == (-180.0, 180.0)
    np.testing.assert_allclose((east.bounds[0], west.bounds[2]), ROWS[1].bounds[::2], rtol=0, atol=1e-9)


def test_footprints_are_those_of_rasterio():
    outline = footprint(ACROSS, WINDOW)
    points = np.array([point for part in answered()[1]["geometry"]["coordinates"] for point in part[0]])
    points[points[:, 0] < 0, 0] += 360
    far = np.abs(points[:, None] - (outline % [360, 1000])[None]).max(axis=2).min(axis=1)
    assert (far[np.abs(points[:, 0] - 180) > 1e-6] < 1e-9).all()
