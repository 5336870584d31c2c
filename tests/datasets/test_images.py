"""Reading one image: every kind a folder may hold, and every way it may be broken."""

from __future__ import annotations

import os
import struct
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile, ImageOps

from rsir_fast.base.text import printable
from rsir_fast.datasets.images import read_image
from rsir_fast.datasets.samples import to_eight_bits
from rsir_fast.errors import ImageError, MachineError


def photo(width: int = 64, height: int = 48, mode: str = "RGB") -> Image.Image:
    """Return a picture with enough detail that a cut in its file cannot fall behind the last pixel."""
    pixels = np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "bmp", "webp"])
def test_formats_are_read_as_rgb(tmp_path: Path, suffix: str) -> None:
    photo().save(tmp_path / f"a.{suffix}", **({"lossless": True} if suffix == "webp" else {}))
    image = read_image(tmp_path / f"a.{suffix}")
    assert (image.mode, image.size) == ("RGB", (64, 48))
    if suffix != "jpg":
        np.testing.assert_array_equal(np.asarray(image), np.asarray(photo()))


def test_single_pixel(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1), (9, 8, 7)).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").getpixel((0, 0)) == (9, 8, 7)


def test_cmyk_jpeg_keeps_its_colours(tmp_path: Path) -> None:
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=95)
    red, green, blue = np.asarray(read_image(tmp_path / "a.jpg"))[8, 8]
    assert red > 240
    assert max(green, blue) < 15


def test_grey_has_three_equal_channels(tmp_path: Path) -> None:
    photo(mode="L").save(tmp_path / "a.png")
    pixels = np.asarray(read_image(tmp_path / "a.png"))
    np.testing.assert_array_equal(pixels, np.asarray(photo(mode="L"))[:, :, None].repeat(3, axis=2))


@pytest.mark.parametrize(("mode", "inside"), [("RGBA", (200, 100, 50)), ("LA", (90, 90, 90))])
def test_alpha_is_composited_on_black(tmp_path: Path, mode: str, inside: tuple[int, ...]) -> None:
    colour = inside if mode == "RGBA" else inside[:1]
    image = Image.new(mode, (2, 1), (*colour, 255))
    image.putpixel((1, 0), (*colour, 0))
    image.save(tmp_path / "a.png")
    read = read_image(tmp_path / "a.png")
    assert (read.getpixel((0, 0)), read.getpixel((1, 0))) == (inside, (0, 0, 0))


def test_transparent_palette_entry_is_black(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1), 1)
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 0)
    image.save(tmp_path / "a.png", transparency=0)
    read = read_image(tmp_path / "a.png")
    assert (read.getpixel((0, 0)), read.getpixel((1, 0))) == ((40, 50, 60), (0, 0, 0))


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(np.array([[0, 256, 32768, 65535]], dtype=np.uint16)).save(tmp_path / f"a.{suffix}")
    assert np.asarray(read_image(tmp_path / f"a.{suffix}"))[0, :, 0].tolist() == [0, 1, 128, 255]


def test_twelve_bit_sensor_uses_the_whole_range(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 1024, 4095]], dtype=np.uint16)).save(tmp_path / "a.tif")
    assert np.asarray(read_image(tmp_path / "a.tif"))[0, :, 0].tolist() == [0, 64, 255]


def test_signed_and_float_samples(tmp_path: Path) -> None:
    Image.fromarray(np.array([[-9999, 0, 511]], dtype=np.int32)).save(tmp_path / "i.tif")
    Image.fromarray(np.array([[-1.0, 0.0, 1.0]], dtype=np.float32)).save(tmp_path / "f.tif")
    assert np.asarray(read_image(tmp_path / "i.tif"))[0, :, 1].tolist() == [0, 0, 255]
    assert np.asarray(read_image(tmp_path / "f.tif"))[0, :, 2].tolist() == [0, 128, 255]


def test_eight_bits_of_odd_values() -> None:
    values = np.array([np.nan, -np.inf, 2.0, 4.0, np.inf])
    assert to_eight_bits(values).tolist() == [0, 0, 0, 255, 255]
    assert to_eight_bits(np.full((2, 2), np.nan)).tolist() == [[0, 0], [0, 0]]
    assert to_eight_bits(np.array([True, False])).tolist() == [255, 0]
    assert to_eight_bits(np.zeros((0, 3), np.uint16)).shape == (0, 3)
    assert to_eight_bits(np.array([0, 2**63], np.uint64)).tolist() == [0, 128]


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_as_viewers_do(tmp_path: Path, suffix: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"jpg": {"quality": 95, "subsampling": 0}, "webp": {"lossless": True}}.get(suffix, {})
    photo().save(tmp_path / f"plain.{suffix}", **options)
    photo().save(tmp_path / f"turned.{suffix}", exif=exif, **options)
    stored = read_image(tmp_path / f"plain.{suffix}")
    stored.getexif()[0x0112] = orientation
    upright = np.asarray(ImageOps.exif_transpose(stored))
    np.testing.assert_array_equal(np.asarray(read_image(tmp_path / f"turned.{suffix}")), upright)


