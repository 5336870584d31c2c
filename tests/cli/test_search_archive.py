"""``rsir search`` of an archive of tiles: what is asked, filters, versions, GeoJSON and a page."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine
from typer.testing import CliRunner

import rsir_fast as rf
from rsir_fast.cli import app
from rsir_fast.datasets import Split


def rsir(*arguments, code=0):
    done = CliRunner().invoke(app, ["search", *map(str, arguments)])
    assert done.exit_code == code, done.output
    return done


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two rasters side by side, of two days, nine tiles each."""
    folder = tmp_path_factory.mktemp("tiles")
    for number, day in enumerate(("20200501", "20210501")):
        pixels = np.random.default_rng(number).integers(0, 255, (3, 96, 96), np.uint8)
        profile = {"driver": "GTiff", "width": 96, "height": 96, "count": 3, "dtype": "uint8", "crs": "EPSG:32633"}
        at = Affine(10, 0, 500_000 + number * 5000, 0, -10, 5_000_000)
        with rasterio.open(folder / f"s_{day}.tif", "w", **profile, transform=at) as file:
            file.write(pixels)
    rf.encode(rf.tiles(folder / "*.tif", 32, date="s_%Y%m%d"), "colour-histogram", out=folder / "A", workers=0)
    rf.Archive(folder / "A").remove([17])
    return folder


def found(folder, *arguments) -> list[int]:
    done = rsir(folder / "A", *arguments, "-k", 20, "--json", "-q")
    assert done.stderr == ""
    (answer,) = json.loads(done.stdout)["queries"]
    return [entry["id"] for entry in answer["results"]]


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ([], range(17)),
        (["--version", 1], range(18)),
        (["--after", "2021"], range(9, 17)),
        (["--before", "2021-05-01"], range(9)),
        (["--after", "2020-05-01", "--before", "2020-05-02"], range(9)),
        (["--ids", "3,9-11"], [3, 9, 10, 11]),
        (["--box", "15,45,15.02,46"], range(9)),
        (["--where", "east < 15.02"], range(9)),
        (["--where", "time >= 2021", "--where", "west > 15.066"], [10, 11, 13, 14, 16]),
        (["--where", "item = s_20200501.tif#xywh=0,0,32,32"], [0]),
        (["--where", "item in s_20200501.tif#xywh=0"], []),
    ],
)
def test_filters(folder, options, wanted):
    assert sorted(found(folder, "--id", 3, *options)) == [*wanted]


def test_the_table_shows_what_there_is(folder):
    head = rsir(folder / "A", "--id", 3, "-k", 2, "-q").stdout.splitlines()[1].split()
    assert head == ["rank", "id", "distance", "place", "time", "image"]  # no classes here


def test_an_answer_names_the_version_searched(folder):
    for number in (1, 2):
        told = json.loads(rsir(folder / "A", "--id", 3, "--version", number, "--json", "-q").stdout)
        snapshot = rf.archive.Snapshot(folder / "A", number)
        assert (told["version"], told["digest"]) == (number, snapshot.version.digest)


def test_a_polygon_in_a_file(folder, tmp_path):
    features = rf.Archive(folder / "A").features()
    west, south, east, north = features.items.bounds[4]
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    inner = [[x * 0.98 + (west + east) / 2 * 0.02, y * 0.98 + (south + north) / 2 * 0.02] for x, y in ring]
    for name, ring_of in (("inner", inner), ("outer", [[x + (x - west) * 1e-3 - 1e-5, y] for x, y in ring])):
        content = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring_of]}, "properties": {}}
        (tmp_path / f"{name}.geojson").write_text(json.dumps(content))
    assert found(folder, "--id", 3, "--polygon", tmp_path / "inner.geojson") == [4]
    assert found(folder, "--id", 3, "--polygon", tmp_path / "inner.geojson", "--within") == []
    (tmp_path / "wide.wkt").write_text("POLYGON ((14 44, 16 44, 16 46, 14 46, 14 44))")
    assert len(found(folder, "--id", 3, "--polygon", tmp_path / "wide.wkt", "--within")) == 17


