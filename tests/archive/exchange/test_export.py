"""Archives for other programs, and back to the same bits."""

from __future__ import annotations

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import shapely
from typer.testing import CliRunner

import rsir_fast as rf
from rsir_fast.archive import Features, Snapshot, Writer
from rsir_fast.archive.exchange.exporting import export
from rsir_fast.archive.exchange.hilbert import hilbert_order
from rsir_fast.archive.exchange.importing import import_vectors
from rsir_fast.archive.inputs import About, Input
from rsir_fast.cli import app
from rsir_fast.datasets.footprints import footprint
from rsir_fast.datasets.windows import Place, Window
from rsir_fast.errors import ArchiveError
from small_archive import SPEC, numbers_of, put, write

PLACE = Place("EPSG:32633", (10.0, 0.0, 500000.0, 0.0, -10.0, 5300000.0))
EDGE = Place("EPSG:4326", (0.01, 0.0, 179.0, 0.0, -0.01, 10.0))
TIME = 1_600_000_000_000_000


@pytest.fixture
def archive(tmp_path):
    """A hash model's vectors, codes and probabilities of windows of rasters, two of them without a place."""
    inputs = [
        Input(
            "images",
            "a.tif" if number < 4 else "edge.tif",
            1,
            1,
            "ab"[number % 2],
            Window(256 * number if number < 4 else 50, 0, 256, 256),
            place,
            bounds=(15 + number / 100, 47.0, 15.1, 47.9) if number < 4 else (179.5, 7.4, -177.9, 10.0),
            time=TIME + number,
            columns=(("cloud", number / 8), ("sensor", "S2")),
        )
        for number, place in enumerate([PLACE] * 4 + [EDGE])
    ]
    inputs += [Input("images", f"plain{number}.png", 1, 1, "a") for number in range(2)]
    rows = [numbers_of(bytes([number])) for number in range(len(inputs))]
    folder = tmp_path / "archive"
    about = About(name="tiles", roots={"images": "/images"}, classes=("a", "b"))
    with Writer(folder, SPEC, {}, inputs, about=about, sha256=lambda number: f"{number:064x}") as writer:
        writer.add(range(len(rows)), {field.name: np.stack([row[field.name] for row in rows]) for field in SPEC.fields})
        writer.commit()
    return folder


def by_item(folder):
    found = Features.load(folder)
    fields = {field.name: np.asarray(found[field.name]) for field in SPEC.fields}
    return {item: {name: rows[at].tobytes() for name, rows in fields.items()} for at, item in enumerate(found.items)}


def test_what_goes_out_comes_back_with_the_same_bits(archive, tmp_path):
    done = export(archive, tmp_path / "out.parquet")
    assert (done.version, done.rows, done.placed) == (1, 7, 5)
    import_vectors(tmp_path / "back", tmp_path / "out.parquet")
    assert by_item(tmp_path / "back") == by_item(archive)
    first, back = Features.load(archive), Features.load(tmp_path / "back")
    assert Snapshot(tmp_path / "back").spec == SPEC
    for column in ("class", "time", "cloud", "sensor"):
        both = [dict(zip(one.items, one.items.column(column).to_pylist(), strict=True)) for one in (first, back)]
        assert both[0] == both[1]
    query = rf.Query(vectors=[first["u"][0].tolist()], field="u", k=3)
    answers = [rf.Archive(folder).search(query) for folder in (archive, tmp_path / "back")]
    assert [found.item for found in answers[0].answers[0].results] == [
        found.item for found in answers[1].answers[0].results
    ]
    assert np.array_equal(answers[0].squared, answers[1].squared)


def test_geoparquet(archive, tmp_path):
    export(archive, tmp_path / "out.parquet")
    table = pq.read_table(tmp_path / "out.parquet")
    geo = json.loads(pq.read_metadata(tmp_path / "out.parquet").metadata[b"geo"])
    column = geo["columns"][geo["primary_column"]]
    assert (geo["version"], column["encoding"], column["geometry_types"]) == (
        "1.1.0",
        "WKB",
        ["MultiPolygon", "Polygon"],
    )
    assert column["covering"] == {"bbox": {name: ["bbox", name] for name in ("xmin", "ymin", "xmax", "ymax")}}
    shapes = dict(zip(table["item"].to_pylist(), shapely.from_wkb(table["geometry"].to_pylist()), strict=True))
    outline = footprint(PLACE, Window(256, 0, 256, 256))
    assert shapes["a.tif#xywh=256,0,256,256"].equals(shapely.Polygon(outline))
    assert shapes["plain0.png"] is None
    across = shapes["edge.tif#xywh=50,0,256,256"]
    assert across.geom_type == "MultiPolygon"
    assert across.bounds[0] == -180
    boxes = dict(zip(table["item"].to_pylist(), table["bbox"].to_pylist(), strict=True))
    assert boxes["plain1.png"] is None
    assert list(boxes["a.tif#xywh=0,0,256,256"].values()) == list(shapes["a.tif#xywh=0,0,256,256"].bounds)
    assert pq.ParquetFile(tmp_path / "out.parquet").metadata.row_group(0).column(0).compression == "ZSTD"