def test_damaged_exif_is_no_damaged_image(tmp_path: Path) -> None:
    photo().save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert read_image(tmp_path / "a.jpg").size == (64, 48)


def write_broken(folder: Path) -> dict[str, str]:
    """Write one file of each broken kind; returns name to expected reason."""
    photo().save(folder / "whole.jpg")
    whole = (folder / "whole.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "head.jpg").write_bytes(whole[:20])
    photo().save(folder / "whole.png")
    (folder / "cut.png").write_bytes((folder / "whole.png").read_bytes()[:3000])
    photo().save(folder / "whole.tif")
    (folder / "cut.tif").write_bytes((folder / "whole.tif").read_bytes()[:3000])
    (folder / "empty.jpg").touch()
    (folder / "text.jpg").write_text("no image\n")
    photo().save(folder / "other.gif")
    (folder / "other.gif").rename(folder / "gif.jpg")
    (folder / "folder.jpg").mkdir()
    os.mkfifo(folder / "pipe.jpg")
    (folder / "broken.jpg").symlink_to("nowhere.jpg")
    return {
        **dict.fromkeys(("cut.jpg", "cut.png", "cut.tif"), "damaged"),
        "head.jpg": "damaged",
        "text.jpg": "expected a JPEG, PNG, TIFF, JPEG2000, BMP or WebP image, found text",
        "gif.jpg": "found a GIF image; convert it",
        **dict.fromkeys(("folder.jpg", "pipe.jpg"), "folder or special file"),
        **dict.fromkeys(("gone.jpg", "broken.jpg"), "does not exist"),
        "empty.jpg": "0 bytes",
    }


@pytest.mark.parametrize("lenient", [False, True])
def test_broken_files_give_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lenient: bool) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", lenient)
    for name, reason in write_broken(tmp_path).items():
        with pytest.raises(ImageError, match=reason) as caught:
            read_image(tmp_path / name)
        assert str(caught.value).startswith(f"{tmp_path / name}: ")
        assert "\n" not in str(caught.value)
    assert ImageFile.LOAD_TRUNCATED_IMAGES is lenient


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(tmp_path: Path) -> None:
    photo().save(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").chmod(0)
    with pytest.raises(MachineError, match="Permission denied"):
        read_image(tmp_path / "a.jpg")


def test_size_limit_is_ours_not_pillows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photo().save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # Pillow alone would raise DecompressionBombError
    assert read_image(tmp_path / "a.png").size == (64, 48)
    with pytest.raises(ImageError, match="64 x 48 pixels are more than the limit of 3071"):
        read_image(tmp_path / "a.png", max_pixels=64 * 48 - 1)
    assert Image.MAX_IMAGE_PIXELS == 100


def test_fourth_band_of_a_tiff_is_no_transparency(tmp_path: Path) -> None:
    bands = np.random.default_rng(0).integers(0, 256, (6, 5, 4), dtype=np.uint8)
    Image.fromarray(bands).save(tmp_path / "naip.tif")
    bands[bands[..., 3] == 0] = 0  # that, though, is no data
    assert (np.asarray(read_image(tmp_path / "naip.tif")) == bands[..., :3]).all()


def test_a_side_too_long_to_shrink_is_refused(tmp_path: Path) -> None:
    Image.new("L", (2**18 + 1, 1)).save(tmp_path / "strip.png")
    with pytest.raises(ImageError, match="262145 x 1 pixels are more than the limit .* cut it into tiles"):
        read_image(tmp_path / "strip.png")


def test_bomb_is_refused_before_decoding(tmp_path: Path) -> None:
    header = struct.pack(">4sIIBBBBB", b"IHDR", 30000, 20000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    data = struct.pack(">I4s", 100, b"IDAT") + bytes(104)
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + data)
    with pytest.raises(ImageError, match="30000 x 20000 pixels are more than the limit"):
        read_image(tmp_path / "bomb.png")


def test_threads_share_the_strictness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    write_broken(tmp_path)
    refused = []

    def work() -> None:
        for _ in range(40):
            with pytest.raises(ImageError, match="damaged"):
                read_image(tmp_path / "cut.jpg")
            read_image(tmp_path / "whole.jpg")
            refused.append(True)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 160
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


def test_odd_names_stay_printable(tmp_path: Path) -> None:
    strange = os.fsdecode(b"caf\xe9\n.jpg")
    photo().save(tmp_path / "gl\u00fcck \u8377.png")
    assert read_image(tmp_path / "gl\u00fcck \u8377.png").size == (64, 48)
    (tmp_path / strange).touch()
    with pytest.raises(ImageError, match="0 bytes") as caught:
        read_image(tmp_path / strange)
    str(caught.value).encode("utf-8")
    assert "\n" not in str(caught.value)
    assert printable("gl\u00fcck") == "gl\u00fcck"
