"""The page of a search: one file, pictures, a map."""

from __future__ import annotations

import re

import numpy as np
import pytest
import rasterio
import shapely
from rasterio.transform import Affine

import rsir_fast as rf
from html_page import Page
from rsir_fast.archive.footprints import box_geometry
from rsir_fast.report.footprint_map import footprint_map
from rsir_fast.report.search_page import search_page, write_search_page
from rsir_fast.retrieval import Query


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    pixels = np.random.default_rng(0).integers(0, 255, (3, 128, 128), np.uint8)
    profile = {"driver": "GTiff", "width": 128, "height": 128, "count": 3, "dtype": "uint8", "crs": "EPSG:32633"}
    with rasterio.open(folder / "<b>.tif", "w", **profile, transform=Affine(10, 0, 500_000, 0, -10, 5_000_000)) as file:
        file.write(pixels)
    rf.encode(rf.tiles(folder / "<b>.tif", 64), "colour-histogram", out=folder / "archive", workers=0)
    return rf.Archive(folder / "archive")


def test_a_page_holds_pictures_and_a_map(archive, tmp_path):
    hits = archive.search(Query(ids=(0, 3), k=3))
    path = write_search_page(tmp_path / "new" / "page.html", hits, command="rsir search A --id 0")
    source = path.read_text()
    page = Page(source)
    pictures = [value for value in page.values("src") if value]
    assert len(pictures) == 2 * (1 + 3)
    assert all(value.startswith("data:image/jpeg;base64,") for value in pictures)
    assert not [value for value in page.values("href") if value and not value.startswith("#")]
    assert sum(tag == "svg" for tag, _ in page.tags) == 2
    assert "<b>.tif#xywh=0,0,64,64" in page.text.replace("\u200b", "")
    assert "<b>.tif" not in source
    assert "rsir search A --id 0" in page.text
    assert path.read_text() == search_page(hits, command="rsir search A --id 0")


def test_no_pictures_and_no_places():
    data = rf.Features(np.eye(3, dtype=np.float32), ("a", "b", "c"), None, (), "demo")
    page = Page(search_page(rf.search(data, Query(vectors=np.eye(3)[0], k=2))))
    assert page.text.count("no picture") == 2
    assert not [tag for tag, _ in page.tags if tag in ("svg", "img")]


@pytest.mark.parametrize(
    "bounds", [(1, 2, 3, 4), (179, -10, -179, 10), (-180, -90, 180, 90), (5, 5, 5, 5), (0, 3, 1e-5, 3.00001)]
)
def test_a_map_shows_all_of_it(bounds):
    drawn = str(footprint_map([box_geometry(*bounds)], ["1 a<b"]))
    wide, high = map(float, re.search(r'viewBox="0 0 (\d+) (\d+)"', drawn).groups())
    points = [
        tuple(map(float, pair))
        for path in re.findall(r' d="(M[^"h]*Z)"', drawn)
        for pair in re.findall(r"([\d.]+) ([\d.]+)", path)
    ]
    assert points
    assert all(0 <= x <= wide and 0 <= y <= high for x, y in points)
    assert "1 a&lt;b" in drawn
    assert wide <= 790
    assert high <= 470


def test_a_map_across_the_antimeridian_is_the_short_way_round():
    drawn = str(footprint_map([shapely.box(179, 0, 180, 1), shapely.box(-180, 0, -178, 1)], ["1 a", "2 b"]))
    assert ">179°<" in drawn
    assert ">-179°<" in drawn
    assert ">0°<" not in re.sub(r'text-anchor="end">0°<', "", drawn)