def test_the_item_of_stac(archive, tmp_path):
    export(archive, tmp_path / "out.parquet")
    item = json.loads((tmp_path / "out.stac.json").read_text())
    assert item["properties"]["emb:dimensions"] == 20
    assert item["properties"]["emb:chip_layout"]["chip_size"] == [256, 256]
    assert item["properties"]["start_datetime"] == "2020-09-13T12:26:40+00:00"
    assert item["assets"]["embeddings"]["href"] == "./out.parquet"
    assert item["bbox"] == [-180.0, 7.4, 180.0, 47.9]


def test_geojson(archive, tmp_path):
    export(archive, tmp_path / "out.geojson")
    features = json.loads((tmp_path / "out.geojson").read_text())["features"]
    assert [feature["id"] for feature in features] == list(range(7))
    assert features[5]["geometry"] is None
    assert features[3]["properties"]["cloud"] == 0.375
    ring = np.array(features[1]["geometry"]["coordinates"][0])
    assert np.abs(shapely.Polygon(ring).exterior.bounds - np.array(_bounds(Window(256, 0, 256, 256)))).max() < 1e-9
    assert shapely.LinearRing(ring).is_ccw


def _bounds(window):
    outline = footprint(PLACE, window)
    return [*outline.min(axis=0), *outline.max(axis=0)]


def test_a_matrix_and_its_table(archive, tmp_path):
    export(archive, tmp_path / "codes.npy", field="codes")
    export(archive, tmp_path / "u.npy", field="u")
    found = Features.load(archive)
    assert np.array_equal(np.load(tmp_path / "codes.npy"), found["codes"])
    assert np.array_equal(np.load(tmp_path / "u.npy"), found["u"])
    assert pq.read_table(tmp_path / "u.items.parquet")["item"].to_pylist() == list(found.items)
    with pytest.raises(ValueError, match="expected one of the fields u, codes, probabilities"):
        export(archive, tmp_path / "x.npy", field="x")


def test_a_version_and_what_is_removed(archive, tmp_path):
    rf.Archive(archive).remove([1, 2])
    assert export(archive, tmp_path / "out.parquet").rows == 5
    assert export(archive, tmp_path / "old.parquet", version=1).rows == 7
    assert sorted(pq.read_table(tmp_path / "out.parquet")["id"].to_pylist()) == [0, 3, 4, 5, 6]


def test_without_places(tmp_path):
    put(tmp_path / "images", ["a/1.bin", "b/2.bin"])
    write(tmp_path / "archive", tmp_path / "images")
    done = export(tmp_path / "archive", tmp_path / "out.parquet")
    assert done.placed == 0
    assert "geometry" not in pq.read_schema(tmp_path / "out.parquet").names
    assert json.loads((tmp_path / "out.stac.json").read_text())["geometry"] is None


def test_files_that_are_there_stay(archive, tmp_path):
    (tmp_path / "out.stac.json").write_text("mine")
    with pytest.raises(ArchiveError, match="out.stac.json is there already"):
        export(archive, tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()
    export(archive, tmp_path / "out.parquet", force=True)
    with pytest.raises(ValueError, match="expected a name that ends in .parquet, .geojson, .npy, got 'out.shp'"):
        export(archive, tmp_path / "out.shp")


def test_the_command(archive, tmp_path):
    run = CliRunner().invoke(app, ["archive", "export", str(archive), str(tmp_path / "out.geojson")])
    assert (run.exit_code, run.stdout) == (0, f"{tmp_path / 'out.geojson'}: 7 items of version 1, 5 with a place\n")
    run = CliRunner().invoke(app, ["archive", "export", str(archive), str(tmp_path / "out.geojson")])
    assert run.exit_code == 1
    run = CliRunner().invoke(app, ["archive", "export", str(archive), str(tmp_path / "out.txt")])
    assert run.exit_code == 2


def test_neighbours_on_earth_are_neighbours_in_the_file():
    draw = np.random.default_rng(0)
    longitude, latitude = draw.uniform(-180, 180, 4000), draw.uniform(-90, 90, 4000)
    order = hilbert_order(longitude, latitude)
    assert sorted(order) == list(range(4000))
    step = np.hypot(np.diff(longitude[order]), np.diff(latitude[order]))
    shuffled = np.hypot(np.diff(longitude), np.diff(latitude))
    assert step.mean() < shuffled.mean() / 20


def test_the_curve_of_sixteen_cells():
    grid = (np.arange(4) + 0.5) / 4
    longitude, latitude = (axis.ravel() for axis in np.meshgrid(360 * grid - 180, 180 * grid - 90))
    order = hilbert_order(longitude, latitude)
    cells = np.stack([order % 4, order // 4], axis=1)
    assert np.abs(np.diff(cells, axis=0)).sum(axis=1).tolist() == [1] * 15
