"""What is damaged is made again: from another copy on the disk, or from the images; what cannot be is told."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

import rsir_fast as rf
from rsir_fast.archive import Features, Snapshot
from rsir_fast.archive.compact import compact
from rsir_fast.archive.remove import remove
from scene_files import write_scenes


@pytest.fixture
def archive(tmp_path):
    """Two segments of 6 and 3 images, one hidden."""
    write_scenes(tmp_path / "scenes", classes=2, per_class=3)
    rf.encode(tmp_path / "scenes", "hog", out=tmp_path / "A", workers=0)
    write_scenes(tmp_path / "more", classes=1, per_class=3)
    rf.encode(tmp_path / "more", "hog", out=tmp_path / "A", workers=0, resume=True, mirror=False)
    remove(tmp_path / "A", [2])
    return tmp_path / "A"


def damage(path, how="flip"):
    content = bytearray(path.read_bytes())
    if how == "gone":
        path.unlink()
        return
    if how == "cut":
        del content[-100:]
    else:
        content[-5] ^= 1
    path.write_bytes(content)


def contents(archive):
    found = Snapshot(archive)
    (field,) = found.spec.fields
    return found.ids.tolist(), found.rows(), np.asarray(found[field.name]).tobytes()


def vectors(archive, number=0):
    (path,) = [path for path in Snapshot(archive).segments[number].folder.glob("*.npy") if path.name != "ids.npy"]
    return path


@pytest.mark.parametrize("how", ["flip", "cut", "gone"])
def test_vectors_are_encoded_again(archive, how):
    before = contents(archive)
    path = vectors(archive)
    damage(path, how)
    told = rf.Archive.repair(archive)
    assert (told.encoded, told.restored, told.left) == (5, 0, ())
    assert told.mended == (path.relative_to(archive).as_posix(),)
    assert contents(archive) == before
    found = rf.Archive(archive)
    assert found.verify(told.version).is_sound
    assert [entry.change.what for entry in found.log()] == ["add", "add", "remove", "repair"]
    again = rf.Archive.repair(archive)
    assert (again.version, again.mended, again.older) == (told.version, (), told.mended)


def test_what_was_compacted_is_found_in_the_segments_before(archive, tmp_path):
    before = contents(archive)
    compact(archive)
    shutil.rmtree(tmp_path / "scenes")
    for name in ("items.arrow", "sources.arrow", "hog.npy"):
        damage(Snapshot(archive).segments[0].folder / name)
        told = rf.Archive.repair(archive)
        assert (told.encoded, told.restored, told.left) == (0, 8, ())
        assert contents(archive) == before


def test_what_cannot_be_made_again_is_told_and_stays(archive, tmp_path):
    before = contents(archive)
    damage(vectors(archive))
    image = tmp_path / "scenes" / "class0" / "class0_0.jpg"
    content = image.read_bytes()
    image.unlink()
    told = rf.Archive.repair(archive)
    assert (told.encoded, told.mended) == (0, ())
    (left,) = told.left
    assert "class0_0.jpg: expected the image as it was encoded, found no such file; put it back" in left.problem
    assert Snapshot(archive).version.number == 3
    image.write_bytes(content)
    assert rf.Archive.repair(archive).left == ()
    assert contents(archive) == before


def test_integer_copies_are_made_again_in_their_place(tmp_path):
    x = np.random.default_rng(0).standard_normal((9000, 128), np.float32)
    Features(x, tuple(f"{number:05}.jpg" for number in range(len(x))), None, (), "demo").save(tmp_path / "A")
    (path,) = (tmp_path / "A" / "segments").glob("*/*.sidecar")
    content = path.read_bytes()
    for how in ("flip", "gone"):
        damage(path, how)
        told = rf.Archive.repair(tmp_path / "A")
        assert told.mended == (path.relative_to(tmp_path / "A").as_posix(),)
        assert (told.version, path.read_bytes()) == (1, content)


def test_a_damaged_newest_version_is_not_passed_over(archive):
    path = archive / "versions" / "00000003.json"
    damage(path)
    damage(vectors(archive))
    told = rf.Archive.repair(archive)
    assert (told.version, told.encoded) == (3, 0)
    assert "versions/00000003.json" in {each.file for each in told.left}
