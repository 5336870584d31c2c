"""Archives that keep what they hold while other folders are added."""

from __future__ import annotations

import numpy as np
import pytest

from rsir_fast import encode
from rsir_fast.archive import Features, Snapshot
from rsir_fast.archive.roots import Roots
from scene_files import write_scenes


def add(archive, folder):
    return encode(folder, "colour-histogram", out=archive, workers=0, resume=True, mirror=False)


@pytest.fixture
def grown(tmp_path):
    """An archive of two folders whose files have the same names."""
    write_scenes(tmp_path / "scenes", classes=2, per_class=3)
    add(tmp_path / "archive", tmp_path / "scenes")
    write_scenes(tmp_path / "next" / "scenes", classes=3, per_class=2)
    add(tmp_path / "archive", tmp_path / "next" / "scenes")
    return tmp_path / "archive"


def test_both_folders_are_there_and_the_first_as_it_was(grown, tmp_path):
    found = Features.load(grown)
    assert found.items[:2] == ("class0/class0_0.jpg", "class0/class0_1.jpg")
    assert found.items[6] == "scenes/class0/class0_0.jpg"
    assert found.classes == ("class0", "class1", "class2")
    assert found.labels.tolist() == [0, 0, 0, 1, 1, 1, 0, 0, 1, 1, 2, 2]
    assert found.file_of(0) == tmp_path / "scenes" / "class0" / "class0_0.jpg"
    assert found.file_of(6) == tmp_path / "next" / "scenes" / "class0" / "class0_0.jpg"
    alone = encode(tmp_path / "scenes", "colour-histogram", workers=0)
    assert np.array_equal(found.matrix[:6], alone.matrix)
    assert found.ids.tolist() == list(range(12))


def test_nothing_new_makes_no_version(grown, tmp_path):
    add(grown, tmp_path / "next" / "scenes")
    add(grown, tmp_path / "scenes")
    assert Snapshot(grown).version.number == 2


def test_a_changed_image_is_replaced_and_one_that_is_gone_stays(grown, tmp_path):
    folder = tmp_path / "scenes"
    before = Features.load(grown)
    (folder / "class1" / "class1_2.jpg").write_bytes((folder / "class0" / "class0_0.jpg").read_bytes())
    (folder / "class0" / "class0_1.jpg").unlink()
    found = add(grown, folder)
    assert sorted(found.items) == sorted(before.items)
    assert set(before.ids) - set(found.ids) == {5}
    changed = list(found.items).index("class1/class1_2.jpg")
    assert np.array_equal(found.matrix[changed], found.matrix[0])


def test_what_could_not_be_read_elsewhere_is_still_told(grown, tmp_path):
    (tmp_path / "scenes" / "class0" / "odd.jpg").write_bytes(b"none")
    assert [one.item for one in add(grown, tmp_path / "scenes").skipped] == ["class0/odd.jpg"]
    assert [one.item for one in add(grown, tmp_path / "next" / "scenes").skipped] == ["class0/odd.jpg"]


def test_a_folder_below_a_root_belongs_to_it(grown, tmp_path):
    inner = Roots(grown, tmp_path / "scenes" / "more")
    assert inner.of("a/1.png") == ("images", "more/a/1.png")
    assert inner.used == {"images": str(tmp_path / "scenes")}
    assert inner.looked_through == [("images", "more/")]
    other = Roots(grown, tmp_path / "elsewhere" / "scenes")
    assert other.of("1.png") == ("scenes-2", "1.png")
    assert other.used == {"scenes-2": str(tmp_path / "elsewhere" / "scenes")}
    assert Roots(grown, tmp_path / "scenes2").of("a/1.png") == ("scenes2", "a/1.png")


def test_a_folder_around_roots_does_not_make_other_items_of_theirs(grown, tmp_path):
    around = Roots(grown, tmp_path)
    assert around.of("scenes/class0/1.png") == ("images", "class0/1.png")
    assert around.of("next/scenes/1.png") == ("scenes", "1.png")
    assert around.of("others/1.png") == (tmp_path.name, "others/1.png")
    assert around.looked_through == [(tmp_path.name, ""), ("images", ""), ("scenes", "")]


def test_a_mirror_has_one_folder(grown, tmp_path):
    folder = tmp_path / "scenes"
    found = encode(folder, "colour-histogram", out=grown, workers=0, resume=True)
    assert found.items == encode(folder, "colour-histogram", workers=0).items
    assert found.ids.tolist() == list(range(6))
    assert list(found.roots) == ["images"]
