"""``rsir archive create`` and ``add``: exit codes, one line for what is wrong, nothing half-written."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.rpc import RPC
from typer.testing import CliRunner

from plain_tiff import MINISBLACK, Page, write_tiff
from raster_files import NORTH_UP, scene, write_raster
from rsir_fast.archive import Features
from rsir_fast.cli import app

QUICK = ["-e", "colour-histogram"]
pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


def rsir(*arguments: object):
    return CliRunner().invoke(app, ["archive", *map(str, arguments)])


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    for year in (2024, 2025):
        write_raster(tmp_path / "scenes" / f"s_{year}0501.tif", scene(200, 300, 4, seed=year))
    return tmp_path / "scenes"


def test_create_again_add_and_mirror(scenes: Path, tmp_path: Path) -> None:
    archive = tmp_path / "A"
    recipe = [scenes / "*.tif", "--size", 128, "--bands", "3,2,1", "--date", "*_%Y%m%d*", *QUICK]
    told = rsir("create", archive, *recipe, "--dry-run", "--json")
    assert told.exit_code == 0, told.output
    assert {"items": 12, "new": 12, "dry_run": True}.items() <= json.loads(told.stdout).items()
    assert not archive.exists()
    made = rsir("create", archive, *recipe, "--json")
    assert made.exit_code == 0, made.output
    assert {"version": 1, "added": 12, "items": 12, "skipped": []}.items() <= json.loads(made.stdout).items()
    assert "version 1, nothing new; 12 items" in rsir("create", archive, *recipe).stdout
    write_raster(tmp_path / "new" / "s_20260501.tif", scene(200, 300, 4))
    assert "version 2, 6 tiles added" in rsir("add", archive, tmp_path / "new").stdout
    assert Features.load(archive).spec.reader.bands == (3, 2, 1)
    (scenes / "s_20240501.tif").unlink()
    assert "6 items gone; --mirror removes them: s_20240501.tif#xywh=0,0,128,128" in rsir("add", archive, scenes).stderr
    gone = rsir("add", archive, scenes, "--mirror", "--json")
    assert {"removed": 6, "items": 12}.items() <= json.loads(gone.stdout).items()
    assert len(json.loads(gone.stdout)["gone"]) == 6


def test_class_folders(tmp_path: Path) -> None:
    import rsir_fast as rf

    rf.generate_scenes(tmp_path / "images", classes=["forest", "river"], per_class=2)
    assert rsir("create", tmp_path / "A", tmp_path / "images", *QUICK).exit_code == 0
    assert Features.load(tmp_path / "A").classes == ("forest", "river")
    done = rsir("add", tmp_path / "A", tmp_path / "images")
    assert "nothing new; 4 items" in done.stdout


def test_some_rasters_cannot_be_used(scenes: Path, tmp_path: Path) -> None:
    write_raster(scenes / "two.tif", scene(200, 300, 2))
    (scenes / "text.tif").write_text("no raster")
    done = rsir("create", tmp_path / "A", scenes, "--size", 128, *QUICK)
    assert done.exit_code == 3
    assert "2 images could not be read" in done.stderr
    assert re.search(r"^  two.tif: has 2 bands: expected 1, 3 or 4", done.stderr, re.MULTILINE)
    assert re.search(r"^  text.tif: expected a GeoTIFF or JPEG2000 file.* found text", done.stderr, re.MULTILINE)
    again = rsir("add", tmp_path / "A", scenes)
    assert again.exit_code == 3
    assert "nothing new; 12 items" in again.stdout
    assert again.stderr.count("two.tif") == 1


def truncated(path: Path) -> None:
    write_raster(path, scene(200, 300), interleave="pixel")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - 9000])


def a_block_is_missing(path: Path) -> None:
    write_tiff(path, Page(np.zeros((64, 64, 1), np.uint8), MINISBLACK))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize(
    ("write", "options", "said"),
    [
        (lambda path: write_raster(path, scene(9, 9, 2)), [], "has 2 bands: expected 1, 3 or 4"),
        (lambda path: write_raster(path, scene(9, 9, 5)), [], "has 5 bands: expected 1, 3 or 4"),
        (lambda path: write_raster(path, scene(9, 9, 13)), ["--bands", "4,3,14"], "has 13 bands, not the band 14"),
        (truncated, [], r"damaged|truncated"),
        (a_block_is_missing, [], r"damaged|truncated"),
        (lambda path: path.write_bytes(b""), [], "the file is empty"),
        (lambda path: path.write_text("x"), [], "expected a GeoTIFF or JPEG2000 file to cut into tiles, found text"),
        (lambda path: write_raster(path, scene(9, 9), crs=None), ["--unit", "m"], "expected a CRS for tiles in metres"),
    ],
)
def test_a_raster_alone_that_cannot_be_used(tmp_path: Path, write: object, options: list[str], said: str) -> None:
    (tmp_path / "s").mkdir()
    write(tmp_path / "s" / "a.tif")  # type: ignore[operator]
    done = rsir("create", tmp_path / "A", tmp_path / "s" / "a.tif", "--size", 8, *options, *QUICK)
    assert done.exit_code == 1, done.output
    assert re.search(rf"rsir: error: .*{said}", done.stderr), done.stderr
    assert not (tmp_path / "A").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nowhere/*.tif", "--size", 9], 1, "nowhere/*.tif: expected rasters, found no such file"),
        (["gs://bucket/a.tif", "--size", 9], 1, "gs://bucket/a.tif: expected files of this machine, or s3://BUCKET"),
        (["SCENES/s_20240501.tif"], 1, "files without a size; say it"),
        (["SCENES", "--size", 0], 2, "--size: expected"),
        (["SCENES", "--size", 9, "--stride", "-1"], 2, "--stride: expected"),
        (["SCENES", "--size", 9.5], 2, "--size: expected whole pixels"),
        (["SCENES", "--size", 9, "--date", "%d"], 2, "--date: expected a pattern with a year"),
        (["SCENES", "--size", 9, "--date", "x_%Y"], 2, "--date: expected file names with a date such as x_%Y"),
        (["SCENES", "--size", 9, "--nodata-max", 2], 2, "--nodata-max: expected"),
        (["SCENES", "--stride", 9], 2, "--stride: expected --size to go with it"),
        (["SCENES", "--size", 9, "--bands", "1,2"], 2, "--bands: expected the numbers of three bands"),
    ],
)
def test_what_cannot_be_meant(scenes: Path, tmp_path: Path, arguments: list[object], code: int, said: str) -> None:
    given = [str(each).replace("SCENES", str(scenes)) for each in arguments]
    done = rsir("create", tmp_path / "A", *given, *QUICK)
    assert done.exit_code == code, done.output
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "A").exists()


def test_another_recipe_bands_or_scale(scenes: Path, tmp_path: Path) -> None:
    archive = tmp_path / "A"
    assert rsir("create", archive, scenes, "--size", 128, *QUICK).exit_code == 0
    for options, said in (
        (["--size", 64], "expected tiles of 128 px every 128"),
        (["--size", 128, "--bands", "1"], "another encoder (bands: none, now 1)"),
        (["--size", 128, "--scale", "0:99"], "another encoder (scale: none, now 0:99)"),
    ):
        done = rsir("create", archive, scenes, *options, *QUICK)
        assert done.exit_code == 1
        assert said in done.stderr
    assert "expected an archive" in rsir("add", tmp_path / "none", scenes).stderr


def test_places_that_are_odd(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    write_raster(folder / "none.tif", scene(64, 64), crs=None, transform=None)
    write_raster(folder / "points.tif", scene(64, 64), crs=None, transform=None)
    with rasterio.open(folder / "points.tif", "r+") as file:
        points = [GroundControlPoint(row, column, 10 + column, 50 - row) for row in (0, 64) for column in (0, 64)]
        file.gcps = points, "EPSG:4326"
    write_raster(folder / "turned.tif", scene(64, 64), transform=NORTH_UP @ rasterio.Affine.rotation(30))
    done = rsir("create", tmp_path / "A", folder, "--size", 32, *QUICK)
    assert done.exit_code == 0, done.output
    assert "note: a raster has no CRS: tiles without bounds: none.tif" in done.stderr
    assert "note: a raster has ground control points only: tiles without bounds" in done.stderr
    features = Features.load(tmp_path / "A")
    bounds = features.items.bounds
    turned = np.array([item.startswith("turned") for item in features.items])
    assert np.isfinite(bounds).all(axis=1).tolist() == turned.tolist()


@pytest.mark.parametrize("kind", ["points", "RPCs"])
def test_the_remedy_places_a_raster(tmp_path: Path, kind: str) -> None:
    write_raster(tmp_path / "in.tif", scene(64, 64), crs=None, transform=None)
    with rasterio.open(tmp_path / "in.tif", "r+") as file:
        if kind == "points":
            points = [GroundControlPoint(row, column, 10 + column, 50 - row) for row in (0, 64) for column in (0, 64)]
            file.gcps = points, "EPSG:4326"
        else:  # pixel = longitude, line = -latitude, of what is scaled to -1 to 1
            first = [float(place == 0) for place in range(20)]
            scales = {
                "height_off": 0,
                "height_scale": 1,
                "lat_off": 45,
                "lat_scale": 1,
                "long_off": 15,
                "long_scale": 1,
            }
            scales |= {"line_off": 32, "line_scale": 32, "samp_off": 32, "samp_scale": 32}
            along = [[sign * (place == at) for place in range(20)] for at, sign in ((1, 1.0), (2, -1.0))]
            file.rpcs = RPC(
                **scales, line_num_coeff=along[1], line_den_coeff=first, samp_num_coeff=along[0], samp_den_coeff=first
            )
    said = rsir("create", tmp_path / "A", tmp_path / "in.tif", "--size", 32, *QUICK).stderr
    command = re.search("`(.+)` places it", said)
    assert command is not None, said
    words = [{"IN": "in.tif", "OUT": "out.tif"}.get(word, word) for word in command[1].split()]
    places = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    if shutil.which(words[0], path=places) is None:
        pytest.skip(f"{words[0]} is not installed")
    subprocess.run(words, cwd=tmp_path, env={**os.environ, "PATH": places}, check=True, capture_output=True)
    done = rsir("create", tmp_path / "B", tmp_path / "out.tif", "--size", 32, *QUICK)
    assert "without bounds" not in done.stderr
    assert np.isfinite(Features.load(tmp_path / "B").items.bounds).all()


def test_a_killed_command_goes_on(scenes: Path, tmp_path: Path) -> None:
    archive = tmp_path / "A"
    command = [sys.executable, "-m", "rsir_fast", "archive", "create", str(archive), str(scenes), "--size", "16"]
    with subprocess.Popen([*command, *QUICK], stderr=subprocess.DEVNULL) as killed:
        while killed.poll() is None and not list(archive.glob("work/*/000000")):
            pass
        killed.kill()
    done = rsir("create", archive, scenes, "--size", 16, *QUICK, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["items"] == 2 * 13 * 19
    assert 0 < told["timing"]["images"] < told["items"] or told["version"] == 1
    fresh = rsir("create", tmp_path / "B", scenes, "--size", 16, *QUICK)
    assert fresh.exit_code == 0
    assert Features.load(archive).matrix.tobytes() == Features.load(tmp_path / "B").matrix.tobytes()
