"""Where on Earth windows lie: as rasterio says, across the antimeridian and at the poles."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from rasterio.warp import transform, transform_bounds

from rsir_fast.datasets.footprints import POINTS, bounds_of, footprint, footprints
from rsir_fast.datasets.windows import Place, Window

CRS = ["EPSG:32633", "EPSG:26914", "EPSG:3857", "EPSG:4326", "EPSG:3035", "EPSG:6933", "+proj=sinu +R=6371007.181"]


def corner(crs: str, longitude: float, latitude: float) -> tuple[float, float]:
    (x,), (y,) = transform("EPSG:4326", crs, [longitude], [latitude])
    return x, y


@pytest.mark.parametrize("crs", CRS)
def test_outline_and_box_are_those_of_rasterio(crs: str) -> None:
    rng = np.random.default_rng(0)
    unit = 1e-4 if crs == "EPSG:4326" else 10.0
    for angle in (0.0, 0.4):
        x, y = corner(crs, -98.0 if crs == "EPSG:26914" else 14.0, 47.0)
        turn = np.cos(angle) * unit, np.sin(angle) * unit
        place = Place(crs, (turn[0], turn[1], x, turn[1], -turn[0], y))
        for _ in range(20):
            window = Window(*rng.integers(0, 5000, 2).tolist(), *rng.integers(1, 3000, 2).tolist())
            outline = footprint(place, window)
            assert outline is not None
            assert outline.shape == (4 * (POINTS + 1) + 1, 2)
            a, b, c, d, e, f = place.transform
            corners = [
                (window.column, window.row),
                (window.right, window.row),
                (window.right, window.bottom),
                (window.column, window.bottom),
                (window.column, window.row),
            ]
            along = np.arange(POINTS + 1)[:, None] / (POINTS + 1)
            edges = itertools.pairwise(corners)
            pixels = np.concatenate([*(np.add(p, along * np.subtract(q, p)) for p, q in edges), [corners[0]]])
            xs, ys = a * pixels[:, 0] + b * pixels[:, 1] + c, d * pixels[:, 0] + e * pixels[:, 1] + f
            expected = np.stack(transform(crs, "EPSG:4326", xs.tolist(), ys.tolist()), axis=1)
            np.testing.assert_allclose(outline, expected, rtol=0, atol=1e-9)
            if angle == 0:
                box = transform_bounds(crs, "EPSG:4326", xs.min(), ys.min(), xs.max(), ys.max(), densify_pts=21)
                np.testing.assert_allclose(bounds_of(outline), box, rtol=0, atol=1e-9)


def test_across_the_antimeridian() -> None:
    place = Place("EPSG:32601", (1000.0, 0.0, 166_000.0, 0.0, -1000.0, 7_000_000.0))
    outline = footprint(place, Window(0, 0, 300, 300))
    assert outline is not None
    west, _, east, _ = bounds_of(outline)
    assert west > 0 > east
    np.testing.assert_allclose(
        bounds_of(outline),
        transform_bounds("EPSG:32601", "EPSG:4326", 166_000, 6_700_000, 466_000, 7_000_000),
        rtol=0,
        atol=1e-9,
    )
    assert np.abs(np.diff(outline[:, 0])).max() < 1  # continuous
    assert outline[:, 0].max() == pytest.approx(east + 360)


@pytest.mark.parametrize(("crs", "pole"), [("EPSG:3413", 90.0), ("EPSG:3031", -90.0)])
def test_around_a_pole(crs: str, pole: float) -> None:
    place = Place(crs, (1000.0, 0.0, -2e6, 0.0, -1000.0, 2e6))
    inside = footprint(place, Window(1900, 1900, 201, 201))
    assert inside is not None
    west, south, east, north = bounds_of(inside)
    assert (west, east) == (-180.0, 180.0)
    assert pole in (south, north)
    assert max(abs(south), abs(north)) == 90
    assert np.ptp(inside[:, 0]) == pytest.approx(360)
    quarter = footprint(place, Window(2000, 1000, 1000, 1000))  # its corner is the pole, where longitudes mean nothing
    assert quarter is not None
    west, south, east, north = bounds_of(quarter)
    assert (east - west) % 360 == pytest.approx(90)
    assert pole in (south, north)
    half = footprint(place, Window(1000, 1000, 2000, 1000))  # the pole is on an edge
    assert half is not None
    assert np.ptp(half[:, 0]) == pytest.approx(180)


def test_both_poles_near_a_window_beyond_the_equator() -> None:
    place = Place("+proj=laea +lat_0=90 +lon_0=0", (10_000.0, 0.0, -9.5e6, 0.0, -10_000.0, 9.5e6))
    outline = footprint(place, Window(200, 200, 1500, 1500))
    assert outline is not None
    west, south, east, north = bounds_of(outline)
    assert (west, east, north) == (-180.0, 180.0, 90.0)
    assert south < 40


@pytest.mark.parametrize(
    ("first", "window", "expected"),
    [
        (-180, Window(0, 0, 36000, 18000), (-180, -90, 180, 90)),
        (-180, Window(0, 0, 1000, 1000), (-180, 80, -170, 90)),
        (-180, Window(35000, 17000, 1000, 1000), (170, -90, 180, -80)),
        (0, Window(0, 0, 36000, 18000), (-180, -90, 180, 90)),
        (0, Window(20000, 9000, 1000, 1000), (-160, -10, -150, 0)),
        (0, Window(17500, 9000, 1000, 1000), (175, -10, -175, 0)),
    ],
)
def test_the_whole_world_in_degrees(first: int, window: Window, expected: tuple[int, ...]) -> None:
    outline = footprint(Place("EPSG:4326", (0.01, 0.0, first, 0.0, -0.01, 90.0)), window)
    assert outline is not None
    assert bounds_of(outline) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("crs", ['LOCAL_CS["plan",UNIT["metre",1]]', "nonsense"])
def test_a_crs_of_no_place_on_earth(crs: str) -> None:
    assert footprint(Place(crs, (1.0, 0.0, 0.0, 0.0, -1.0, 0.0)), Window(0, 0, 9, 9)) is None


def test_a_window_that_looks_past_the_earth() -> None:
    disk = Place("+proj=geos +h=35785831 +lon_0=0 +sweep=y", (3000.0, 0.0, -5.5e6, 0.0, -3000.0, 5.5e6))
    beyond, inside = footprints(disk, [Window(0, 0, 900, 900), Window(1500, 1500, 300, 300)])
    assert beyond is None
    assert inside is not None
