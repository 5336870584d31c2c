"""What may go wrong with a folder of features, and what must not happen then."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest
from rsir_fast.extraction.store import check_folder

from op_support import same_bits
from rsir_fast.archive import Features
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


def test_a_finished_matrix_is_taken_as_it_is(made, backbone):
    seen = []
    resume(made, backbone, progress=seen.append)
    assert seen == []


def test_changed_images_are_noticed(made, backbone):
    shutil.copy(made / "scenes/class0/class0_1.jpg", made / "scenes/class2/class2_0.jpg")
    with pytest.raises(FeaturesError, match=r"made otherwise \(set of images: images were replaced"):
        resume(made, backbone)


def test_relabelled_images_are_noticed(made, backbone):
    data = open_dataset(made / "scenes")
    other = Dataset(data.name, data.root, data.items, data.labels[::-1], data.classes)
    with pytest.raises(FeaturesError, match="set of images: images were replaced"):
        encode(other, backbone, batch_size=4, shard_size=4, workers=0, out=made / "f", resume=True)


def test_data_sets_in_memory_are_not_resumed(made, backbone):
    pairs = [(image, 0) for image in open_dataset(made / "scenes")]
    encode(pairs, backbone, workers=0, out=made / "memory")
    with pytest.raises(FeaturesError, match="in memory cannot be known again"):
        encode(pairs, backbone, workers=0, out=made / "memory", resume=True)


def test_a_finished_matrix_serves_another_thread_count_but_an_unfinished_one_does_not(made, backbone):
    plan = made / "f/extraction.json"
    plan.write_text(plan.read_text().replace('"cpu_threads": ', '"cpu_threads": 9'))
    resume(made, backbone)
    (made / "f/manifest.json").unlink()
    with pytest.raises(FeaturesError, match="number of threads: 9"):
        resume(made, backbone)


@pytest.mark.parametrize("name", ["shards/000000000.npy", "shards/000000004.json", "items.parquet", "manifest.json"])
@pytest.mark.parametrize("damage", ["removed", "cut", "emptied"])
def test_damage_is_named_and_resume_mends_it(made, backbone, name, damage):
    expected = np.array(Features.load(made / "f").matrix)
    path = made / "f" / name
    content = path.read_bytes()
    path.unlink() if damage == "removed" else path.write_bytes(content[: len(content) // 2 if damage == "cut" else 0])
    if not name.startswith("shards/") or name.endswith(".npy"):
        with pytest.raises(FeaturesError, match="resume"):
            Features.load(made / "f")
        mended = resume(made, backbone)
        assert same_bits(np.asarray(mended.matrix), expected)
    assert same_bits(np.asarray(Features.load(made / "f").matrix), expected)


def test_a_flipped_bit_is_noticed(made):
    path = made / "f/shards/000000004.npy"
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    with pytest.raises(FeaturesError, match=r"000000004.npy is damaged \(its SHA-256"):
        Features.load(made / "f")
    Features.load(made / "f", verify=False)


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("name", ["shards/precious.tar", "manifest.json", "extraction.json", "thesis.tex"])
def test_what_is_not_ours_is_never_touched(made, backbone, tmp_path, name, force):
    foreign = tmp_path / "foreign" / name
    foreign.parent.mkdir(parents=True)
    foreign.write_text("precious")
    with pytest.raises(FeaturesError, match="expected a new or empty folder, or one of features, found"):
        encode(made / "scenes", backbone, workers=0, out=tmp_path / "foreign", force=force)
    (made / "f/shards/mine.txt").write_text("precious")
    with pytest.raises(FeaturesError, match="found 'shards/mine.txt' in it"):
        resume(made, backbone, resume=False, force=True)
    assert foreign.read_text() == (made / "f/shards/mine.txt").read_text() == "precious"


def test_force_replaces_shards_behind_a_link(made, backbone):
    shutil.move(made / "f/shards", made / "elsewhere")
    (made / "f/shards").symlink_to(made / "elsewhere")
    other = load_backbone("squeezenet1_1", weights="random:1")
    replaced = resume(made, other, resume=False, force=True)
    assert same_bits(np.asarray(replaced.matrix), encode(made / "scenes", other, batch_size=4, workers=0).matrix)


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
