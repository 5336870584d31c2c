"""Rasters beyond their layout: damage, faults of the machine, files beside them, threads, silence."""

from __future__ import annotations

import errno
import logging
import os
import random
import subprocess
import sys
import threading
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning

from odd_layouts import Layout, gdal, layouts, pixels, samples
from plain_tiff import MINISBLACK, RGB, Page, write_tiff
from rsir_fast.datasets import open_dataset, read_image
from rsir_fast.datasets.reader import Reader
from rsir_fast.errors import ImageError, MachineError

NOT_GEOREFERENCED = pytest.mark.filterwarnings(f"ignore::{NotGeoreferencedWarning.__module__}.NotGeoreferencedWarning")
pytestmark = NOT_GEOREFERENCED

LOSSLESS = {"quality": 100, "reversible": True}
WHOLE = {
    "strips.tif": gdal(samples("uint16", 3)),
    "deflate.tif": gdal(samples("uint16", 3), compress="deflate", tiled=True, blockxsize=16, blockysize=16),
    "lzw.tif": gdal(samples("uint8", 3), compress="lzw"),
    "zstd.tif": gdal(samples("float32", 3), compress="zstd"),
    "jpeg.tif": gdal(samples("uint8", 3), compress="jpeg", photometric="ycbcr"),
    "webp.tif": gdal(samples("uint8", 3), compress="webp", webp_lossless=True),
    "lerc.tif": gdal(samples("uint16", 3), compress="lerc"),
    "a.jp2": gdal(samples("uint16", 3), "JP2OpenJPEG", **LOSSLESS),
    "a.j2k": gdal(samples("uint8", 3), "JP2OpenJPEG", codec="J2K", **LOSSLESS),
    "sixteen.png": gdal(samples("uint16", 3), "PNG"),
    "eight.png": lambda path: Image.fromarray(pixels(samples("uint8", 3))).save(path),
    "a.webp": lambda path: Image.fromarray(pixels(samples("uint8", 3))).save(path, lossless=True),
    "a.bmp": lambda path: Image.fromarray(pixels(samples("uint8", 3))).save(path),
    "a.jpg": lambda path: Image.fromarray(pixels(samples("uint8", 3))).save(path),
}


def read_or_reason(path: Path, reader: Reader | None = None) -> np.ndarray | str:
    """Return the pixels, or the sentence that refuses them."""
    try:
        return np.asarray(read_image(path, reader or Reader()))
    except ImageError as refused:
        reason = str(refused)
    assert reason.startswith(f"{path}: ")
    assert "\n" not in reason
    assert "vsi" not in reason
    return reason


