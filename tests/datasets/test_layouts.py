"""Recognising folders: benchmarks by name and classes, class folders, loose images."""

from __future__ import annotations

import os
import pickle
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rsir_fast.datasets import Dataset, natural_key, open_dataset
from rsir_fast.datasets.known import KNOWN_LAYOUTS, KnownLayout
from rsir_fast.errors import DatasetError, ImageError


def put(root: Path, *names: str) -> Path:
    """Write a tiny image under each name."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (2, 2), (len(name), 0, 0)).save(path)
    return root


def touch(root: Path, names: list[str]) -> Path:
    """Create empty files: enough where only names count."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


@pytest.mark.parametrize("seed", range(3))
def test_natural_order_is_total(seed: int) -> None:
    order = ["a", "A1", "a1", "a01", "a2", "A10", "b", "caf\u00e9", "cafe\u0301", "d\u0663", "x/2", "x/10", "x1/1"]
    expected = sorted(order, key=natural_key)
    shuffled = random.Random(seed).sample(order, len(order))
    assert sorted(shuffled, key=natural_key) == expected
    assert len({natural_key(name) for name in order}) == len(order)
    assert expected.index("a2") < expected.index("A10")
    assert expected.index("x/2") < expected.index("x/10")
    assert abs(expected.index("caf\u00e9") - expected.index("cafe\u0301")) == 1


@pytest.mark.data
def test_real_ucmerced(data_root: Path) -> None:
    data = open_dataset(data_root / "UCMerced_LandUse")
    assert (data.name, len(data), len(data.classes), data.notes) == ("UCMerced_LandUse", 2100, 21, ())
    assert data.class_counts().tolist() == [100] * 21
    assert list(data.items) == sorted(data.items, key=natural_key)
    assert data.items[:2] == ("agricultural/agricultural00.jpg", "agricultural/agricultural01.jpg")
    first, second = (data.items.index(f"airplane/airplane0{i}.jpg") for i in (1, 2))
    np.testing.assert_array_equal(np.asarray(data[first]), np.asarray(data[second]))
    images = list(data)
    assert sum(image.size != (256, 256) for image in images) == 44
    assert {image.mode for image in images} == {"RGB"}


@pytest.mark.data
def test_real_ucmerced_from_every_level(data_root: Path) -> None:
    inner = open_dataset(data_root / "UCMerced_LandUse" / "Images")
    parent = open_dataset(data_root)
    assert inner.items == parent.items == open_dataset(data_root / "UCMerced_LandUse").items
    assert inner.root == parent.root
    assert parent.notes[0].startswith("took UCMerced_LandUse; other folders beside it were left out: geotiff, ")


def spelled(known: KnownLayout) -> list[str]:
    """Class names in another spelling than the table's."""
    return [name.capitalize() for name in sorted(known.classes)]


@pytest.mark.parametrize("known", KNOWN_LAYOUTS, ids=lambda known: known.name)
@pytest.mark.parametrize("inner", ["{name}", "{name}/Images", "outer/{name}/images", "renamed", "2750"])
def test_benchmarks_are_recognised(tmp_path: Path, known: KnownLayout, inner: str) -> None:
    folder = tmp_path / "top" / inner.format(name=known.name)
    touch(folder, [f"{label}/{label}_{i}.jpg" for label in spelled(known) for i in (1, 2, 10)])
    (folder / "readme.txt").touch()
    data = open_dataset(tmp_path / "top")
    assert data.name == known.name
    assert data.root == folder
    assert len(data) == 3 * len(known.classes)
    assert data.items[1:3] == tuple(f"{spelled(known)[0]}/{spelled(known)[0]}_{i}.jpg" for i in (2, 10))
    assert f"expected {known.images} images in {len(known.classes)} classes, found {len(data)}" in data.notes[0]


