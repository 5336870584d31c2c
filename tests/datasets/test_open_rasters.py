"""Windows of rasters: the pixels of the whole file, by any number of threads, each block decoded once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.errors import NotGeoreferencedWarning

from odd_layouts import Layout, layouts
from raster_files import scene, write_raster
from rsir_fast.datasets import limits_of_images, open_rasters, read_image, tiles
from rsir_fast.datasets.open_rasters import read_window
from rsir_fast.datasets.raster_bands import BandReader
from rsir_fast.datasets.reader import Reader, Scale
from rsir_fast.datasets.samples import Samples, to_eight_bits
from rsir_fast.datasets.skipped import EmptyImageError
from rsir_fast.datasets.source import opened
from rsir_fast.datasets.tiff_directories import read_blocks
from rsir_fast.datasets.windows import Window
from rsir_fast.errors import ImageError

pytestmark = pytest.mark.filterwarnings(f"ignore::{NotGeoreferencedWarning.__module__}.NotGeoreferencedWarning")

RASTERS = [layout for layout in layouts() if layout.suffix in (".tif", ".jp2", ".j2k")]


@pytest.mark.parametrize("layout", RASTERS, ids=lambda layout: layout.name)
def test_a_window_is_read_as_the_whole_file_is(layout: Layout, tmp_path: Path) -> None:
    path = tmp_path / f"a{layout.suffix}"
    layout.write(path)
    reader = Reader.parse(layout.bands, layout.scale)
    with rasterio.open(path) as file:
        whole = Window(0, 0, file.width, file.height)
    if layout.refused is not None:
        with pytest.raises(ImageError, match=layout.refused):
            read_window(path, whole, reader)
        return
    expected = np.asarray(read_image(path, reader))
    np.testing.assert_array_equal(np.asarray(read_window(path, whole, reader)), expected)
    if layout.orientation == 1:
        for window in (Window(0, 0, 7, 5), Window(whole.width - 9, 3, 9, 11), Window(5, whole.height - 1, 1, 1)):
            found = np.asarray(read_window(path, window, reader))
            np.testing.assert_array_equal(
                found, expected[window.row : window.bottom, window.column : window.right], err_msg=str(window)
            )


@pytest.mark.parametrize("storage", [{}, {"tiled": False, "interleave": "band"}], ids=str)
@pytest.mark.parametrize(
    ("dtype", "scale"),
    [
        ("uint8", None),
        ("uint8", "percentile:2,98"),
        ("uint16", None),
        ("uint16", "percentile:1,99.5"),
        ("int16", "minmax"),
        ("int32", None),
        ("float32", None),
        ("float64", "percentile:0.5,97"),
    ],
)
def test_a_scale_is_that_of_the_whole_raster(
    tmp_path: Path, dtype: str, scale: str | None, storage: dict[str, object]
) -> None:
    data = scene(560, 700, 4, dtype)
    data[:, 300:420, 400:600] = 7
    if dtype.startswith("float"):
        data[1, 10:20] = np.nan
        data[0, 0, 0] = np.inf
    path = write_raster(tmp_path / "a.tif", data, nodata=7, **storage)
    reader = Reader.parse("4,2,1", scale)
    whole = np.asarray(read_image(path, reader))
    for source in (Window(0, 0, 256, 256), Window(300, 200, 400, 300), Window(600, 500, 100, 60)):
        found = np.asarray(read_window(path, source, reader))
        np.testing.assert_array_equal(found, whole[source.row : source.bottom, source.column : source.right])


@pytest.mark.parametrize("stride", [256, 100])
@pytest.mark.parametrize("threads", [1, 8])
def test_each_pixel_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stride: int, threads: int) -> None:
    path = write_raster(tmp_path / "a.tif", scene(900, 2100))
    decoded: list[int] = []
    read = open_rasters.samples_of_raster

    def counted(reader: BandReader, driver: str, bands: tuple[int, ...] | None) -> Samples:
        assert reader.window is not None
        decoded.append(reader.window.width * reader.window.height)
        return read(reader, driver, bands)

    monkeypatch.setattr(open_rasters, "samples_of_raster", counted)
    data = tiles(path, 256, stride)
    whole = np.asarray(read_image(path))
    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(lambda number: np.asarray(data[number]), range(len(data))))
    assert sum(decoded) == 900 * 2100
    for number, image in enumerate(found):
        window = data.placed(number).window
        assert window is not None
        np.testing.assert_array_equal(image, whole[window.row : window.bottom, window.column : window.right])


def test_windows_in_any_order_by_many_threads(tmp_path: Path) -> None:
    paths = [write_raster(tmp_path / f"{number}.tif", scene(300, 350, seed=number)) for number in range(12)]
    data = tiles(paths, 150, 90)
    whole = [np.asarray(read_image(path)) for path in paths]
    order = np.random.default_rng(0).permutation(len(data)).tolist()

    def fits(number: int) -> bool:
        window = data.placed(number).window
        assert window is not None
        expected = whole[int(data.source(number).removesuffix(".tif"))]
        return bool(
            (np.asarray(data[number]) == expected[window.row : window.bottom, window.column : window.right]).all()
        )

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(fits, order))


def test_little_memory_changes_no_pixel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_raster(tmp_path / "a.tif", scene(700, 3000, dtype="uint16"), blockysize=64)
    data = tiles(path, 200, scale="0:4000")
    before = [np.asarray(image) for image in data]
    write_raster(path, scene(700, 3000, dtype="uint16"), blockysize=64)  # another file: to be opened again
    monkeypatch.setattr(open_rasters, "memory_of_parts", lambda: 1 << 20)  # too little for a row of tiles
    with limits_of_images(image_memory=64 << 20):
        after = [np.asarray(image) for image in tiles(path, 200, scale="0:4000")]
    assert all((one == other).all() for one, other in zip(before, after, strict=True))


def test_bands_that_nobody_asked_for_are_no_reason_to_refuse(tmp_path: Path) -> None:
    """All twelve are read for the sum of their block only where they have room."""
    samples = np.random.default_rng(0).integers(0, 3000, (12, 512, 512), np.uint16)
    profile = {"driver": "GTiff", "width": 512, "height": 512, "count": 12, "dtype": "uint16", "compress": "deflate"}
    with rasterio.open(tmp_path / "a.tif", "w", **profile, interleave="pixel", blockysize=512) as file:
        file.write(samples)
    reader, window = Reader.parse("4,3,2", "0:3000"), Window(0, 0, 512, 512)
    roomy = np.asarray(read_window(tmp_path / "a.tif", window, reader))
    (tmp_path / "b.tif").write_bytes((tmp_path / "a.tif").read_bytes())
    with limits_of_images(image_memory=60 << 20):
        scarce = np.asarray(read_window(tmp_path / "b.tif", window, reader))
    assert scarce.tobytes() == roomy.tobytes()


def test_tiles_of_no_data_are_empty(tmp_path: Path) -> None:
    data = scene(200, 200) | 1
    data[:, :, :100] = 0
    data[0, :, :10] = 5  # one band of three is enough
    path = write_raster(tmp_path / "a.tif", data, nodata=0)
    assert read_window(path, Window(0, 0, 180, 10), Reader(), 0.5).size == (180, 10)
    with pytest.raises(EmptyImageError, match="53% of its pixels have no data"):
        read_window(path, Window(8, 0, 170, 10), Reader(), 0.5)
    assert not np.asarray(read_window(path, Window(20, 0, 64, 64), Reader(), 1.0)).any()


def test_a_window_outside(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", scene(20, 30))
    with pytest.raises(ImageError, match=r"a.tif: the window 10,0,21,20 is not inside of 30 x 20 pixels"):
        read_window(path, Window(10, 0, 21, 20), Reader())


def test_a_raster_that_is_replaced_is_read_anew(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", scene(64, 64))
    first = np.asarray(read_window(path, Window(0, 0, 64, 64), Reader()))
    write_raster(path, scene(64, 64, seed=1))
    second = np.asarray(read_window(path, Window(0, 0, 64, 64), Reader()))
    assert (first != second).any()
    assert (second == np.asarray(read_image(path))).all()
    path.unlink()
    with pytest.raises(ImageError, match="does not exist"):
        read_window(path, Window(0, 0, 64, 64), Reader())


def test_damage_is_met_by_the_tiles_that_have_it(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", scene(512, 512))
    with opened(path) as source:
        blocks = read_blocks(source)
    assert blocks is not None
    content = bytearray(path.read_bytes())
    place = int(blocks.offsets[3]) + int(blocks.sizes[3]) // 2
    content[place] ^= 0xFF
    path.write_bytes(content)
    data = tiles(path, 256)
    failed = []
    for number in range(len(data)):
        try:
            data.load_image(number)
        except ImageError as error:  # noqa: PERF203
            failed.append((number, str(error)))
    assert [number for number, _ in failed] == [3], failed


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16"])
def test_samples_that_are_looked_up_are_those_that_are_computed(dtype: str) -> None:
    info = np.iinfo(dtype)
    many = np.random.default_rng(0).integers(info.min, info.max, (512, 512), dtype, endpoint=True)
    for scale in ("0:3000", "minmax", "percentile:3,91.5", "-7.5:100.25"):
        whole = to_eight_bits(many, scale=Scale.parse(scale))
        low, high = {"0:3000": (0, 3000), "-7.5:100.25": (-7.5, 100.25)}.get(scale, (None, None))
        if low is None:
            kind, _, rest = scale.partition(":")
            of = np.percentile(many.astype(np.float64), [float(each) for each in rest.split(",")]) if rest else ()
            low, high = of if kind == "percentile" else (many.min(), many.max())
        expected = np.rint((many.astype(np.float64).clip(low, high) - low) * (255 / (float(high) - float(low))))
        np.testing.assert_array_equal(whole, expected.astype(np.uint8))
