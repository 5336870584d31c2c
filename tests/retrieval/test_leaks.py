"""Leaks of a split: planted ones are found, and no other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rsir_fast.archive import Features
from rsir_fast.archive.items import Items
from rsir_fast.archive.tables import ItemRow, Tables
from rsir_fast.datasets import Split
from rsir_fast.datasets.footprints import bounds_of, footprint
from rsir_fast.datasets.windows import Place, Window
from rsir_fast.errors import FeaturesError
from rsir_fast.retrieval import leaks

PLACE = Place("EPSG:32633", (10.0, 0.0, 500_000.0, 0.0, -10.0, 5_000_000.0))


def tile(number: int, column: int, row: int, place: Place = PLACE) -> ItemRow:
    window = Window(column, row, 64, 64)
    bounds = bounds_of(footprint(place, window))
    return ItemRow("images", f"{number}.tif", 1, 1, window=window, place=place, bounds=bounds, sha256=f"{number:064x}")


@pytest.fixture
def planted():
    """A grid of 8 x 8 tiles that touch, left half to train; then leaks of each kind."""
    rows = [tile(y * 8 + x, x * 64, y * 64) for y in range(8) for x in range(8)]
    x = np.random.default_rng(0).standard_normal((68, 16)).astype(np.float32)
    train = [number for number in range(64) if number % 8 < 4]
    test = [number for number in range(64) if number % 8 >= 4]
    rows.append(tile(64, 4 * 64 - 10, 0))  # to train: 10 pixels over the border, in the rows of 4
    rows.append(replace(rows[13], source="copy.tif", bounds=None, place=None))  # to train: the bytes of a test item
    rows.append(
        replace(rows[0], source="b.tif", bounds=None, place=None, sha256="f" * 64)
    )  # to test: the features of 0
    x[66] = 4 * x[0]
    rows.append(replace(tile(67, 64 * 64, 0), sha256="e" * 64))  # to test: apart from all
    data = Features(x, Items([Tables.of(rows)]), None, (), "demo")
    names = list(data.items)
    split = Split("demo", tuple(names[n] for n in (*train, 64, 65)), tuple(names[n] for n in (*test, 66, 67)))
    return data, split, names


def test_all_that_is_planted_is_found_and_no_other(planted):
    data, split, names = planted
    found = leaks(data, split)
    told = {
        (leak.train, leak.test): (leak.content, leak.distance is not None, leak.overlap is not None)
        for leak in found.found
    }
    assert told == {
        (names[64], names[4]): (False, False, True),
        (names[65], names[13]): (True, False, False),
        (names[0], names[66]): (False, True, False),
    }
    (overlap,) = [leak.overlap for leak in found.found if leak.overlap is not None]
    assert overlap == pytest.approx(54 / 64, rel=1e-3)
    (distance,) = [leak.distance for leak in found.found if leak.distance is not None]
    assert distance == 0


def test_the_repaired_split_has_none(planted, tmp_path):
    data, split, names = planted
    found = leaks(data, split)
    assert found.repaired.test == split.test
    assert set(split.train) - set(found.repaired.train) == {names[0], names[64], names[65]}
    assert len(leaks(data, found.repaired)) == 0
    found.repaired.save(tmp_path / "split.json")
    assert Split.load(tmp_path / "split.json") == found.repaired


def test_a_distance(planted):
    data, split, _ = planted
    near = leaks(data, split, max_distance=99)
    assert len(near) == len(split.train) * len(split.test)
    with pytest.raises(ValueError, match="max_distance: expected at least 0, got -1"):
        leaks(data, split, max_distance=-1)


def test_items_that_are_not_there(planted):
    data, split, _ = planted
    with pytest.raises(FeaturesError, match="demo: expected all items of the split, but z.png not there"):
        leaks(data, Split("demo", (*split.train, "z.png"), split.test))


def test_images_without_places_and_files():
    data = Features(np.eye(3, dtype=np.float32), ("a", "b", "c"), None, (), "demo")
    assert leaks(data, Split("demo", ("a", "b"), ("c",)), normalize="none").found == ()
