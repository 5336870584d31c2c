"""Footprints of tiles: as rasterio has them, valid, cut at the antimeridian."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from rasterio.warp import transform_bounds

from rsir_fast.archive.footprints import footprints
from rsir_fast.archive.tables import ItemRow
from rsir_fast.datasets.footprints import bounds_of, footprint
from rsir_fast.datasets.windows import Place, Window

UTM1 = Place("EPSG:32601", (100.0, 0.0, 100_000.0, 0.0, -100.0, 1_000_000.0))


def tile(place: Place, window: Window) -> ItemRow:
    bounds = bounds_of(footprint(place, window))
    return ItemRow("images", "a.tif", 1, 1, window=window, place=place, bounds=bounds, sha256="0" * 64)


@pytest.mark.parametrize(
    ("place", "window"),
    [
        (Place("EPSG:32633", (10.0, 0.0, 500000.0, 0.0, -10.0, 4649776.0)), Window(256, 0, 256, 512)),
        (Place("EPSG:4326", (0.1, 0.0, -180.0, 0.0, -0.1, 90.0)), Window(0, 0, 3600, 1800)),
        (Place("EPSG:4326", (0.1, 0.0, -180.0, 0.0, -0.1, 90.0)), Window(3500, 100, 100, 30)),
        (Place("EPSG:32633", (7.0, 7.0, 500000.0, 7.0, -7.0, 4649776.0)), Window(0, 0, 64, 64)),
    ],
)
def test_bounds_are_rasterio_s(place, window):
    (found,) = footprints([tile(place, window)])
    a, b, c, d, e, f = place.transform
    corners = [
        (a * x + b * y + c, d * x + e * y + f)
        for x in (window.column, window.right)
        for y in (window.row, window.bottom)
    ]
    xs, ys = zip(*corners, strict=True)
    if b == 0:
        wanted = transform_bounds(place.crs, "EPSG:4326", min(xs), min(ys), max(xs), max(ys), densify_pts=21)
        np.testing.assert_allclose(found.bounds, wanted, rtol=0, atol=1e-9)
    assert found.geom_type == "Polygon"
    assert found.is_valid


def test_across_the_antimeridian():
    (found,) = footprints([tile(UTM1, Window(0, 0, 1000, 300))])
    assert found.geom_type == "MultiPolygon"
    assert found.is_valid
    west, east = sorted(found.geoms, key=lambda part: part.bounds[0])
    assert (west.bounds[0], east.bounds[2]) == (-180.0, 180.0)
    whole = shapely.Polygon(footprint(UTM1, Window(0, 0, 1000, 300)))
    assert west.area + east.area == pytest.approx(whole.area, rel=1e-12)


def test_around_a_pole():
    (found,) = footprints([tile(Place("EPSG:3031", (1000.0, 0.0, -2e6, 0.0, -1000.0, 2e6)), Window(0, 0, 4000, 4000))])
    assert found.is_valid
    assert found.bounds[::2] == (-180.0, 180.0)
    assert found.bounds[1] == -90.0


def test_bounds_alone_and_nothing():
    plain = ItemRow("images", "a.tif", 1, 1, bounds=(1.0, 2.0, 3.0, 4.0), sha256="0" * 64)
    none = ItemRow("images", "a.tif", 1, 1, sha256="0" * 64)
    found = footprints([plain, none])
    assert (found[0].bounds, found[1]) == ((1.0, 2.0, 3.0, 4.0), None)
