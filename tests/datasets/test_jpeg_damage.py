"""Damaged JPEG data are refused, also where libjpeg only warns; good files of many encoders never are."""

from __future__ import annotations

import io
import random
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets.jpeg_files import ODD_BUT_GOOD, PILLOW, coded, damages, encodings, pillow, scene, tool
from rsir_fast.datasets.images import read_image
from rsir_fast.datasets.jpeg_damage import jpeg_damage
from rsir_fast.datasets.jpeg_markers import MAX_SEGMENTS, read_markers
from rsir_fast.errors import ImageError
from rsir_fast.extraction.jpeg import read_jpeg

ALWAYS = {
    "cut",
    "cut at the end",
    "cut, with an end marker",
    "zeros to the end",
    "64 zeros",
    "zeros",
    "a page of 512 zeros",
    "a page of 4096 zeros",
    "a page twice",
    "a page lost",
}
"""Damage that is found whatever it hits, but for some zeros and lost pages of progressive files."""


def is_refused(content: bytes) -> bool:
    """Tell whether a file is refused, by the check or, where the header is cut, by Pillow."""
    if jpeg_damage(content) is not None:
        return True
    try:
        Image.open(io.BytesIO(content)).load()
    except OSError:
        return True
    return False


@pytest.mark.parametrize("kind", PILLOW)
def test_damage_is_found(kind: str) -> None:
    rng = random.Random(kind)
    tried: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    for seed in range(3):
        good = coded(kind, scene(seed))
        assert jpeg_damage(good) is None
        for damage, bad in damages(good, rng):
            tried[damage] += 1
            missed[damage] += not is_refused(bad)
    certain = {damage for damage in ALWAYS if kind != "progressive" or "cut" in damage or "end" in damage}
    assert not {damage: missed[damage] for damage in certain if missed[damage]}
    # The rest is found mostly: a decoder falls into step again, and only the count of blocks may tell.
    assert sum(missed.values()) <= 0.1 * sum(tried.values()), missed


@pytest.mark.parametrize("kind", PILLOW)
def test_the_reader_refuses_it(tmp_path: Path, kind: str) -> None:
    """Also where Pillow shows grey, or another part of the image, without a word."""
    good = coded(kind, scene(7))
    middle = len(good) * 2 // 3
    path = tmp_path / "a.jpg"
    for bad in (good[:-2], good[:middle] + b"\xff\xd9", good[:middle] + bytes(len(good) - middle)):
        path.write_bytes(bad)
        with pytest.raises(ImageError, match=r"a\.jpg: damaged .*copy the file again"):
            read_image(path)
        assert read_jpeg(path) is None
    path.write_bytes(good)
    with Image.open(io.BytesIO(good)) as image:
        np.testing.assert_array_equal(np.asarray(read_image(path)), np.asarray(image.convert("RGB")))


PICTURES = {
    "scene": scene(11, 200),
    "black": Image.new("RGB", (640, 480)),
    "grey": Image.new("RGB", (301, 199), (128, 128, 128)),
    "white": Image.new("RGB", (256, 256), "white"),
    "red": Image.new("RGB", (400, 300), "red"),
    "a pixel": Image.new("RGB", (1, 1), (9, 8, 7)),
    "a few pixels": scene(12).resize((17, 9)),
    "a slope": Image.fromarray(np.arange(4096, dtype=np.uint16)[None, :, None].repeat(16, 0).repeat(3, 2).astype("B")),
    "half empty": Image.fromarray(np.asarray(scene(13)) * (np.arange(256) < 100)[:, None, None].astype("B")),
    "stripes": Image.fromarray(((np.arange(512) // 8 % 2) * 255)[None, :, None].repeat(64, 0).repeat(3, 2).astype("B")),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", PICTURES)
def test_good_files_are_not_refused(name: str) -> None:
    found = {encoder: jpeg_damage(content) for encoder, content in encodings(PICTURES[name])}
    assert not {encoder: damage for encoder, damage in found.items() if damage}


@pytest.mark.parametrize("kind", PILLOW)
@pytest.mark.parametrize("what", ODD_BUT_GOOD)
def test_odd_files_are_not_refused(kind: str, what: str) -> None:
    good = coded(kind, scene(3, 64))
    odd = ODD_BUT_GOOD[what](good)
    assert jpeg_damage(odd) is None
    if odd != good and "after the end" not in what:
        assert jpeg_damage(odd[:-20] + odd[-2:]) is not None  # what is harmless hides no damage


def test_flat_images_are_rows_of_zeros_and_good() -> None:
    flat = pillow(Image.new("RGB", (1024, 1024), (128, 128, 128)), optimize=True)
    assert bytes(500) in flat
    assert jpeg_damage(flat) is None


def test_a_missing_scan_is_found() -> None:
    """Cut between two scans and ended properly, nothing is wrong but that the image is coarse."""
    good = coded("progressive", scene(4))
    markers = read_markers(good)
    assert markers is not None
    for scan in markers.scans[:-1]:
        assert jpeg_damage(good[: scan.end] + b"\xff\xd9") == "channel 1 of 3 lacks scans"


def test_several_pictures_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    scene(1).save(path, "MPO", save_all=True, append_images=[scene(2)])
    read_image(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.index(b"\xff\xd8\xff", 2) - 300])
    with pytest.raises(ImageError, match="damaged"):
        read_image(path)


def test_too_many_segments() -> None:
    good = coded("baseline", scene(1))
    with pytest.raises(ImageError, match=f"at most {MAX_SEGMENTS} segments"):
        jpeg_damage(good[:2] + b"\xff\xe9\0\2" * (MAX_SEGMENTS + 1) + good[2:])


def test_rows_of_filler_cost_nothing() -> None:
    """A search that steps back in them would need their number squared."""
    good = coded("baseline", scene(1))
    assert jpeg_damage(good[:-2] + b"\xff" * 3_000_000 + b"\0more\xff\xd9") is not None


@pytest.mark.parametrize("damage", ["", "text", b"\xff\xd8", b"\xff\xd8\xff\xc0\0\2", b"\xff\xd8\xff\xda\0\3\1"])
def test_what_is_no_image_is_for_the_decoder(damage: str | bytes) -> None:
    assert jpeg_damage(damage.encode() if isinstance(damage, str) else damage) is None


def test_arithmetic_code(tmp_path: Path) -> None:
    shutil.which("cjpeg") or pytest.skip("cjpeg (libjpeg-turbo-progs) is not installed")
    good = tool(scene(5), "cjpeg", "-arithmetic")
    assert jpeg_damage(good) is None
    for cut in (1, 2, 10, 1000):
        assert jpeg_damage(good[:-cut]) is not None


@pytest.mark.data
def test_uc_merced_is_good(data_root: Path) -> None:
    files = sorted((data_root / "UCMerced_LandUse").rglob("*.jpg"))
    assert len(files) == 2100
    assert [path.name for path in files if jpeg_damage(path.read_bytes()) is not None] == []
