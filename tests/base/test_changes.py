"""What differs from a former run is told in the words of a user, never by a key of a provenance."""

from __future__ import annotations

import re
import shutil

import numpy as np
import pytest
from PIL import Image

from rsir_fast.base.changes import changes
from rsir_fast.datasets import open_dataset
from rsir_fast.descriptors import load_descriptor
from rsir_fast.errors import FeaturesError
from rsir_fast.extraction import encode
from scene_files import write_scenes

KEYS = re.compile(r"sha256|\w\.\w|\w_\w|\bNone\b")


def replaced(folder):
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(folder / "class0/class0_0.jpg")
    return folder


def renamed(folder):
    return folder.rename(folder.with_name("others"))


def one_more(folder):
    shutil.copy(folder / "class0/class0_0.jpg", folder / "class0/more.jpg")
    return folder


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (replaced, "set of images: images were replaced.*: put them back as they were"),
        (one_more, "number of images: 18, now 19; set of images"),
        (renamed, "name of the folder of images: scenes, now others.*: use the same settings"),
    ],
)
def test_images_that_changed(tmp_path, change, said):
    scenes = write_scenes(tmp_path / "scenes")
    encode(open_dataset(scenes), load_descriptor("lbp"), out=tmp_path / "f", workers=0)
    with pytest.raises(FeaturesError, match=said) as refused:
        encode(open_dataset(change(scenes)), load_descriptor("lbp"), out=tmp_path / "f", resume=True)
    assert not KEYS.search(str(refused.value).replace(str(tmp_path), ""))


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        ({"seed": 0, "items_sha256": {"train": "1"}}, {"seed": 1, "items_sha256": {"train": "2"}}, ["split", "seed"]),
        ({"split": {"train": ["a"] * 9}}, {"split": {"train": ["b"] * 9}}, ["split"]),
        ({"images": {"train": {"sha256": "1"}}}, {"images": {"train": {"sha256": "2"}}}, ["set of images"]),
        ({"weights": {"file": "a", "sha256": "1"}}, {"weights": {"file": "a", "sha256": "2"}}, ["weights"]),
        ({"backbone": {"weights": {"sha256": "1"}}}, {"backbone": {"weights": {"sha256": "2"}}}, ["weights"]),
        ({"hash": {"bits": 8}, "dim": 9}, {"hash": {"bits": 16}, "dim": 17}, ["model"]),
        ({"dataset": {"reader": {"bands": [1]}}}, {"dataset": {}}, ["bands"]),
        ({"cpu_threads": 2, "torch": "1"}, {"cpu_threads": 1, "torch": "2"}, ["number of threads", "version of torch"]),
        ({"preprocessing": {"resize": "whole"}}, {"preprocessing": {"resize": "short"}}, ["preparation of images"]),
        ({"dim": 1}, {"dim": 2}, ["dim"]),
        ({"a": 1}, {"a": 1}, []),
    ],
)
def test_words(before, now, told):
    found = changes(before, now)
    assert list(found) == told
    assert not KEYS.search(" ".join([*found, *found.values()]))


@pytest.mark.parametrize(
    "key",
    [
        "",
        "see\nd",
        "a b",
        "\x00",
        "torc-h",
        "ä.ö ü",
        ".",
        "dataset.",
        "sha256\n",
        "ki" + "9" * 500,
        "recipe." + "x" * 500,
    ],
)
def test_keys_of_a_damaged_record(key):
    told = changes({key: 1}, {key: 2})
    assert len(told) == 1
    assert not any(len(word) > 100 or "\n" in word or "\x00" in word for entry in told.items() for word in entry)