def test_ways_to_ask(folder, tmp_path):
    raster = folder / "s_20210501.tif"
    assert found(folder, raster, "--window", "32,0,32,32")[0] == 10
    bounds = rf.Archive(folder / "A").features().items.bounds[12]
    place = f"{(bounds[0] + bounds[2]) / 2},{(bounds[1] + bounds[3]) / 2}"
    assert found(folder, "--at", place)[0] == 12
    np.save(tmp_path / "v.npy", rf.Archive(folder / "A").features().matrix[5])
    assert found(folder, "--vectors", tmp_path / "v.npy")[0] == 5
    assert found(folder, "--liked", 5, "--strategy", "best")[0] == 5
    assert found(folder, "--liked", 5, "--liked", f"{raster}#xywh=32,0,32,32", "--unliked", 3)
    whole = found(folder, "--id", 5)
    done = json.loads(rsir(folder / "A", "--id", 5, "-k", 4, "--offset", 3, "--json").stdout)
    assert [entry["id"] for entry in done["queries"][0]["results"]] == whole[3:7]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "QUERIES: expected images, or --id, --at, --text, --vectors or --liked, got nothing"),
        (["--id", 17], "--id: expected ids of the 17 rows of"),
        (["--id", 1, "--at", "1,2"], "query: expected images, ids, vectors, texts, at or liked, got ids and at"),
        (["--at", "1"], "--at: expected LON,LAT in degrees, got '1'"),
        (["--at", "1,95"], "query: at.1: Input should be less than or equal to 90"),
        (["--at", "1,2"], "--at: expected a place that an item shows, got 1,2; the items lie within 15,45."),
        (["--id", 1, "--where", "cloud"], "--where: expected COLUMN OP VALUE with one of = != < <= > >= in, such as"),
        (
            ["--id", 1, "--where", "cloud < 3"],
            "--where: expected a column out of item, time, west, south, east, north,",
        ),
        (["--id", 1, "--where", "west < here"], "--where: expected numbers for the column west, got 'here'"),
        (["--id", 1, "--class", "forest"], "--where: expected a column out of item, time, west"),
        (["--id", 1, "--box", "1,2,3"], "--box: expected W,S,E,N in degrees, got '1,2,3'"),
        (["--id", 1, "--box", "1,2,3,95"], "--box: expected west, south, east, north in degrees"),
        (["--id", 1, "--within"], "--within: expected a box or a polygon to go with it"),
        (["--id", 1, "--ids", "3-x"], "--ids: expected whole numbers such as 3,9,20-29, got '3-x'"),
        (["--id", 1, "--ids", "400"], "--where: expected ids of the rows that are searched, got 400"),
        (["--id", 1, "--after", "soon"], "time: expected a date or an instant"),
        (["--id", 1, "--json", "--geojson"], "--geojson: expected one form of the answer"),
        (["--id", 1, "--window", "1,2,3,4"], "--window: expected one raster to go with it, got 0"),
        (["a.tif", "--window", "1,2,3"], "--window: expected COLUMN,ROW,WIDTH,HEIGHT in pixels"),
        (["--id", 1, "--min-distance", 3, "--max-distance", 2], "--min-distance: expected at most"),
        (["--text", "an airport"], "text: expected an encoder that reads text as well"),
    ],
)
def test_what_cannot_be_meant(folder, options, said):
    done = rsir(folder / "A", *options, code=2)
    (line,) = done.stderr.splitlines()
    assert line.startswith("rsir: error: ")
    assert said in line
    assert done.stdout == ""


@pytest.mark.parametrize("content", ["{", "POLYGON ((", '{"type": "Polygon"}', ""])
def test_a_file_that_is_no_polygon(folder, tmp_path, content):
    (tmp_path / "p").write_text(content)
    done = CliRunner().invoke(app, ["search", str(folder / "A"), "--id", "1", "--polygon", str(tmp_path / "p")])
    assert done.exit_code in (1, 2)
    (line,) = done.stderr.splitlines()
    assert "olygon" in line
    assert rsir(folder / "A", "--id", 1, "--polygon", tmp_path / "none", code=1).stderr.count("\n") == 1


def test_geojson_and_a_page(folder, tmp_path):
    done = rsir(folder / "A", "--id", 3, "-k", 4, "--geojson", "--html", tmp_path / "page.html")
    assert done.stderr.splitlines() == [f"page: {tmp_path / 'page.html'}"]
    features = json.loads(done.stdout)["features"]
    assert [each["properties"]["rank"] for each in features] == [1, 2, 3, 4]
    assert {each["geometry"]["type"] for each in features} == {"Polygon"}
    assert "<svg" in (tmp_path / "page.html").read_text()
    table = rsir(folder / "A", "--id", 3, "-k", 1).stdout
    assert "place" in table
    assert "2020-05-01T00:00:00Z" in table


def test_twins_and_leaks(folder, tmp_path):
    def archive(*arguments):
        done = CliRunner().invoke(app, ["archive", *map(str, arguments)])
        assert done.exit_code == 0, done.output
        return done

    items = list(rf.Archive(folder / "A").features().items)
    twins = json.loads(archive("duplicates", folder / "A", "-k", 1, "--json").stdout)["pairs"]
    assert {name for pair in twins for name in pair["items"]} == set(items)
    assert archive("duplicates", folder / "A").stdout == "0 pairs\n"
    Split("tiles", tuple(items[:9]), tuple(items[9:])).save(tmp_path / "split.json")
    assert archive("leaks", folder / "A", tmp_path / "split.json").stdout.startswith("0 leaks; 0 of 9 training items")
    told = json.loads(
        archive(
            "leaks", folder / "A", tmp_path / "split.json", "--max-distance", 99, "--out", tmp_path / "r", "--json"
        ).stdout
    )
    assert (len(told["leaks"]), told["train_left_out"]) == (72, 9)
    assert Split.load(tmp_path / "r").train == ()
