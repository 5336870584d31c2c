"""Sums of deflated blocks, of the samples that came out: what they prove, and that damage is refused as before."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.env import get_gdal_config

from raster_files import scene, write_raster
from rsir_fast.datasets import tiles
from rsir_fast.datasets.open_rasters import read_window
from rsir_fast.datasets.raster import gdal
from rsir_fast.datasets.raster_bands import BandReader, samples_of_raster
from rsir_fast.datasets.reader import Reader
from rsir_fast.datasets.source import opened
from rsir_fast.datasets.tiff_directories import Blocks, read_blocks
from rsir_fast.datasets.tiff_sums import unproven
from rsir_fast.datasets.windows import Window
from rsir_fast.errors import ImageError

SMALL = {"blockxsize": 64, "blockysize": 32}
STORED = {
    "pixel by pixel": {"interleave": "pixel", **SMALL},
    "band by band": {"interleave": "band", **SMALL},
    "differences": {"interleave": "pixel", "predictor": 2, **SMALL},
    "differences, band by band": {"interleave": "band", "predictor": 2, **SMALL},
    "strips": {"tiled": False, "blockysize": 24, "interleave": "pixel", "blockxsize": 256},
    "big-endian": {"ENDIANNESS": "BIG", "interleave": "pixel", "predictor": 2, **SMALL},
}


def blocks_of(path: Path) -> Blocks:
    with opened(path) as source:
        found = read_blocks(source)
    assert found is not None
    return found


def left(path: Path, window: Window, which: np.ndarray) -> list[int]:
    with opened(path) as source, rasterio.open(path) as dataset:
        reader = BandReader(dataset, window)
        reader.read(list(range(1, dataset.count + 1)))
        return unproven(source, blocks_of(path), which, window, reader.seen).tolist()


@pytest.mark.parametrize("bands", [1, 3, 4, 7])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
@pytest.mark.parametrize("stored", STORED)
def test_what_is_whole_is_proven(tmp_path: Path, stored: str, dtype: str, bands: int) -> None:
    path = write_raster(tmp_path / "a.tif", scene(96, 256, bands, dtype), **STORED[stored])
    blocks = blocks_of(path)
    every = np.arange(len(blocks.offsets))
    assert left(path, Window(0, 0, 256, 96), every) == []
    content = bytearray(path.read_bytes())
    for at in (0, len(every) - 1):
        content[int(blocks.offsets[at] + blocks.sizes[at]) - 3] ^= 1  # the sum itself: libtiff may not look at it
    path.write_bytes(content)
    with rasterio.Env(GTIFF_IGNORE_READ_ERRORS=True):
        assert left(path, Window(0, 0, 256, 96), every) == sorted({0, len(every) - 1})


def test_blocks_that_the_window_or_the_image_cuts_are_left(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", scene(100, 200), interleave="pixel", blockxsize=64, blockysize=64)
    every = np.arange(8)
    assert left(path, Window(0, 0, 200, 100), every) == [3, 4, 5, 6, 7]
    assert left(path, Window(10, 0, 190, 100), every) == [0, 3, 4, 5, 6, 7]


def test_the_last_strip_is_proven(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", scene(100, 200), tiled=False, blockysize=64, blockxsize=200)
    assert left(path, Window(0, 0, 200, 100), blocks_of(path).of(Window(0, 0, 200, 100), None)) == []


@pytest.mark.parametrize("predictor", [1, 2])
@pytest.mark.parametrize("interleave", ["pixel", "band"])
def test_damage_changes_no_pixel_unheard(tmp_path: Path, interleave: str, predictor: int) -> None:
    """Of changed bits in the data: a tile is refused, or has the pixels it had.

    As where it is the code that ends the data: zlib would miss the end, the sum is that of the samples.
    """
    path = write_raster(tmp_path / "a.tif", scene(64, 128), interleave=interleave, predictor=predictor, **SMALL)
    blocks, good = blocks_of(path), path.read_bytes()
    before = [np.asarray(image) for image in tiles(path, 32)]
    rng, refused = random.Random(predictor), 0
    for _ in range(60):
        block = rng.randrange(len(blocks.offsets))
        at = int(blocks.offsets[block]) + rng.randrange(int(blocks.sizes[block]))
        path.write_bytes(good[:at] + bytes([good[at] ^ 1 << rng.randrange(8)]) + good[at + 1 :])
        data = tiles(path, 32)
        windows = [data.placed(number).window for number in range(len(data))]
        cut = [number for number, window in enumerate(windows) if block in blocks.of(window, None)]
        for number in (*cut, rng.choice([number for number in range(len(data)) if number not in cut])):
            window = windows[number]
            try:
                image = np.asarray(data.load_image(number))
            except ImageError:
                refused += 1
                assert block in blocks.of(window, None)
            else:
                np.testing.assert_array_equal(image, before[number])
    assert refused >= 57


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "uint32"])
@pytest.mark.parametrize("nodata", [0, 7, 7.5, 300, -1])
def test_no_data_is_where_gdal_says(tmp_path: Path, dtype: str, nodata: float) -> None:
    data = scene(64, 64, dtype=dtype)
    data[:, 10:20] = 7
    data[0, 30:] = 0
    path = write_raster(tmp_path / "a.tif", data)
    try:
        with rasterio.open(path, "r+") as file:
            file.nodata = nodata
    except ValueError:
        pytest.skip("rasterio writes no such value")
    with gdal(), rasterio.open(path) as dataset:
        reader = BandReader(dataset)
        found, expected = samples_of_raster(reader, "GTiff", None).valid, reader.masks([1, 2, 3])
    np.testing.assert_array_equal(np.ones((3, 64, 64), bool) if found is None else found, expected)


def test_the_cache_of_gdal_is_left_as_it_was(tmp_path: Path) -> None:
    """It is one of the process: an application's own reading must not be slowed by ours."""
    paths = [write_raster(tmp_path / f"{number}.tif", scene(64, 64)) for number in range(8)]

    def read(path: Path) -> Any:
        with rasterio.Env():
            return read_window(path, Window(0, 0, 64, 64), Reader())

    with rasterio.Env():
        before = get_gdal_config("GDAL_CACHEMAX")
        assert before > 1 << 20
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(read, paths))
        assert get_gdal_config("GDAL_CACHEMAX") == before
        with gdal():
            assert get_gdal_config("GDAL_CACHEMAX") == 16 << 20
