"""Windows that cut rasters: every pixel in one, none outside; metres; dates."""

from __future__ import annotations

from datetime import datetime, timezone

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsir_fast.datasets.dates import Dating, time_of_tags
from rsir_fast.datasets.grids import Grid, metres_a_pixel
from rsir_fast.datasets.tiling import Tiling
from rsir_fast.datasets.windows import Place

SIDE = st.integers(1, 60)


@settings(max_examples=400, deadline=None)
@given(SIDE, SIDE, SIDE, SIDE, SIDE, SIDE)
def test_every_pixel_is_in_a_window_or_told(
    raster_width: int, raster_height: int, width: int, height: int, across: int, down: int
) -> None:
    grid = Grid(raster_width, raster_height, width, height, across, down)
    seen = np.zeros((raster_height, raster_width), int)
    windows = [grid.window(number) for number in range(len(grid))]
    for window in windows:
        assert window.column >= 0
        assert window.row >= 0
        assert (window.width, window.height) == (min(width, raster_width), min(height, raster_height))
        seen[window.row : window.bottom, window.column : window.right] += 1
        assert window.right <= raster_width
        assert window.bottom <= raster_height
    assert len(set(windows)) == len(windows)
    assert windows == sorted(windows, key=lambda window: (window.row, window.column))
    assert grid.left_out == (seen == 0).sum()
    assert seen[-1, -1] > 0
    if across <= width and down <= height:
        assert grid.left_out == 0


def test_metres_of_degrees_are_those_of_the_ellipsoid() -> None:
    for latitude, longitude_m, latitude_m in ((0, 111_319.49, 110_574.28), (45, 78_846.81, 111_131.78)):
        place = Place("EPSG:4326", (1e-6, 0.0, 10.0, 0.0, -1e-6, latitude + 5e-7))
        found = metres_a_pixel(place, 1, 1)
        assert found is not None
        assert found[0] * 1e6 == pytest.approx(longitude_m, abs=0.5)
        assert found[1] * 1e6 == pytest.approx(latitude_m, abs=0.5)


def test_metres_of_other_units_and_turned_rasters() -> None:
    turned = Place("EPSG:32633", (6.0, 8.0, 0.0, 8.0, -6.0, 0.0))
    assert metres_a_pixel(turned, 10, 10) == pytest.approx((10.0, 10.0))
    feet = Place("EPSG:2263", (10.0, 0.0, 0.0, 0.0, -10.0, 0.0))
    assert metres_a_pixel(feet, 10, 10) == pytest.approx((3.048006, 3.048006))
    assert metres_a_pixel(Place("EPSG:5714", (1.0, 0.0, 0.0, 0.0, -1.0, 0.0)), 10, 10) is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"size": 0}, "size: expected a number above 0, got 0"),
        ({"size": 2.5}, "size: expected whole pixels"),
        ({"size": float("nan")}, "size: expected a number above 0, got nan"),
        ({"size": True}, "size: expected a number above 0, got True"),
        ({"size": 1 << 31}, "size: expected whole pixels up to 1073741824"),
        ({"size": 9, "stride": -1}, "stride: expected a number above 0, got -1"),
        ({"size": 9, "unit": "km"}, "unit: expected px or m, got 'km'"),
        ({"size": 9, "nodata_max": 1.1}, "nodata_max: expected a share from 0 to 1, got 1.1"),
        ({"size": 9, "date": "%m"}, "date: expected a pattern with a year"),
    ],
)
def test_recipes_out_of_range(given: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Tiling(**{"stride": given["size"], **given})  # type: ignore[arg-type]


def at(*when: int) -> int:
    return int(datetime(*when, tzinfo=timezone.utc).timestamp()) * 1_000_000  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2024-05-01", at(2024, 5, 1)),
        ("2024-05-01T10:30:00Z", at(2024, 5, 1, 10, 30)),
        ("2024-05-01T12:30:00+02:00", at(2024, 5, 1, 10, 30)),
        ("2024-05-01/2024-06-01", at(2024, 5, 1)),
        ("2024-05", at(2024, 5, 1)),
        ("1969", at(1969, 1, 1)),
    ],
)
def test_dates(text: str, time: int) -> None:
    assert Dating.parse(text) == Dating(time)


@pytest.mark.parametrize("text", ["", "yesterday", "2024-13-01", "%", "%d", "%Y%Y", "%Q%Y", "%Y%", "01/02/2024"])
def test_what_is_no_date(text: str) -> None:
    with pytest.raises(ValueError, match="date: expected"):
        Dating.parse(text)


@pytest.mark.parametrize(
    ("pattern", "name", "time"),
    [
        ("*_%Y%m%d*", "m_4709963_se_14_1_20090818.tif", at(2009, 8, 18)),
        ("%Y%m%d", "m_4709963_se_14_1_20090818.tif", at(2009, 8, 18)),
        ("%Y", "1985.tif", at(1985, 1, 1)),
        ("%Y", "m_4709963.tif", None),
        ("%Y%j", "LC08_2024366.tif", at(2024, 12, 31)),
        ("%Y%j", "LC08_2023366.tif", None),
        ("%Y%m%dT%H%M%S", "S2A_20240501T101559_R122.jp2", at(2024, 5, 1, 10, 15, 59)),
        ("%d.%m.%y", "a 01.05.68.tif", at(2068, 5, 1)),
        ("%d.%m.%y", "a 01.05.69.tif", at(1969, 5, 1)),
        ("%Y%m%d", "20230230.tif", None),
        ("s(%Y)[1]", "s(2024)[1].tif", at(2024, 1, 1)),
        ("%Y", "2024_2024.tif", at(2024, 1, 1)),
    ],
)
def test_dates_of_names(pattern: str, name: str, time: int | None) -> None:
    assert Dating.parse(pattern).of_name(name) == time


def test_a_name_of_two_dates() -> None:
    with pytest.raises(ValueError, match=r"expected one date by the pattern %Y in 2023_2024.tif, found 2"):
        Dating.parse("%Y").of_name("2023_2024.tif")
    assert Dating.parse("*_%Y").of_name("2023_2024.tif") == at(2024, 1, 1)


def test_dates_of_tags() -> None:
    both = {"ACQUISITIONDATETIME": "2024-05-01 10:30:00", "TIFFTAG_DATETIME": "2025:01:01 00:00:00"}
    assert time_of_tags(both) == at(2024, 5, 1, 10, 30)
    assert time_of_tags({"TIFFTAG_DATETIME": "2025:01:01 00:00:00"}) == at(2025, 1, 1)
    assert time_of_tags({"TIFFTAG_DATETIME": "0000:00:00 00:00:00"}) is None
