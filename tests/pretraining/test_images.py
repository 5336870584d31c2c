"""Images to squares: where they are cut, what the mean is, which folders are understood."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rsir_fast.datasets import Dataset
from rsir_fast.errors import DatasetError, ImageError, NoImageReadError, TrainingError
from rsir_fast.pretraining import images as module
from rsir_fast.pretraining.images import channel_means, cut, open_images
from scene_files import write_broken, write_scenes


def picture(width: int, height: int) -> Image.Image:
    across, down = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    waves = 127 + 100 * np.sin(across / 9) * np.cos(down / 7)
    return Image.fromarray(np.stack([across, down, waves], axis=2).astype(np.uint8))


@pytest.mark.parametrize(("width", "height"), [(300, 500), (500, 300), (256, 256), (90, 60), (1000, 257)])
@pytest.mark.parametrize("place", [(0.0, 0.0), (0.5, 0.5), (0.999999, 0.999999), (0.31, 0.77)])
def test_it_is_the_short_side_resized_and_then_cut(width, height, place):
    image = picture(width, height)
    short = min(width, height)
    side_x, side_y = round(width * 256 / short), round(height * 256 / short)
    assert min(side_x, side_y) == 256
    whole = np.asarray(image.resize((side_x, side_y), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    left, top = int(place[0] * (side_x - 223)), int(place[1] * (side_y - 223))
    expected = whole[:, top : top + 224, left : left + 224]
    found = cut(image, 224, 256, (*place, False))
    assert found.shape == (3, 224, 224)
    assert np.abs(found.astype(int) - expected).max() <= 1
    assert np.array_equal(cut(image, 224, 256, (*place, True)), found[:, :, ::-1])


def test_the_centre_is_the_default():
    image = picture(256, 256)
    assert np.array_equal(cut(image, 224, 256), np.asarray(image.crop((16, 16, 240, 240))).transpose(2, 0, 1))


def test_a_strip_is_refused():
    with pytest.raises(ImageError, match="expected sides within a ratio of 64:1, found 2 x 200"):
        cut(Image.new("RGB", (2, 200)), 224, 256)


def in_memory(pictures: list[Image.Image]) -> Dataset:
    items = tuple(f"{i}" for i in range(len(pictures)))
    return Dataset("demo", None, items, None, (), loader=lambda item: pictures[int(item)])


def test_the_mean_is_that_of_all_pixels(monkeypatch):
    pictures = [Image.new("RGB", (256, 256), (i, 2 * i, 250)) for i in range(10)]
    for workers in (0, 2):
        assert channel_means(in_memory(pictures), 224, 256, workers) == (4.5, 9.0, 250.0)
    monkeypatch.setattr(module, "MEAN_IMAGES", 4)  # of 0, 3, 6, 9
    assert channel_means(in_memory(pictures), 224, 256, 0) == (4.5, 9.0, 250.0)
    assert channel_means(in_memory(pictures[:4] + pictures[:1] * 6), 224, 256, 0) == (0.75, 1.5, 250.0)


def test_the_mean_leaves_out_what_cannot_be_read(tmp_path):
    folder = write_scenes(tmp_path, classes=2, per_class=2)
    before = channel_means(open_images(folder).train, 224, 256, 0)
    (folder / "class0" / "damaged.jpg").write_bytes(b"no image")
    data = open_images(folder, validation=folder).train
    assert len(data) == 5
    assert all(abs(a - b) < 60 for a, b in zip(channel_means(data, 224, 256, 0), before, strict=True))
    with pytest.raises(NoImageReadError, match="expected images that can be read, found none among 1"):
        channel_means(data.subset([data.items.index("class0/damaged.jpg")]), 224, 256, 0)


def test_a_folder_of_two_parts(tmp_path):
    write_scenes(tmp_path / "net" / "train", classes=3, per_class=2)
    write_scenes(tmp_path / "net" / "val", classes=3, per_class=1)
    both = open_images(tmp_path / "net")
    assert (both.train.name, len(both.train), len(both.validation)) == ("net", 6, 3)
    described = both.describe()
    assert described["images"] == {"train": 6, "validation": 3}
    assert described == open_images(tmp_path / "net", seed=5).describe()

    (tmp_path / "net" / "val" / "class1").rename(tmp_path / "net" / "val" / "other")
    with pytest.raises(DatasetError, match="validation images of the classes trained on, found 1 others, first other"):
        open_images(tmp_path / "net")


def test_validation_classes_have_the_labels_of_training(tmp_path):
    write_scenes(tmp_path / "a", classes=3, per_class=2)
    write_scenes(tmp_path / "b", classes=3, per_class=1)
    for image in (tmp_path / "b" / "class0").iterdir():
        image.unlink()
    (tmp_path / "b" / "class0").rmdir()
    held = open_images(tmp_path / "a", tmp_path / "b").validation
    assert (held.classes, held.labels.tolist()) == (("class0", "class1", "class2"), [1, 2])


def test_without_parts_a_fifth_of_each_class_is_held_back(tmp_path):
    both = open_images(write_scenes(tmp_path, classes=2, per_class=5), seed=3)
    assert both.train.class_counts().tolist() == [4, 4]
    assert both.validation.class_counts().tolist() == [1, 1]
    assert not set(both.train.items) & set(both.validation.items)
    assert both.describe() != open_images(tmp_path, seed=4).describe()


def test_folders_that_nothing_can_be_learnt_from(tmp_path):
    with pytest.raises(TrainingError, match="one: expected training images of two classes or more, found 1"):
        open_images(write_scenes(tmp_path / "one", classes=1))
    with pytest.raises(TrainingError, match="single: expected two images of a class or more"):
        open_images(write_scenes(tmp_path / "single", classes=2, per_class=1))
    (tmp_path / "empty" / "class0").mkdir(parents=True)
    with pytest.raises(DatasetError, match="no images in"):
        open_images(tmp_path / "empty")
    with pytest.raises(DatasetError, match="no folder at"):
        open_images(tmp_path / "none")
    write_broken(tmp_path / "flat")
    with pytest.raises(DatasetError, match="expected images with classes"):
        open_images(tmp_path / "flat")


@pytest.mark.parametrize(("train", "held"), [("train", "val"), ("Training", "Validation"), ("a/train", "a/valid")])
def test_parts_by_any_of_their_names(tmp_path, train, held):
    for part, per_class in ((train, 3), (held, 2), (f"{Path(train).parent}/test", 2)):
        write_scenes(tmp_path / "net" / part / "images", classes=2, per_class=per_class)
    both = open_images(tmp_path / "net")
    assert (both.train.name, len(both.train), len(both.validation)) == ("net", 6, 4)
    assert "parts that are neither trained on nor validated with were left out: test" in both.train.notes


def test_a_test_part_is_not_learnt_from(tmp_path):
    for part in ("train", "test"):
        write_scenes(tmp_path / part, classes=2, per_class=5)
    both = open_images(tmp_path)
    assert (len(both.train), len(both.validation)) == (8, 2)
    assert both.train.root == both.validation.root == tmp_path / "train"