@pytest.mark.parametrize("name", WHOLE)
def test_every_cut_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    WHOLE[name](path)
    content = path.read_bytes()
    whole = np.asarray(read_image(path))
    for length in sorted({*range(1, 40), *range(40, len(content), max(1, len(content) // 60)), len(content) - 1}):
        path.write_bytes(content[:length])
        found = read_or_reason(path)
        if not isinstance(found, str):  # what is cut off may be nothing of the picture
            np.testing.assert_array_equal(found, whole, err_msg=f"{name} cut to {length} of {len(content)}")


@pytest.mark.parametrize("name", WHOLE)
def test_no_garbage_does_harm(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    WHOLE[name](path)
    content = path.read_bytes()
    rng = random.Random(name)
    outcomes: Counter[bool] = Counter()
    for _ in range(60):
        changed = bytearray(content)
        at = rng.randrange(len(content))
        size = rng.choice((1, 4, 40, 400))
        changed[at : at + size] = rng.randbytes(min(size, len(content) - at))
        path.write_bytes(changed)
        outcomes[isinstance(read_or_reason(path), str)] += 1
    assert outcomes.total() == 60


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("number", [errno.EIO, errno.ETIMEDOUT, errno.ENOMEM])
def test_a_fault_at_any_read_is_the_machines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, number: int
) -> None:
    path = tmp_path / name
    WHOLE[name](path)
    pread, calls, failing = os.pread, 0, 0

    def failing_pread(*arguments: int) -> bytes:
        nonlocal calls
        calls += 1
        if calls >= failing:
            raise OSError(number, os.strerror(number))
        return pread(*arguments)

    for whole in (32 << 20, 0):
        monkeypatch.setattr("rsir_fast.datasets.source._WHOLE", whole)
        with monkeypatch.context() as patched:
            patched.setattr(os, "pread", failing_pread)
            failing, calls = 1000, 0
            read_image(path)
            needed, failing = calls, 0
            # libtiff aborts the process if it cannot read a directory again: why small files are read before.
            while failing < needed and (whole or name != "deflate.tif"):
                failing, calls = failing + 1, 0
                with pytest.raises(MachineError, match=os.strerror(number)) as caught:
                    read_image(path)
                assert str(caught.value).startswith(f"{path}: ")


def test_boxes_of_jpeg2000_without_an_end(tmp_path: Path) -> None:
    """GDAL goes through a box of length 0 within another for ever."""
    path = tmp_path / "a.jp2"
    WHOLE["a.jp2"](path)
    content = path.read_bytes()
    paths = []
    for kind, length in ((b"colr", 0), (b"ihdr", 0), (b"colr", 7), (b"colr", 2**31), (b"jp2h", 3)):
        at = content.index(kind) - 4
        paths.append(tmp_path / f"{kind.decode()}-{length}.jp2")
        paths[-1].write_bytes(content[:at] + length.to_bytes(4, "big") + content[at + 4 :])
    script = """
import pathlib, sys
from rsir_fast.datasets import read_image
from rsir_fast.errors import ImageError
for path in map(pathlib.Path, sys.argv[1:]):
    try:
        read_image(path)
    except ImageError as error:
        print(error, flush=True)
"""
    done = subprocess.run([sys.executable, "-c", script, *paths], capture_output=True, text=True, timeout=60)
    told = done.stdout.splitlines()
    assert len(told) == len(paths), done
    for path, text in zip(paths, told, strict=True):
        assert path.name in text
        assert "damaged JPEG2000 file (box" in text


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "loop.tif").symlink_to("loop.tif")
    with pytest.raises(ImageError, match="a link that leads to itself"):
        read_image(tmp_path / "loop.tif")
    with pytest.raises(ImageError, match="does not exist"):
        read_image(tmp_path / "a.tif" / "b.tif")
    with pytest.raises(ImageError, match="name is too long"):
        read_image(tmp_path / ("a" * 300 + ".tif"))
    script = """
import os, resource, sys
from pathlib import Path
from rsir_fast.datasets import read_image
from rsir_fast.errors import MachineError
read_image(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
held = []
while True:
    try:
        held.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        break
try:
    read_image(Path(sys.argv[1]))
except MachineError as error:
    print(error)
os.close(held[0])
read_image(Path(sys.argv[1]))
"""
    WHOLE["deflate.tif"](tmp_path / "deflate.tif")
    said = subprocess.check_output([sys.executable, "-c", script, tmp_path / "deflate.tif"], text=True)
    assert "Too many open files" in said


def test_only_the_file_itself_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    WHOLE["strips.tif"](path)
    alone = np.asarray(read_image(path))
    (tmp_path / "a.tif.aux.xml").write_text(
        "<PAMDataset><PAMRasterBand band='1'><NoDataValue>2000</NoDataValue>"
        "<ColorInterp>Alpha</ColorInterp></PAMRasterBand></PAMDataset>"
    )
    (tmp_path / "a.tfw").write_text("10\n0\n0\n-10\n500000\n4600000\n")
    gdal(np.zeros((1, 37, 52), np.uint8))(tmp_path / "a.tif.msk")
    before = sorted(os.listdir(tmp_path))
    np.testing.assert_array_equal(np.asarray(read_image(path)), alone)
    assert sorted(os.listdir(tmp_path)) == before


def test_a_place_tells_how_a_scene_lies(tmp_path: Path) -> None:
    """A GIS ignores the orientation of a georeferenced TIFF, a viewer follows that of any other."""
    path = tmp_path / "a.tif"
    write_tiff(path, Page(pixels(samples("uint8", 3)), RGB, orientation=6))
    assert read_image(path).size == (37, 52)
    with rasterio.open(path, "r+") as file:
        file.transform = rasterio.Affine(10, 0, 500000, 0, -10, 4600000)
    assert b"\x01\x12" in path.read_bytes() or b"\x12\x01" in path.read_bytes(), "the tag is still there"
    assert read_image(path).size == (52, 37)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"<VRTDataset rasterXSize='9' rasterYSize='9'></VRTDataset>", "a GDAL virtual raster"),
        (b"CDF\x01" + bytes(50), "a NetCDF file"),
        (b"\x89HDF\r\n\x1a\n" + bytes(50), "an HDF5 or NetCDF file"),
        (b"\0\0\0\x1cftypavif" + bytes(50), "a HEIF, AVIF or video file"),
        (b"PK\x03\x04" + bytes(50), "a ZIP archive"),
        (b"\0\1\2\3" * 20, "unknown content (it starts with 00 01 02 03 00 01 02 03)"),
    ],
)
def test_other_formats_are_named(tmp_path: Path, content: bytes, found: str) -> None:
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(ImageError) as caught:
        read_image(tmp_path / "a.tif")
    assert f"expected a JPEG, PNG, TIFF, JPEG2000, BMP or WebP image, found {found}; convert it" in str(caught.value)


def test_size_is_refused_before_decoding(tmp_path: Path) -> None:
    for name, profile in {"a.tif": {"sparse_ok": True, "tiled": True}, "b.tif": {"sparse_ok": True}}.items():
        with rasterio.open(
            tmp_path / name, "w", driver="GTiff", width=60000, height=50000, count=3, dtype="uint16", **profile
        ):
            pass
        with pytest.raises(ImageError, match=r"60000 x 50000 pixels are more than the limit .* cut"):
            read_image(tmp_path / name)


