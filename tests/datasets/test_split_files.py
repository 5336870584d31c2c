"""Splits by a word: shares, files of ours, and the plain lists of the field."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rsir_fast.datasets import Dataset, Split, save_split, split_of, stratified_split
from rsir_fast.datasets.split_files import PRESETS
from rsir_fast.errors import DatasetError

ITEMS = tuple(f"{name}/{name}{i:02d}.tif" for name in ("beach", "forest") for i in range(10))
DATA = Dataset("made", Path(), ITEMS, np.repeat([0, 1], 10), ("beach", "forest"))


@pytest.mark.parametrize("word", PRESETS)
def test_shares_are_drawn_as_ever(word):
    split = split_of(word, DATA, seed=3)
    percent = int(word.split("/")[0])
    assert len(split.train) == 2 * percent // 10
    assert split == stratified_split(DATA, train=percent / 100, seed=3)


@pytest.mark.parametrize("word", ["80/10", "0/100", "100/0", "999/1"])
def test_shares_that_are_none(word):
    with pytest.raises(ValueError, match="split: expected shares in per cent that add up to 100"):
        split_of(word, DATA)


def test_what_is_saved_is_read(tmp_path):
    split = stratified_split(DATA, train=0.7, seed=2)
    (made,) = save_split(split, tmp_path / "a.json")
    assert split_of(made, DATA) == split
    lists = save_split(split, tmp_path / "train_of_train.txt")
    assert [path.name for path in lists] == ["train_of_train.txt", "train_of_test.txt"]
    assert lists[1].read_text().splitlines() == list(split.test)
    assert split_of(lists[0], DATA) == Split("made", split.train, split.test)  # a list knows no seed
    with pytest.raises(ValueError, match="expected a list with train in its name, such as train.txt, got a.txt"):
        save_split(split, tmp_path / "a.txt")


def test_lists_as_others_write_them(tmp_path):
    """File names alone, without their ending, with a label behind; all others are to test on."""
    (tmp_path / "train.txt").write_text("# made by hand\n\nbeach03.tif\nforest07\r\nbeach/beach00.tif 0\nforest01,1\n")
    split = split_of(tmp_path / "train.txt", DATA)
    assert split.train == ("beach/beach03.tif", "forest/forest07.tif", "beach/beach00.tif", "forest/forest01.tif")
    assert split.test == tuple(item for item in ITEMS if item not in split.train)
    (tmp_path / "test.txt").write_text("beach04\n")
    assert split_of(tmp_path / "train.txt", DATA).test == ("beach/beach04.tif",)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            "beach03.tif\nlake01.tif\n",
            "train.txt, line 2: expected an image of made, found one that it does not have",
        ),
        ("1\n", "line 1: expected an image of made, found one that several have: 1; name images by their paths"),
        (
            "beach03.tif\n\nbeach03\n",
            "train.txt, line 3: expected every image once, found beach/beach03.tif again, as in line 1",
        ),
        ("# beach03.tif\n\n", "train.txt: names no images to train on"),
    ],
)
def test_lists_that_are_wrong(tmp_path, lines, message):
    (tmp_path / "train.txt").write_text(lines)
    data = Dataset("made", Path(), (*ITEMS, "beach/1.tif", "forest/1.tif"), np.repeat([0, 1], 11), DATA.classes)
    with pytest.raises(DatasetError, match=message):
        split_of(tmp_path / "train.txt", data)


def test_an_image_in_both_lists(tmp_path):
    (tmp_path / "train.txt").write_text("beach03\nbeach04\n")
    (tmp_path / "test.txt").write_text("beach05\nbeach04\n")
    with pytest.raises(DatasetError, match="test.txt: expected other images than those of train.txt, found beach/bea"):
        split_of(tmp_path / "train.txt", DATA)


def test_a_file_of_ours_is_named_where_it_is_wrong(tmp_path):
    path = tmp_path / "s.json"
    Split("made", (), ITEMS[:3]).save(path)
    with pytest.raises(DatasetError, match=r"s.json: names no images to train on; name another file"):
        split_of(path, DATA)
    path.write_text(path.read_text().replace('"train": []', f'"train": ["{ITEMS[0]}"]'))
    with pytest.raises(DatasetError, match=r"s.json: split of made: expected each item once in train or test"):
        split_of(path, DATA)


@pytest.mark.parametrize(("word", "meant"), [("50-50", "50/50"), ("80:20", "80/20")])
def test_shares_by_another_sign(tmp_path, monkeypatch, word, meant):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=f"split: expected shares such as {meant}, or a file, got {word}"):
        split_of(word, DATA)
    Split("made", ITEMS[:3], ITEMS[3:]).save(tmp_path / word)
    assert split_of(word, DATA).train == ITEMS[:3]


def test_no_such_list(tmp_path):
    with pytest.raises(DatasetError, match="expected a list of images, one a line, found no such file"):
        split_of(tmp_path / "train.txt", DATA)