def test_deviations_are_noted(tmp_path: Path) -> None:
    known = KNOWN_LAYOUTS[0]
    for label in sorted(known.classes - {"harbor"}):
        touch(
            tmp_path / "UCMerced_LandUse/Images",
            [f"{label}/{i:02d}.tif" for i in range(93 if label == "runway" else 100)],
        )
    note = open_dataset(tmp_path / "UCMerced_LandUse").notes[0]
    assert note == (
        "UCMerced_LandUse: expected 2100 images in 21 classes, found 1993 in 20 "
        "(missing classes: harbor; runway has 93 of 100)"
    )


@pytest.mark.parametrize("flat", [False, True])
def test_whu_rs19_takes_the_first_fifty(tmp_path: Path, flat: bool) -> None:
    known = next(known for known in KNOWN_LAYOUTS if known.name == "WHU-RS19")
    form = "{0}_{1:02d}.jpg" if flat else "{0}/{0}_{1:02d}.jpg"
    names = [form.format(label, i) for label in known.classes for i in range(1, 54 if label == "beach" else 53)]
    touch(tmp_path / "WHU-RS19", [name.replace("_09", "_9") for name in names])
    data = open_dataset(tmp_path)
    assert data.name == "WHU-RS19"
    assert data.class_counts().tolist() == [50] * 19
    beach = [os.path.basename(item) for item in data.select(["beach"]).items]
    assert beach[7:10] == ["beach_08.jpg", "beach_9.jpg", "beach_10.jpg"]
    assert beach[-1] == "beach_50.jpg"
    assert "950 of 989" in data.notes[-1]
    assert open_dataset(tmp_path, all_items=True).class_counts().sum() == 19 * 52 + 1


def test_class_folder_with_everything_else_in_it(tmp_path: Path) -> None:
    root = put(tmp_path / "mine", "b/2.png", "b/10.JPG", "b/deep/er/1.tif", "a/x.bmp", "loose.png", "__MACOSX/a/x.png")
    put(root, ".hidden/x.png", "a/.y.png", "a/._x.bmp")
    touch(root, ["a/Thumbs.db", "a/notes.txt", "docs/readme.md"])
    data = open_dataset(root)
    assert data.name == "mine"
    assert data.items == ("a/x.bmp", "b/2.png", "b/10.JPG", "b/deep/er/1.tif")
    assert data.classes == ("a", "b")
    assert data.labels is not None
    assert data.labels.tolist() == [0, 1, 1, 1]
    assert "docs" in data.notes[0]
    assert "loose.png" in data.notes[1]


def test_one_class_only(tmp_path: Path) -> None:
    assert open_dataset(put(tmp_path / "set", "harbor/1.png", "harbor/2.png")).classes == ("harbor",)


def test_images_without_classes(tmp_path: Path) -> None:
    data = open_dataset(str(put(tmp_path / "set", "s10.png", "s9.png")), name="scenes")
    assert (data.name, data.items, data.labels, data.classes) == ("scenes", ("s9.png", "s10.png"), None, ())
    assert data.class_counts().shape == (0,)
    with pytest.raises(DatasetError, match="no class folders"):
        data.require_labels()


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    root = put(tmp_path / "set", "a/1.png", "b/1.png")
    (root / "a" / "up").symlink_to(root, target_is_directory=True)
    (root / "b" / "self").symlink_to("self")
    (root / "c").symlink_to(root / "a", target_is_directory=True)
    data = open_dataset(root)
    assert data.items == ("a/1.png", "b/1.png", "c/1.png")  # a link upwards brings no other class in
    alone = put(tmp_path / "alone", "1.png")
    (alone / "loop").symlink_to(alone, target_is_directory=True)
    assert open_dataset(alone).items == ("1.png",)


def test_a_folder_that_only_resembles_a_benchmark_is_not_cut(tmp_path: Path) -> None:
    names = ("Airport", "Beach", "Bridge", "Commercial", "Desert", "Farmland", "Meadow", "Mountain", "River", "zoo")
    root = put(tmp_path / "WHU-RS19", *(f"{name}/{i}.png" for name in names for i in range(52)))
    assert len(open_dataset(root)) == 52 * len(names)