def test_threads_read_the_same(tmp_path: Path) -> None:
    chosen: list[tuple[Layout, Path, np.ndarray]] = []
    for layout in list(layouts())[::7]:
        path = tmp_path / f"{layout.name}{layout.suffix}"
        layout.write(path)
        if layout.refused is None:
            reader = Reader.parse(layout.bands, layout.scale)
            chosen.append((layout, path, np.asarray(read_image(path, reader))))
    assert len(chosen) > 20
    wrong: list[str] = []

    def work(seed: int) -> None:
        for layout, path, expected in random.Random(seed).sample(chosen, len(chosen)):
            found = read_or_reason(path, Reader.parse(layout.bands, layout.scale))
            if isinstance(found, str) or not np.array_equal(found, expected):
                wrong.append(layout.name)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_nothing_is_said_on_the_side(tmp_path: Path) -> None:
    """Neither of tags that nobody reads, nor of damage, which the error tells; whatever the application logs."""
    page = Page(pixels(samples("uint8", 4)), MINISBLACK)  # as the Landsat and NAIP scenes: extra bands without a name
    write_tiff(tmp_path / "a.tif", page)
    WHOLE["jpeg.tif"](tmp_path / "b.tif")
    content = bytearray((tmp_path / "b.tif").read_bytes())
    content[len(content) // 2 : len(content) // 2 + 300] = bytes(300)
    (tmp_path / "b.tif").write_bytes(content)
    script = """
import logging, sys
from pathlib import Path
if sys.argv[1] != "nothing":
    logging.basicConfig(level=sys.argv[1])
    logging.getLogger("PIL").setLevel("WARNING")
from rsir_fast.datasets import read_image
from rsir_fast.errors import ImageError
read_image(Path(sys.argv[2]) / "a.tif")
try:
    read_image(Path(sys.argv[2]) / "b.tif")
except ImageError:
    print("refused")
"""
    for level in ("nothing", "WARNING", "CRITICAL"):
        arguments = [sys.executable, "-c", script, level, tmp_path]
        done = subprocess.run(arguments, capture_output=True, text=True, check=True)
        assert (done.stdout, done.stderr) == ("refused\n", ""), level


def test_an_application_that_silences_rasterio_hears_of_damage(tmp_path: Path) -> None:
    logger = logging.getLogger("rasterio")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        test_every_cut_is_refused(tmp_path, "jpeg.tif")
    finally:
        logger.setLevel(before)


def test_whatever_an_application_sets_damage_is_heard(tmp_path: Path) -> None:
    """Of these codes GDAL only warns; ``dictConfig`` turns off the loggers that it does not know."""
    path = tmp_path / "fax.tif"
    scene = np.random.default_rng(0).integers(0, 2, (64, 64)).repeat(4, 0).astype(np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        shape = {"width": 64, "height": 256, "count": 1, "dtype": "uint8"}
        with rasterio.open(path, "w", driver="GTiff", nbits=1, compress="CCITTFAX3", **shape) as file:
            file.write(scene, 1)
    content = path.read_bytes()

    def refused() -> set[int]:
        found = set()
        for at in range(300, len(content), 97):
            changed = bytearray(content)
            changed[at] ^= 0x10
            path.write_bytes(changed)
            if isinstance(read_or_reason(path), str):
                found.add(at)
        return found

    wanted = refused()
    assert len(wanted) > 3
    rasterio_loggers = [logging.getLogger(f"rasterio.{name}") for name in ("_env", "_err", "_io", "_base")]
    try:
        logging.disable(logging.CRITICAL)
        assert refused() == wanted
        logging.disable(logging.NOTSET)
        for logger in rasterio_loggers:
            logger.disabled = True
        assert refused() == wanted
    finally:
        logging.disable(logging.NOTSET)
        for logger in rasterio_loggers:
            logger.disabled = False


def test_too_little_memory_to_read_is_the_machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lzw.tif"
    WHOLE["deflate.tif"](path)
    monkeypatch.setattr("rsir_fast.datasets.source._WHOLE", 0)
    pread, calls = os.pread, 0

    def failing_pread(*arguments: int) -> bytes:
        nonlocal calls
        calls += 1
        if calls > 3:
            raise MemoryError
        return pread(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(os, "pread", failing_pread)
        with pytest.raises(MachineError, match="not enough memory"):
            read_image(path)


@pytest.mark.data
@pytest.mark.parametrize(("folder", "count"), [("landsat", 8), ("naip", 7)])
def test_real_scenes_are_read_whole(data_root: Path, folder: str, count: int) -> None:
    root = data_root / "geotiff" / folder
    if not root.is_dir():
        pytest.skip(f"{root} is not there")
    for bands in ((1, 2, 3), (4, 3, 2)):
        data = open_dataset(root, bands=bands if bands != (1, 2, 3) else None)
        assert len(data) == count
        for number, item in enumerate(data.items):
            with rasterio.open(root / item) as file:
                np.testing.assert_array_equal(np.asarray(data[number]), file.read(bands).transpose(1, 2, 0))
