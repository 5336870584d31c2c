"""Data sets that come as Python objects."""

from __future__ import annotations

import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from rsir_fast.datasets import open_dataset
from rsir_fast.datasets.wrap import image_from
from rsir_fast.errors import DatasetError, ImageError

PIXELS = np.random.default_rng(5).integers(0, 256, (5, 7, 3), dtype=np.uint8)


class Map:
    """A map-style data set of whatever it is given."""

    def __init__(self, values: list[object], **attributes: object) -> None:
        self.values = values
        self.__dict__.update(attributes)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, i: int) -> object:
        return self.values[i]


def image_folder(root: Path, transform: object = None) -> ImageFolder:
    for name in ("b/10.png", "b/9.png", "a/x/1.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(PIXELS).save(root / name)
    return ImageFolder(str(root), transform=transform)


def test_image_folder_keeps_its_order(tmp_path: Path) -> None:
    data = open_dataset(image_folder(tmp_path / "set"))
    assert (data.name, data.root, data.notes) == ("set", tmp_path / "set", ())
    assert data.items == ("a/x/1.png", "b/10.png", "b/9.png")  # ImageFolder sorts as text
    assert (data.classes, data.require_labels().tolist()) == (("a", "b"), [0, 1, 1])
    np.testing.assert_array_equal(np.asarray(data[2]), PIXELS)


def test_image_folder_with_transform_is_read_from_files(tmp_path: Path) -> None:
    data = open_dataset(image_folder(tmp_path, v2.Resize(2)), name="mine")
    assert (data.name, data[0].size) == ("mine", (7, 5))
    assert "transform" in data.notes[0]


def test_image_folder_with_files_elsewhere(tmp_path: Path) -> None:
    source = image_folder(tmp_path / "set")
    source.root = str(tmp_path / "other")
    data = open_dataset(source)
    assert data.root == tmp_path / "set"
    assert data.items[0] == "a/x/1.png"


def test_subset_of_an_image_folder(tmp_path: Path) -> None:
    data = open_dataset(torch.utils.data.Subset(image_folder(tmp_path), [2, 0]))
    assert (data.items, data.require_labels().tolist()) == (("b/9.png", "a/x/1.png"), [1, 0])


@pytest.mark.parametrize(
    "value",
    [
        PIXELS,
        Image.fromarray(PIXELS),
        PIXELS[:, ::-1][:, ::-1],
        PIXELS / 255.0,
        torch.from_numpy(PIXELS).permute(2, 0, 1),
        v2.functional.to_dtype(v2.functional.to_image(PIXELS), torch.float32, scale=True),
        np.dstack([PIXELS, np.full((5, 7), 255, np.uint8)]),
    ],
    ids=["array", "pil", "strided", "float array", "tensor", "float tensor", "opaque alpha"],
)
def test_every_kind_of_image_gives_the_same_pixels(value: object) -> None:
    np.testing.assert_array_equal(np.asarray(image_from(value)), PIXELS)


def test_grey_and_deep_images() -> None:
    for grey in (PIXELS[:, :, 0], PIXELS[:, :, :1], torch.from_numpy(PIXELS[:, :, 0].copy())[None]):
        np.testing.assert_array_equal(np.asarray(image_from(grey))[:, :, 2], PIXELS[:, :, 0])
    deep = PIXELS.astype(np.uint16) * 256 + 255
    deep[0, 0, 0] = 65535
    assert np.asarray(image_from(deep))[1:].tolist() == PIXELS[1:].tolist()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (torch.randn(3, 8, 8) * 3, "leave Normalize out"),
        (np.full((4, 4), np.nan), r"floats in \[0, 1\]"),
        (torch.zeros(8, 8, 3, dtype=torch.uint8), r"a tensor \[3, H, W\]"),
        (np.zeros((4, 4, 5), np.uint8), "of shape"),
        (np.zeros((0, 4), np.uint8), "of shape"),
        (np.array([["a"]]), "image of numbers"),
        ("a.png", "got str"),
    ],
)
def test_what_is_no_image_is_refused(value: object, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        image_from(value)


def test_labels_from_attributes() -> None:
    images: list[object] = [PIXELS, PIXELS]
    for attributes in ({"targets": [1, 0]}, {"targets": torch.tensor([1, 0])}, {"labels": np.array([1, 0])}):
        data = open_dataset(Map(images, classes=["forest", "lake"], **attributes))
        assert (data.name, data.classes, data.require_labels().tolist()) == ("Map", ("forest", "lake"), [1, 0])
    data = open_dataset(Map(images, samples=[("x.npy", 4), ("y.npy", 2)]))
    assert (data.classes, data.require_labels().tolist()) == (("2", "4"), [1, 0])


def test_labels_from_pairs_and_none() -> None:
    pairs = open_dataset([(PIXELS, 3), (PIXELS, torch.tensor(1))], name="pairs")
    assert (pairs.classes, pairs.require_labels().tolist()) == (("1", "3"), [1, 0])
    assert open_dataset([PIXELS]).labels is None
    assert len(open_dataset([])) == 0
    tensors = torch.utils.data.TensorDataset(torch.from_numpy(PIXELS).permute(2, 0, 1)[None], torch.tensor([6]))
    assert open_dataset(tensors).classes == ("6",)


def test_subset_and_pickle_keep_pointing_at_the_same_images() -> None:
    data = open_dataset([np.full((1, 1, 3), i, np.uint8) for i in range(12)]).subset([11, 3])
    copy = pickle.loads(pickle.dumps(data))
    assert (copy.root, copy.items) == (None, ("item-000011", "item-000003"))
    assert [image.getpixel((0, 0))[0] for image in copy] == [11, 3]


def test_items_are_read_one_at_a_time_even_by_threads(tmp_path: Path) -> None:
    """A data set with one file handle, as torch's are allowed to be."""
    images = np.random.default_rng(0).integers(0, 256, (300, 16, 16, 3), dtype=np.uint8)
    (tmp_path / "raw").write_bytes(images.tobytes())

    class OneHandle:
        def __init__(self) -> None:
            self.file = (tmp_path / "raw").open("rb")

        def __len__(self) -> int:
            return 300

        def __getitem__(self, i: int) -> object:
            self.file.seek(i * 768)
            return np.frombuffer(self.file.read(768), np.uint8).reshape(16, 16, 3)

    source = OneHandle()
    data = open_dataset(source)
    with ThreadPoolExecutor(8) as pool:
        loaded = list(pool.map(data.load_image, range(300)))
    source.file.close()
    assert (np.stack([np.asarray(image) for image in loaded]) == images).all()


def test_labels_of_a_subset_come_from_the_subset_only() -> None:
    seen = []

    class Pairs:
        def __len__(self) -> int:
            return 100

        def __getitem__(self, i: int) -> object:
            seen.append(i)
            return np.zeros((4, 4, 3), np.uint8), i % 5

    data = open_dataset(torch.utils.data.Subset(Pairs(), [7, 8, 8]))
    assert set(seen) == {7, 8}
    assert data.labels is not None
    assert [data.classes[label] for label in data.labels] == ["2", "3", "3"]


def test_failing_item_is_an_image_error() -> None:
    class Failing(Map):
        def __getitem__(self, i: int) -> object:
            raise RuntimeError("disk\non fire")

    with pytest.raises(ImageError, match=r"item-000000 of Failing: RuntimeError: disk\\non fire"):
        open_dataset(Failing([1], targets=[0])).load_image(0)
    with pytest.raises(ImageError, match="item-000000 of list: expected an image"):
        open_dataset([b"text"]).load_image(0)


@pytest.mark.parametrize("source", [iter([PIXELS]), 7, {"a": PIXELS}, None])
def test_other_objects_are_refused(source: object) -> None:
    with pytest.raises(DatasetError, match="__len__ and __getitem__"):
        open_dataset(source)


@pytest.mark.parametrize("targets", [[0], [0.5, 1.0], [[0], [1]]])
def test_labels_that_do_not_fit(targets: object) -> None:
    with pytest.raises(DatasetError, match="expected 2 integer labels"):
        open_dataset(Map([PIXELS, PIXELS], targets=targets))
    with pytest.raises(DatasetError, match="expected labels 0 to 0"):
        open_dataset(Map([PIXELS, PIXELS], targets=[0, 1], classes=["only"]))


def test_room_does_not_import_torch() -> None:
    code = "import sys, rsir_fast.datasets; sys.exit('torch' in sys.modules)"
    path = Path(__file__).parents[2] / "python"
    assert subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(path)}, check=False).returncode == 0