def test_broken_links_and_files_that_vanish_are_reported_when_read(tmp_path: Path) -> None:
    root = put(tmp_path / "set", "a/1.png", "a/3.png")
    (root / "a" / "2.png").symlink_to("nowhere.png")
    data = open_dataset(root)
    (root / "a" / "3.png").unlink()
    assert data.items == ("a/1.png", "a/2.png", "a/3.png")
    for i in (1, 2):
        with pytest.raises(ImageError, match="does not exist"):
            data.load_image(i)


def test_names_that_are_no_text(tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff\xfe.png")
    data = open_dataset(put(tmp_path / "set", f"{os.fsdecode(bytes([200]))}/{name}", "\u68ee\u6797/1.png"))
    assert [data.load_image(i).size for i in range(2)] == [(2, 2), (2, 2)]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "no folder at .*expected FOLDER/CLASS"),
        (lambda path: path.touch(), "is a file, not a folder"),
        (lambda path: path.mkdir(), "no images in"),
        (lambda path: touch(path, ["a/readme.txt", "b/c/x.gif"]), "no images in"),
    ],
)
def test_nothing_to_open(tmp_path: Path, make: object, message: str) -> None:
    make(tmp_path / "set")  # type: ignore[operator]
    with pytest.raises(DatasetError, match=message):
        open_dataset(tmp_path / "set")


def test_missing_benchmark_says_where_it_comes_from(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"AID comes from https://captain-whu\.github\.io/AID/"):
        open_dataset(tmp_path / "AID")
    with pytest.raises(DatasetError, match="download=True"):
        open_dataset(tmp_path / "UCMerced_LandUse")
    with pytest.raises(DatasetError, match="no folder at .*AID comes from"):
        open_dataset(tmp_path / "AID", download=True)


def test_dataset_subsets_and_travels(tmp_path: Path) -> None:
    data = open_dataset(put(tmp_path / "set", "a/1.png", "a/2.png", "b/1.png", "c/1.png"))
    assert open_dataset(data) is data
    copy = pickle.loads(pickle.dumps(data))
    assert (copy.items, copy.labels.tolist(), copy[3].size) == (data.items, [0, 0, 1, 2], (2, 2))
    assert data.subset([3, 0]).items == ("c/1.png", "a/1.png")
    assert data.subset(np.array([True, False, False, True])).classes == ("a", "b", "c")
    assert len(data.subset([])) == 0
    chosen = data.select(["c", "a"])
    assert (chosen.items, chosen.classes) == (("a/1.png", "a/2.png", "c/1.png"), ("c", "a"))
    assert chosen.labels is not None
    assert chosen.labels.tolist() == [1, 1, 0]
    assert [image.size for image in data] == [(2, 2)] * 4
    with pytest.raises(ValueError, match="read-only"):
        data.require_labels()[0] = 1


@pytest.mark.parametrize("indices", [[4], [-1], [0, 0], [0.5], [True, False]])
def test_bad_subsets(indices: list[object]) -> None:
    data = Dataset("d", Path(), ("1", "2", "3", "4"), np.zeros(4, np.int64), ("a",))
    with pytest.raises(DatasetError):
        data.subset(indices)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "arguments",
    [
        {"items": ("a", "a")},
        {"items": ("a",), "labels": np.array([1]), "classes": ("x",)},
        {"items": ("a",), "labels": np.array([-1]), "classes": ("x",)},
        {"items": ("a",), "labels": np.array([0, 0]), "classes": ("x",)},
        {"items": ("a",), "root": None},
    ],
)
def test_inconsistent_datasets_are_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(DatasetError):
        Dataset(**{"name": "d", "root": Path(), **arguments})  # type: ignore[arg-type]


def test_unknown_class_is_refused() -> None:
    data = Dataset("d", Path(), ("1",), np.zeros(1, np.int64), ("a",))
    with pytest.raises(DatasetError, match="distinct classes out of a; got b"):
        data.select(["b"])
