"""Items that are removed: hidden at once, whatever others do meanwhile."""

from __future__ import annotations

import numpy as np
import pytest

import rsir_fast as rf
from rsir_fast.archive import Snapshot, Writer
from rsir_fast.archive.inputs import About, Input
from rsir_fast.archive.remove import ids_of_items, remove
from rsir_fast.datasets.windows import Window
from rsir_fast.encoders.fields import FieldSpec
from rsir_fast.encoders.spec import parse_spec
from rsir_fast.errors import ArchiveError
from rsir_fast.retrieval import Column
from small_archive import assert_holds, assert_tidy, put, write

NAMES = [f"{kind}/{number}.bin" for kind in "ab" for number in range(5)]
VECTORS = parse_spec(
    {"kind": "foreign", "stored": [FieldSpec(name="vector", kind="vector", dtype="float32", width=4)], "told": {}}
)


@pytest.fixture
def images(tmp_path):
    put(tmp_path / "images", NAMES)
    return tmp_path / "images"


@pytest.fixture
def archive(tmp_path, images):
    write(tmp_path / "archive", images)
    return tmp_path / "archive"


def test_removed_items_are_gone_and_older_versions_have_them(archive, images):
    found = remove(archive, [1, 4])
    assert_holds(found, images, [name for at, name in enumerate(NAMES) if at not in (1, 4)])
    assert_holds(Snapshot(archive, 1), images)
    change = found.version.change
    assert (change.what, change.items, change.added, change.removed) == ("remove", 8, 0, 2)
    assert_tidy(archive)
    assert len(remove(archive, found.ids)) == 0
    assert_holds(write(archive, images), images)  # they come back where they are wanted


def test_what_is_not_there_is_refused_and_nothing_is_removed(archive, images):
    remove(archive, [1])
    for ids in ([1], [2, 10], [-1], [2, 1 << 62]):
        with pytest.raises(ArchiveError, match=r"archive: expected ids of items that version 2 has, got "):
            remove(archive, ids)
    assert Snapshot(archive).version.number == 2
    assert len(remove(archive, [])) == 9
    assert Snapshot(archive).version.number == 2


def test_the_order_of_the_data_set_stays(archive, images):
    write(archive, images, NAMES[::-1])
    found = remove(archive, [3, 7])
    assert_holds(found, images, [name for at, name in enumerate(NAMES) if at not in (3, 7)][::-1])


def test_others_may_remove_the_same_meanwhile(archive, monkeypatch):
    from rsir_fast.archive import commit

    publish, raced = commit.publish, []

    def lost(folder, version):
        if not raced:
            raced.append(True)
            remove(folder, [2, 3] if 3 in Snapshot(folder).ids else [4])
        return publish(folder, version)

    monkeypatch.setattr(commit, "publish", lost)
    found = remove(archive, [1, 2])
    assert found.ids.tolist() == [0, 4, 5, 6, 7, 8, 9]
    assert (found.version.number, found.version.change.removed) == (3, 1)
    raced.clear()
    assert remove(archive, [4]).ids.tolist() == [0, 5, 6, 7, 8, 9]


def test_by_name(archive):
    found = Snapshot(archive)
    assert ids_of_items(found, ["b/0.bin", "a/1.bin", "b/0.bin"]).tolist() == [1, 5]
    assert ids_of_items(found, []).tolist() == []
    with pytest.raises(ArchiveError, match=r"expected an item called c/0.bin, found none"):
        ids_of_items(found, ["a/1.bin", "c/0.bin"])
    with pytest.raises(ArchiveError, match=r"expected an item called a, found none"):
        ids_of_items(found, ["a"])
    with pytest.raises(ArchiveError, match=r"expected an item called a/1.bin, found none"):
        ids_of_items(remove(archive, [1]), ["a/1.bin"])


def test_windows_by_name(tmp_path):
    """Two roots, in one of which a file is called as one of the other with the root before."""
    inputs = [
        *(Input("images", "r/a.tif", 1, 1, window=Window(at, 8, 8, 8)) for at in range(4)),
        *(Input("r", "b.tif", 1, 1, window=Window(at, 8, 8, 8)) for at in range(4)),
        Input("r", "a.tif", 1, 1, window=Window(0, 8, 8, 8)),
        Input("images", "odd#xywh=1,1,1,1", 1, 1),
    ]
    about = About(name="x", labelled=False, roots={"images": "/i", "r": "/r"})
    with Writer(tmp_path / "A", VECTORS, {}, inputs, about=about, sha256=lambda n: "0" * 64) as at:
        at.add(range(len(inputs)), {"vector": np.zeros((len(inputs), 4), np.float32)})
        found = at.commit()
    assert ids_of_items(found, ["r/b.tif"]).tolist() == [4, 5, 6, 7]
    assert ids_of_items(found, ["r/b.tif#xywh=2,8,8,8", "r/b.tif#xywh=3,8,8,8"]).tolist() == [6, 7]
    assert ids_of_items(found, ["r/b.tif#xywh=2,8,8,8", "r/b.tif"]).tolist() == [4, 5, 6, 7]
    assert ids_of_items(found, ["r/a.tif#xywh=1,8,8,8"]).tolist() == [1]
    assert ids_of_items(found, ["odd#xywh=1,1,1,1"]).tolist() == [9]
    for name in ("r/b.tif#xywh=2,8,8,9", "r/b.tif#xywh=8,2,8,8", "b.tif", "r"):
        with pytest.raises(ArchiveError, match="found none"):
            ids_of_items(found, [name])
    for name in ("r/a.tif", "r/a.tif#xywh=0,8,8,8"):
        with pytest.raises(ArchiveError, match=r"found those of the roots images, r: name them by id"):
            ids_of_items(found, [name])


def test_by_what_is_told_of_them(archive):
    found = rf.Archive(archive)
    assert found.remove([2], items=["a/0.bin"], where=Column(column="class", value="b")) == 7
    assert found.features().items == ("a/1.bin", "a/3.bin", "a/4.bin")
    assert found.features().ids.tolist() == [1, 3, 4]
    assert found.remove(where=Column(column="class", value="b")) == 0
    assert found.versions == [1, 2]


@pytest.mark.parametrize(
    "ids", [[1.5], ["1"], [1 << 70], [True], np.zeros((2, 2), np.int64), np.array([1 << 63], np.uint64)]
)
def test_what_is_no_id_is_refused(archive, ids):
    with pytest.raises(ValueError, match="ids: expected whole numbers of 64 bits"):
        remove(archive, ids)
    assert Snapshot(archive).version.number == 1


def test_a_file_is_a_name_too(archive):
    assert ids_of_items(Snapshot(archive), ["/images/a/3.bin"]).tolist() == [3]
