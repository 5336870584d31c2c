"""Networks of other bands than red, green and blue, and of other samples than bytes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import rsir_fast as rf
from rsir_fast.archive import Features
from rsir_fast.backbones import Preprocessing, all_turns
from rsir_fast.errors import ImageError, NoImageReadError
from scene_files import write_scenes

BANDS = ("B2", "B3", "B4", "B8")
SIZE = 16


def steps(dtype="uint16", resize="whole", **more) -> Preprocessing:
    mean, std = (0.1, 0.2, 0.3, 0.4), (0.5, 0.5, 1.0, 2.0)
    return Preprocessing(SIZE, resize, divisor=1e4, mean=mean, std=std, bands=BANDS, dtype=dtype, **more)


class Filters(nn.Module):
    """A convolution of four bands."""

    name, layer = "filters", "conv"

    def __init__(self, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.preprocessing = preprocessing
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.conv = nn.Conv2d(4, 6, 3)

    def forward(self, images):
        return self.conv(images).mean((2, 3))


def scenes(dtype, count=5):
    rng = np.random.default_rng(0)
    if dtype == "float32":
        return [(rng.normal(1000, 400, (20, 20, 4)).astype(dtype), i % 2) for i in range(count)]
    return [(rng.integers(0, np.iinfo(dtype).max, (20, 20, 4)).astype(dtype), i % 2) for i in range(count)]


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_features_are_those_of_the_samples(dtype):
    module, data = Filters(steps(dtype)), scenes(dtype)
    features = rf.encode(data, module, workers=2, batch_size=2, device="cpu")
    for row, (samples, _) in zip(features["conv"], data, strict=True):
        bands = [Image.fromarray(samples[:, :, band].astype(np.float32)) for band in range(4)]
        resized = np.stack([np.asarray(band.resize((SIZE, SIZE), Image.Resampling.BICUBIC)) for band in bands])
        if dtype != "float32":
            resized = np.rint(resized).clip(0, np.iinfo(dtype).max)
        values = (resized / 1e4 - np.array([0.1, 0.2, 0.3, 0.4]).reshape(4, 1, 1)) / np.array(
            [0.5, 0.5, 1.0, 2.0]
        ).reshape(4, 1, 1)
        with torch.inference_mode():
            expected = module(torch.from_numpy(values[None].astype(np.float32)))[0]
        near = 2e-4 if dtype == "uint8" else 1e-4  # Pillow rounds between its two passes over bytes
        np.testing.assert_allclose(row, expected.numpy(), rtol=near, atol=near)


def test_of_red_green_and_blue_bytes_arrays_and_pictures_are_the_same():
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 256, (30, 20, 3), np.uint8))
    for resize in ("whole", "short-side"):
        plain = Preprocessing(SIZE, resize)
        assert np.array_equal(plain.prepare(picture), plain.prepare(np.asarray(picture)))
        assert plain.is_picture
        assert "bands" not in plain.describe()


def test_a_spec_knows_bands_and_samples(tmp_path):
    encoder = rf.load_encoder(Filters(steps()))
    assert (encoder.spec.preprocessing.bands, encoder.spec.preprocessing.dtype) == (BANDS, "uint16")
    other = rf.load_encoder(Filters(steps("float32")))
    assert encoder.spec.digest() != other.spec.digest()
    rf.encode(scenes("uint16"), encoder, device="cpu").save(tmp_path / "f")
    assert Features.load(tmp_path / "f").spec == encoder.spec


def test_every_turn_of_four_bands():
    encoder = rf.load_encoder(Filters(steps()))
    kept = rf.encode(scenes("uint16"), all_turns(encoder.backbone), device="cpu")
    assert np.array_equal(kept["conv"], rf.encode(scenes("uint16"), encoder, device="cpu").matrix)
    turned = [(np.rot90(samples).copy(), label) for samples, label in scenes("uint16")]
    np.testing.assert_allclose(kept["conv@1"], rf.encode(turned, encoder, device="cpu").matrix, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("frozen", [True, False])
def test_codes_are_learnt_of_four_bands(tmp_path, frozen):
    data = scenes("uint16", 12)
    encoder = rf.load_encoder(Filters(steps()))
    model = rf.train_dhcnn(data, encoder, bits=8, epochs=1, freeze_backbone=frozen, device="cpu")
    found = rf.encode(data, model, device="cpu")
    assert found["codes"].shape == (12, 1)


def test_tensors_have_their_bands_first():
    data = [(torch.from_numpy(samples.transpose(2, 0, 1).copy()), label) for samples, label in scenes("float32")]
    expected = rf.encode(scenes("float32"), Filters(steps("float32")), device="cpu").matrix
    assert np.array_equal(rf.encode(data, Filters(steps("float32")), device="cpu").matrix, expected)


def test_other_samples_are_refused(tmp_path):
    module = Filters(steps())
    odd = [*scenes("uint16", 1), *scenes("uint8", 1), (np.zeros((9, 9, 3), np.uint16), 0)]
    features = rf.encode(odd, module, device="cpu")
    assert len(features) == 1
    assert [entry.reason for entry in features.skipped] == [
        "expected uint16 samples [h, w, 4] of B2, B3, B4, B8, got uint8 [20, 20, 4]",
        "expected uint16 samples [h, w, 4] of B2, B3, B4, B8, got uint16 [9, 9, 3]",
    ]
    with pytest.raises(NoImageReadError):
        rf.encode([(np.full((9, 9, 4), np.nan, np.float32), 0)], Filters(steps("float32")), device="cpu")
    with pytest.raises(ValueError, match=r"expected arrays \[h, w, 4\] in memory for filters, whose bands are B2, B3"):
        rf.encode(write_scenes(tmp_path / "scenes"), module, device="cpu")
    with pytest.raises(ImageError, match="expected uint16 samples of B2, B3, B4, B8, got a picture"):
        steps().prepare(Image.new("RGB", (9, 9)))
    with pytest.raises(ValueError, match="expected a float32 batch"):
        steps().normalize(torch.zeros(1, 4, SIZE, SIZE, dtype=torch.uint8))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"bands": ("a", "b")}, "mean must have 2 values|std must have 2 values"),
        ({"bands": ("a", "a", "b")}, "bands must be different names"),
        ({"bands": ()}, "bands must be different names, got none"),
        ({"dtype": "int8"}, "dtype must be 'uint8', 'uint16' or 'float32'"),
        ({"bands": BANDS, "mean": (0,) * 4, "std": (1,) * 4, "channel_order": "BGR"}, "channel_order must be 'RGB'"),
    ],
)
def test_steps_that_do_not_fit_together(wrong, message):
    with pytest.raises(ValueError, match=message):
        Preprocessing(SIZE, **wrong)
