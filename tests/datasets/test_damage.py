"""Damaged files of every format: those that end early are refused, and what a sum or a decoder can tell."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rasterio.io import MemoryFile

from datasets.jpeg_files import scene
from rsir_fast.datasets import read_image
from rsir_fast.errors import ImageError

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


def picture(kind: str, mode: str = "RGB", **options) -> bytes:
    file = io.BytesIO()
    scene(1).convert(mode).save(file, kind, **options)
    return file.getvalue()


def raster(driver: str = "GTiff", dtype: str = "uint8", **options) -> bytes:
    pixels = np.asarray(scene(1)).transpose(2, 0, 1).astype(dtype) * (257 if dtype == "uint16" else 1)
    size = {"width": 256, "height": 256, "count": 3, "dtype": dtype}
    with MemoryFile() as memory:
        with memory.open(driver=driver, **size, **options) as file:
            file.write(pixels)
        return bytes(memory.getbuffer())


TILED = {"tiled": True, "blockxsize": 64, "blockysize": 64}
YCBCR = {"compress": "jpeg", "photometric": "ycbcr", "interleave": "pixel"}
FILES = {
    "png": lambda: picture("PNG"),
    "png of a palette": lambda: picture("PNG", "P"),
    "png with alpha": lambda: picture("PNG", "RGBA"),
    "png of 16 bits": lambda: raster("PNG", "uint16"),
    "bmp": lambda: picture("BMP"),
    "webp": lambda: picture("WEBP"),
    "webp, lossless": lambda: picture("WEBP", lossless=True),
    "jpeg2000": lambda: raster("JP2OpenJPEG"),
    "jpeg2000, lossless": lambda: raster("JP2OpenJPEG", reversible="yes", quality=100),
    "tiff": lambda: raster(),
    "tiff, tiled": lambda: raster(**TILED),
    "tiff, lzw": lambda: raster(compress="lzw"),
    "tiff, lzw of 16 bits": lambda: raster(dtype="uint16", compress="lzw", predictor=2),
    "tiff, packbits": lambda: raster(compress="packbits"),
    "tiff, zstd": lambda: raster(compress="zstd"),
    "tiff, webp": lambda: raster(compress="webp", interleave="pixel"),
    "tiff, lerc": lambda: raster(compress="lerc"),
    "tiff, lzma": lambda: raster(compress="lzma"),
    "tiff, deflate": lambda: raster(compress="deflate"),
    "tiff, deflate, tiled": lambda: raster(compress="deflate", interleave="pixel", **TILED),
    "tiff, deflate, sparse": lambda: raster(compress="deflate", sparse_ok=True, **TILED),
    "bigtiff, deflate": lambda: raster(compress="deflate", BIGTIFF="YES", predictor=2),
    "tiff, big-endian, deflate": lambda: raster(compress="deflate", ENDIANNESS="BIG", dtype="uint16"),
    "tiff, jpeg": lambda: raster(**YCBCR),
    "tiff, jpeg, tiled": lambda: raster(**YCBCR, **TILED),
    "tiff, jpeg, each band": lambda: raster(compress="jpeg", interleave="band"),
}
SUMS = {"png", "deflate", "lerc", "lzma"}
"""Kinds that have a sum, or none that a changed byte would pass."""

ZEROS = {*SUMS, "jpeg"}
"""Kinds in which zeros are noticed."""


def has(kind: str, what: set[str]) -> bool:
    return not what.isdisjoint(kind.replace(",", "").split())


def refused(path: Path, content: bytes) -> bool:
    path.write_bytes(content)
    try:
        read_image(path)
    except ImageError:
        return True
    return False


def cuts(content: bytes) -> Iterator[bytes]:
    for part in range(5, 100, 10):
        yield content[: len(content) * part // 100]
    for count in (1, 2, 3, 10, 100):
        yield content[:-count]


@pytest.mark.parametrize("kind", FILES)
def test_files_that_end_early(tmp_path: Path, kind: str) -> None:
    good = FILES[kind]()
    path = tmp_path / "image"
    assert not refused(path, good)
    assert not refused(path, good + b"more" * 100), "what follows the image is no part of it"
    assert all(refused(path, bad) for bad in cuts(good))


@pytest.mark.parametrize("kind", [kind for kind in FILES if has(kind, ZEROS)])
def test_zeros_within(tmp_path: Path, kind: str) -> None:
    good = FILES[kind]()
    path = tmp_path / "image"
    rng = random.Random(kind)
    assert not refused(path, good)
    for size in (64, 100, 512, 4096):
        at = rng.randrange(len(good) // 4, len(good) // 2)
        assert refused(path, good[:at] + bytes(size) + good[at + size :])
    middle = len(good) * 3 // 4
    assert refused(path, good[:middle] + bytes(len(good) - middle))


@pytest.mark.parametrize("kind", [kind for kind in FILES if has(kind, SUMS)])
def test_any_change_within(tmp_path: Path, kind: str) -> None:
    good = FILES[kind]()
    path = tmp_path / "image"
    rng = random.Random(kind)
    for _ in range(8):
        at = rng.randrange(len(good) // 4, len(good) * 3 // 4)
        bad = good[:at] + bytes([good[at] ^ (1 << rng.randrange(8))]) + good[at + 1 :]
        assert refused(path, bad), at


@pytest.mark.parametrize("missing", ["IDAT", "IEND"])
def test_a_chunk_is_missing(tmp_path: Path, missing: str) -> None:
    good = picture("PNG")
    at = good.index(missing.encode()) - 4
    length = int.from_bytes(good[at : at + 4], "big")
    assert refused(tmp_path / "a.png", good[:at] + good[at + 12 + length :])


def test_flat_images_without_data_are_good(tmp_path: Path) -> None:
    """Tiles of nothing compress to next to nothing, and some are left out."""
    for options in ({"compress": "deflate"}, {"compress": "deflate", "sparse_ok": True}, YCBCR):
        empty = np.zeros((3, 512, 512), np.uint8)
        with (
            MemoryFile() as memory,
            memory.open(driver="GTiff", width=512, height=512, count=3, dtype="uint8", **TILED, **options) as file,
        ):
            file.write(empty)
            file.close()
            (tmp_path / "a.tif").write_bytes(bytes(memory.getbuffer()))
        assert not np.asarray(read_image(tmp_path / "a.tif")).any()


def test_tiles_of_another_size_than_the_image(tmp_path: Path) -> None:
    Image.new("RGB", (70, 70)).save(tmp_path / "a.tif", compression="tiff_adobe_deflate")
    read_image(tmp_path / "a.tif")
