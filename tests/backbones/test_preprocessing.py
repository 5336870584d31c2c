from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from rsir_fast.backbones import Preprocessing
from rsir_fast.errors import ImageError


def scene(width: int, height: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def resize_weights(size_in: int, size_out: int) -> np.ndarray:
    """Antialiased bicubic (a = -0.5) as a matrix [size_out, size_in], straight from the definition."""
    scale = size_in / size_out
    width = max(scale, 1.0)
    centres = (np.arange(size_out) + 0.5) * scale
    x = np.abs((np.arange(size_in) + 0.5 - centres[:, None]) / width)
    cubic = np.where(x < 1, (1.5 * x - 2.5) * x * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2)
    weights = np.where(x < 2, cubic, 0.0)
    return weights / weights.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("sizes", [(256, 256), (300, 180), (64, 100)])
def test_whole_image_against_the_definition_of_bicubic(sizes):
    image = scene(*sizes)
    prepared = Preprocessing(224).prepare(image)
    pixels = np.asarray(image, dtype=np.float64)
    rows, columns = resize_weights(sizes[1], 224), resize_weights(sizes[0], 224)
    # Pillow rounds and clips to bytes after each of its two passes, columns first.
    halfway = np.clip(np.floor(np.einsum("ow,hwc->hoc", columns, pixels) + 0.5), 0, 255)
    expected = np.clip(np.einsum("oh,hwc->owc", rows, halfway), 0, 255).transpose(2, 0, 1)
    assert prepared.dtype == np.uint8
    assert prepared.flags.c_contiguous
    difference = np.abs(prepared - expected)
    # Half a step of rounding; a few values halfway between two bytes fall to the other one in the first pass.
    assert (difference > 0.501).mean() < 1e-4
    assert difference.max() < 1.6


@pytest.mark.parametrize("sizes", [(256, 256), (400, 333), (333, 400), (40, 90)])
@pytest.mark.parametrize("size", [224, 227, 299])
def test_short_side_is_torchvisions_resize_and_centre_crop(sizes, size):
    image = scene(*sizes)
    steps = v2.Compose([v2.Resize(round(size * 256 / 224)), v2.CenterCrop(size)])
    expected = np.asarray(steps(image)).transpose(2, 0, 1)
    np.testing.assert_array_equal(Preprocessing(size, resize="short-side").prepare(image), expected)


def test_short_side_refuses_strips_that_would_take_gigabytes():
    with pytest.raises(ImageError, match="found 1 x 6000; use resize='whole'"):
        Preprocessing(224, resize="short-side").prepare(scene(1, 6000))
    assert Preprocessing(224).prepare(scene(1, 6000)).shape == (3, 224, 224)


@pytest.mark.parametrize("mode", ["L", "RGBA", "CMYK", "P"])
def test_any_mode_becomes_rgb(mode):
    image = scene(30, 20).convert(mode)
    expected = Preprocessing(16).prepare(image.convert("RGB"))
    np.testing.assert_array_equal(Preprocessing(16).prepare(image), expected)


MEAN_IMAGE = np.random.default_rng(5).uniform(80, 140, (3, 12, 12)).astype(np.float32)


@pytest.mark.parametrize(
    "steps",
    [
        Preprocessing(12),
        Preprocessing(12, channel_order="BGR", divisor=1.0, mean=(104.0, 117.0, 123.0), std=(1.0, 1.0, 1.0)),
        Preprocessing(12, divisor=1.0, std=(1.0, 1.0, 1.0), mean_image=MEAN_IMAGE),
        Preprocessing(12, channel_order="BGR", divisor=1.0, std=(1.0, 1.0, 1.0), mean_image=MEAN_IMAGE),
    ],
    ids=["torchvision", "caffe", "mean image", "mean image, BGR"],
)
def test_normalize_against_float64(steps):
    batch = np.random.default_rng(1).integers(0, 256, (4, 3, 12, 12), dtype=np.uint8)
    values = batch.astype(np.float64)
    if steps.channel_order == "BGR":
        values = values[:, ::-1]
    per_channel = np.array(steps.mean, dtype=np.float64)[:, None, None]
    mean = per_channel if steps.mean_image is None else steps.mean_image.astype(np.float64)
    expected = (values / steps.divisor - mean) / np.array(steps.std)[:, None, None]
    found = steps.normalize(torch.from_numpy(batch))
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6, atol=2e-6)


def test_normalize_names_what_it_expects():
    with pytest.raises(ValueError, match=r"uint8 batch \[n, 3, 12, 12\].*got float32 \[1, 3, 12, 12\]"):
        Preprocessing(12).normalize(torch.zeros(1, 3, 12, 12))
    assert Preprocessing(12).normalize(torch.zeros(0, 3, 12, 12, dtype=torch.uint8)).shape == (0, 3, 12, 12)


def test_pickle_equality_and_description():
    steps = Preprocessing(12, divisor=1.0, mean_image=MEAN_IMAGE)
    copy = pickle.loads(pickle.dumps(steps))
    assert copy == steps
    assert hash(copy) == hash(steps)
    assert steps != Preprocessing(12, divisor=1.0, mean_image=MEAN_IMAGE + 1)
    assert json.loads(json.dumps(steps.describe())) == steps.describe()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"resize": "stretch"}, "resize must be"),
        ({"channel_order": "GBR"}, "channel_order must be"),
        ({"input_size": 0}, "input_size must be"),
        ({"mean_image": MEAN_IMAGE[:, :5]}, r"mean_image must have shape \(3, 224, 224\), got \(3, 5, 12\)"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        Preprocessing(**{"input_size": 224, **arguments})
