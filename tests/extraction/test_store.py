"""What may go wrong with a folder of features, and what must not happen then."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest

from op_support import same_bits
from rsir_fast.archive import Features
from rsir_fast.archive.folders import check_folder
from rsir_fast.backbones import load_backbone
from rsir_fast.datasets import Dataset, open_dataset
from rsir_fast.errors import FeaturesError
from rsir_fast.extraction import encode
from scene_files import write_scenes


@pytest.fixture(scope="module")
def backbone():
    return load_backbone("squeezenet1_1", weights="random:0")


@pytest.fixture(scope="module")
def finished(tmp_path_factory, backbone):
    """A data set and its features, to be copied by each test."""
    root = tmp_path_factory.mktemp("store")
    write_scenes(root / "scenes", per_class=3)
    encode(root / "scenes", backbone, batch_size=4, shard_size=4, workers=0, out=root / "f")
    return root


@pytest.fixture
def made(finished, tmp_path):
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)  # copies keep the files' times
    return tmp_path


def resume(root, backbone, **settings):
    settings = {"batch_size": 4, "shard_size": 4, "workers": 0, "out": root / "f", "resume": True} | settings
    return encode(root / "scenes", backbone, **settings)


def versions(root) -> int:
    return len(list((root / "f/versions").iterdir()))


def fresh(root, backbone):
    """The features as of a new folder."""
    return encode(root / "scenes", backbone, batch_size=4, workers=0)


def assert_same(found, wanted):
    assert found.items == wanted.items
    assert np.array_equal(found.labels, wanted.labels)
    assert found.classes == wanted.classes
    assert same_bits(np.asarray(found.matrix), np.asarray(wanted.matrix))


def test_a_finished_matrix_is_taken_as_it_is(made, backbone):
    seen = []
    for _ in range(2):  # the first tells where the copied images are now
        resume(made, backbone, progress=seen.append)
        assert seen == []
        assert versions(made) == 2


def test_a_folder_follows_its_images(made, backbone):
    """Grown, changed, lost, found again: always what a fresh folder has, and only what is new is computed."""
    scenes = made / "scenes"
    shutil.move(scenes / "class0/class0_2.jpg", made / "aside.jpg")
    (scenes / "class3").mkdir()
    shutil.copy(scenes / "class1/class1_0.jpg", scenes / "class3/new.jpg")
    shutil.copy(scenes / "class0/class0_1.jpg", scenes / "class2/class2_0.jpg")
    seen = []
    found = resume(made, backbone, progress=lambda at: seen.append((at.done, at.total)))
    assert seen[-1] == (9, 9)
    assert found.timing["images"] == 2
    assert_same(found, fresh(made, backbone))
    shutil.move(made / "aside.jpg", scenes / "class0/class0_2.jpg")
    shutil.rmtree(scenes / "class3")
    again = resume(made, backbone)
    assert again.timing == {}
    assert_same(again, fresh(made, backbone))
    assert_same(Features.load(made / "f"), again)
    assert versions(made) == 3


def test_a_folder_that_was_moved_and_renamed_is_the_same(made, backbone):
    shutil.move(made / "scenes", made / "others")
    seen = []
    found = encode(made / "others", backbone, out=made / "f", batch_size=4, resume=True, progress=seen.append)
    assert seen == []
    assert (found.name, found.root) == ("others", made / "others")
    assert Features.load(made / "f").as_dataset().load_image(0).size == (40, 40)


def test_other_images_do_not_take_the_place_of_these(made, backbone):
    write_scenes(made / "else", classes=2, per_class=1)
    (made / "else/class0").rename(made / "else/forest")
    (made / "else/class1").rename(made / "else/river")
    before = Features.load(made / "f").items
    with pytest.raises(FeaturesError, match=r"f holds features of other images, none of which is among the 2 of else"):
        encode(made / "else", backbone, out=made / "f", batch_size=4, workers=0, resume=True)
    assert Features.load(made / "f").items == before
    assert not (made / "f/work").exists() or not list((made / "f/work").iterdir())


def test_relabelled_images_are_relabelled(made, backbone):
    data = open_dataset(made / "scenes")
    other = Dataset(data.name, data.root, data.items, data.labels[::-1], data.classes)
    found = encode(other, backbone, batch_size=4, workers=0, out=made / "f", resume=True)
    assert np.array_equal(found.labels, data.labels[::-1])
    assert same_bits(np.asarray(found.matrix), np.asarray(fresh(made, backbone).matrix))


def test_data_sets_in_memory_are_not_resumed(made, backbone):
    pairs = [(image, 0) for image in open_dataset(made / "scenes")]
    stored = encode(pairs, backbone, workers=0, out=made / "memory")
    assert_same(Features.load(made / "memory"), stored)
    with pytest.raises(FeaturesError, match="in memory cannot be known again"):
        encode(pairs, backbone, workers=0, out=made / "memory", resume=True)


def test_rows_of_several_runs_are_told_apart(made, backbone):
    shutil.copy(made / "scenes/class0/class0_1.jpg", made / "scenes/class0/more.jpg")
    found = resume(made, backbone, batch_size=2)
    assert [run["batch_size"] for run in found.provenance["runs"]] == [4, 2]
    assert found.provenance["extraction"]["batch_size"] == 2
    assert found.spec == Features.load(made / "f").spec == fresh(made, backbone).spec


def test_another_encoder_is_refused_by_what_differs(made):
    with pytest.raises(FeaturesError, match=r"rows of another encoder \(weights: random:0, now random:1\)"):
        resume(made, load_backbone("squeezenet1_1", weights="random:1"))


@pytest.mark.parametrize("name", ["gap.npy", "segment.json", "items.arrow", "sources.arrow"])
@pytest.mark.parametrize("damage", ["removed", "cut", "emptied", "flipped"])
def test_damage_is_named_and_the_same_call_mends_it(made, finished, backbone, name, damage):
    expected = Features.load(finished / "f")
    path = next((made / "f/segments").glob(f"*/{name}"))
    content = path.read_bytes()
    damaged = {
        "removed": b"",
        "cut": content[: len(content) // 2],
        "emptied": b"",
        "flipped": content[:-20] + bytes([content[-20] ^ 1]) + content[-19:],
    }
    path.unlink() if damage == "removed" else path.write_bytes(damaged[damage])
    with pytest.raises(FeaturesError, match=name):
        Features.load(made / "f")
    assert_same(resume(made, backbone), expected)
    assert_same(Features.load(made / "f"), expected)


def test_without_verifying_a_flipped_bit_is_not_looked_for(made):
    path = next((made / "f/segments").glob("*/gap.npy"))
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    with pytest.raises(FeaturesError, match=r"gap.npy: .* its SHA-256 is not the one that was recorded"):
        Features.load(made / "f")
    Features.load(made / "f", verify=False)


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("name", ["shards/precious.tar", "manifest.json", "versions/notes.txt", "thesis.tex"])
def test_what_is_not_ours_is_never_touched(made, backbone, tmp_path, name, force):
    foreign = tmp_path / "foreign" / name
    foreign.parent.mkdir(parents=True)
    foreign.write_text("precious")
    with pytest.raises(FeaturesError, match="expected a new or empty folder, or one of features, found"):
        encode(made / "scenes", backbone, workers=0, out=tmp_path / "foreign", force=force)
    (made / "f/segments/mine.txt").write_text("precious")
    with pytest.raises(FeaturesError, match="found 'segments/mine.txt' in it"):
        resume(made, backbone, resume=False, force=True)
    assert foreign.read_text() == (made / "f/segments/mine.txt").read_text() == "precious"


def test_force_replaces_segments_behind_a_link(made, backbone):
    shutil.move(made / "f/segments", made / "elsewhere")
    (made / "f/segments").symlink_to(made / "elsewhere")
    other = load_backbone("squeezenet1_1", weights="random:1")
    assert_same(resume(made, other, resume=False, force=True), fresh(made, other))
    assert versions(made) == 1
    assert list((made / "elsewhere").iterdir()) != []  # what a link leads to is not ours


def test_no_such_features(made, tmp_path):
    with pytest.raises(FeaturesError, match="found no such folder; make it with `rsir features`"):
        Features.load(tmp_path / "nowhere")
    with pytest.raises(FeaturesError, match="found other things"):
        Features.load(made / "scenes")


def test_names_that_are_no_text(tmp_path, backbone):
    scenes = write_scenes(tmp_path / "scenes", classes=2, per_class=2)
    odd = os.fsencode(scenes) + b"/b\xff"
    os.rename(scenes / "class1", odd)
    os.rename(odd + b"/class1_0.jpg", odd + b"/\xe9.jpg")
    with open(odd + b"/broken\xe9\n.jpg", "wb") as file:
        file.write(b"x")
    features = encode(scenes, backbone, workers=0, out=tmp_path / "f")
    data = open_dataset(scenes)
    assert features.classes == data.classes
    assert set(features.items) | {features.skipped[0].item} == set(data.items)
    assert features.as_dataset().load_image(3).size == (40, 40)
    resumed = encode(scenes, backbone, workers=0, out=tmp_path / "f", resume=True)
    assert resumed.items == features.items


def test_labels_are_checked():
    matrix = np.zeros((2, 3), np.float32)
    assert Features(matrix, ("a", "b"), [0, 1], ("x", "y"), "list").labels.dtype == np.int64
    for labels in ([0, 2], [-1, 0], [0], [0.0, 1.0]):
        with pytest.raises(FeaturesError, match="expected 2 integer labels, 0 to 1 for 2 classes"):
            Features(matrix, ("a", "b"), labels, ("x", "y"), "bad")
    with pytest.raises(FeaturesError, match="expected a NumPy float32 matrix"):
        Features(matrix.astype(float), ("a", "b"), None, (), "bad")
    with pytest.raises(FeaturesError, match="expected 2 items, one per row, got 1"):
        Features(matrix, ("a",), None, (), "bad")


def test_a_users_hidden_file_is_no_leftover(tmp_path):
    """Of a name as older reports had: the folder is somebody's own."""
    (tmp_path / ".report-settings").write_text("a user's")
    with pytest.raises(FeaturesError, match="report-settings"):
        check_folder(tmp_path)
    assert (tmp_path / ".report-settings").read_text() == "a user's"
