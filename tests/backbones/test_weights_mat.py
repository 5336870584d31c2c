"""MatConvNet files of every kind, against a float64 construction of the same network."""

from __future__ import annotations

import copy
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import torch

from rsir_fast.backbones import Backbone, load_backbone
from rsir_fast.backbones.weights import mat_reader
from rsir_fast.errors import WeightFileError


def run(backbone: Backbone, images: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return backbone(backbone.preprocessing.normalize(torch.from_numpy(images))).numpy()


def assert_close(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.shape == expected.shape
    assert expected.std() > 0.01
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.fixture(scope="module")
def references(mat_model, pixels):
    """Reference features of each trunk, computed once."""
    cache: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def get(name: str):
        if name not in cache:
            model = mat_model(name)
            images = pixels(1, model.input_size)
            cache[name] = images, model.reference(images)
        return cache[name]

    return get


ALL_FORMS = [(version, layout) for version in ("v5", "v7.3") for layout in ("old", "new")]
CASES = [(name, *form) for name in ("cnn-alex", "cnn-f") for form in ALL_FORMS]
CASES += [("cnn-m", "v7.3", "old"), ("cnn-s", "v5", "new")]


@pytest.mark.parametrize(("name", "version", "layout"), CASES)
def test_trunk_gives_the_reference_features(tmp_path, mat_model, references, name, version, layout):
    path = mat_model(name).write(tmp_path / "model.mat", version=version, layout=layout)
    backbone = load_backbone(name, "pool5", path)
    images, expected = references(name)
    assert_close(run(backbone, images), expected)
    assert backbone.dim == expected.shape[1]
    assert backbone.provenance["weights"]["format"] == f"MatConvNet .mat {version}"
    assert "mean image" in backbone.provenance["preprocessing"]["mean"]


def test_fully_connected_layers(tmp_path, mat_model, pixels):
    model = mat_model("cnn-f", fc=True)
    path = model.write(tmp_path / "imagenet-vgg-f.mat")
    images = pixels(2, 224)
    assert_close(run(load_backbone("cnn-f", "fc7", path), images), model.reference(images))
    model.layers = model.layers[:-2]
    assert_close(run(load_backbone("cnn-f", None, path), images), model.reference(images))
    path.unlink()


def test_compressed_file_and_mean_per_channel(tmp_path, mat_model, references):
    model = mat_model("cnn-alex")
    model.average = np.array([123.68, 116.779, 103.939]).reshape(1, 1, 3)
    backbone = load_backbone("cnn-alex", "pool5", model.write(tmp_path / "m.mat", compress=True))
    images, _ = references("cnn-alex")
    assert_close(run(backbone, images), model.reference(images))
    assert backbone.preprocessing.mean == pytest.approx((123.68, 116.779, 103.939))
    assert backbone.preprocessing.channel_order == "RGB"


def test_model_without_lrn_is_named_so(tmp_path, mat_model, pixels):
    model = mat_model("cnn-f")
    model.layers = [layer for layer in model.layers if layer["type"] != "lrn"]
    backbone = load_backbone("cnn-f", "pool5", model.write(tmp_path / "imagenet-matconvnet-vgg-f.mat"))
    images = pixels(1, 224)
    assert_close(run(backbone, images), model.reference(images))
    assert backbone.provenance["description"] == "CNN-F (MatConvNet's own batch-norm model, without LRN)"


def test_dropout_layers_are_passed_over(tmp_path, mat_model, references):
    model = mat_model("cnn-alex")
    path = copy.copy(model)
    path.layers = [*model.layers[:4], {"name": "dropout1", "type": "dropout", "rate": 0.5}, *model.layers[4:]]
    backbone = load_backbone("cnn-alex", "pool5", path.write(tmp_path / "m.mat", version="v7.3"))
    images, expected = references("cnn-alex")
    assert_close(run(backbone, images), expected)


def test_file_cut_after_pool5_says_what_it_covers(tmp_path, mat_model):
    path = mat_model("cnn-alex").write(tmp_path / "m.mat")
    with pytest.raises(WeightFileError, match=r"CNN-Alex layer 'fc7'.*covers pool5 \(missing: fc6.weight"):
        load_backbone("cnn-alex", "fc7", path)


@pytest.mark.parametrize(
    ("layer", "field", "value", "message"),
    [
        ("conv1", "stride", 2, r"'conv1' to have stride \(4, 4\); found \(2, 2\)"),
        ("conv2", "pad", [2, 1, 2, 1], r"'conv2' to have pad \(2, 2, 2, 2\); found \(2, 1, 2, 1\)"),
        (
            "norm1",
            "param",
            [5, 2, 5e-4, 0.75],
            r"'norm1' to have param .*2.0, 0.0001, 0.75\); found \(5.0, 2.0, 0.0005",
        ),
        ("pool1", "pad", 0, r"'pool1' to have pad .*\[0, 1, 0, 1\]; found \[0, 0, 0, 0\]"),
        ("pool1", "pad", [1, 0, 1, 0], r"'pool1' to have pad .*found \[1, 0, 1, 0\]"),
        ("pool2", "pool", [2, 2], r"'pool2' to have pool \(3, 3\); found \(2, 2\)"),
        ("pool5", "method", "avg", r"'pool5' to have method max; found avg"),
        ("relu3", "type", "sigmoid", r"'relu3' to have type relu; found sigmoid"),
        ("relu4", "leak", 0.1, r"'relu4' to have leak \(0,\); found \(0.1,\)"),
        ("conv3", "dilate", 2, r"'conv3' to have dilate \(1, 1\); found \(2, 2\)"),
        ("conv3", "opts", "Dilate", r"'conv3' to have opts without effect on the result; found Dilate"),
        ("norm2", "param", [5.0, 2.0, 1e-4, 0.5], r"'norm2' to have param \[n kappa alpha beta\] \(5, 2.0, .*found"),
    ],
)
def test_other_geometry_is_refused(tmp_path, mat_model, layer, field, value, message):
    model = mat_model("cnn-f")
    next(entry for entry in model.layers if entry["name"] == layer)[field] = value
    with pytest.raises(WeightFileError, match=message):
        load_backbone("cnn-f", "pool5", model.write(tmp_path / "m.mat"))


@pytest.mark.parametrize(("version", "layout"), ALL_FORMS)
def test_wrong_shape_names_layer_expected_and_found(tmp_path, mat_model, version, layout):
    model = mat_model("cnn-alex")
    weight, bias = model.arrays["conv4"]
    model.arrays["conv4"] = weight[:, :, :64], bias
    message = r"'conv4' to have weights .*\(3, 3, 192, 384\); found \(3, 3, 64, 384\)"
    with pytest.raises(WeightFileError, match=message):
        load_backbone("cnn-alex", "pool5", model.write(tmp_path / "m.mat", version=version, layout=layout))
    model.arrays["conv4"] = weight, bias[:, :5]
    with pytest.raises(WeightFileError, match="'conv4' to have 384 biases; found 5"):
        load_backbone("cnn-alex", "pool5", model.write(tmp_path / "n.mat", version=version, layout=layout))


def test_model_of_another_network_is_refused(tmp_path, mat_model):
    path = mat_model("cnn-m").write(tmp_path / "m.mat")
    with pytest.raises(WeightFileError, match="CNN-F layer 'conv1' to have stride"):
        load_backbone("cnn-f", "pool5", path)


def test_wrong_or_missing_mean_is_refused(tmp_path, mat_model):
    model = mat_model("cnn-alex")
    model.average = model.average[:100]
    with pytest.raises(WeightFileError, match=r"averageImage of shape \(227, 227, 3\).*found \(100, 227, 3\)"):
        load_backbone("cnn-alex", "pool5", model.write(tmp_path / "m.mat"))
    model.average = np.zeros((0, 0))
    with pytest.raises(WeightFileError, match=r"averageImage \(the mean to subtract\); found none"):
        load_backbone("cnn-alex", "pool5", model.write(tmp_path / "m.mat"))


@pytest.mark.parametrize("version", ["v5", "v7.3"])
@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("part", [0.0001, 0.3, 0.99])
def test_truncated_file_is_one_clear_line(tmp_path, mat_model, version, compress, part):
    path = mat_model("cnn-alex").write(tmp_path / "m.mat", version=version, compress=compress)
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    assert_refused(path)


def assert_refused(path: Path, found: str = "") -> None:
    with pytest.raises(WeightFileError) as caught:
        load_backbone("cnn-alex", "pool5", path)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(f"{path}: expected ")
    assert "; found " in text
    assert found in text


def test_files_that_are_no_models(tmp_path):
    text = tmp_path / "text.mat"
    text.write_text("These are not the weights you are looking for.\n" * 20)
    assert_refused(text, "found plain text")
    page = tmp_path / "page.mat"
    page.write_text("<!DOCTYPE html><html><body>404 Not Found</body></html>")
    assert_refused(page, "found a web page")
    scipy.io.savemat(tmp_path / "other.mat", {"x": np.zeros(3)})
    assert_refused(tmp_path / "other.mat", "a cell array 'layers'")
    scipy.io.savemat(tmp_path / "dag.mat", {"params": np.zeros(3), "vars": np.zeros(3), "layers": np.zeros(3)})
    assert_refused(tmp_path / "dag.mat", "found a DagNN model")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["data"] = np.zeros(3)
    assert_refused(tmp_path / "other.h5", "a cell array 'layers'")


def test_declared_but_absent_data_is_not_allocated(tmp_path):
    path = tmp_path / "bomb.mat"
    with h5py.File(path, "w") as file:
        file.create_dataset("layers", (1 << 20, 1 << 20), dtype="f4", chunks=(1024, 1024))
    assert_refused(path, f"expected {4 << 40} bytes of data in '/layers'; found 0 stored bytes")


def test_decompression_bomb_is_refused_before_reading(tmp_path, monkeypatch):
    path = tmp_path / "bomb.mat"
    scipy.io.savemat(path, {"layers": np.zeros((1000, 1000))}, do_compression=True)
    assert path.stat().st_size < 20_000
    monkeypatch.setattr(mat_reader, "_MAX_BYTES", 1_000_000)
    assert_refused(path, "a decompression bomb")


def test_data_in_another_file_is_refused(tmp_path):
    (tmp_path / "secret.bin").write_bytes(b"12345678")
    with h5py.File(tmp_path / "m.mat", "w") as file:
        file.create_dataset("layers", (8,), dtype="u1", external=[(str(tmp_path / "secret.bin"), 0, 8)])
    assert_refused(tmp_path / "m.mat", "found a link to another file")


def test_struct_that_refers_to_itself_is_refused(tmp_path):
    with h5py.File(tmp_path / "m.mat", "w") as file:
        layers = file.create_dataset("layers", (1, 1), dtype=h5py.ref_dtype)
        layers[0, 0] = layers.ref
    assert_refused(tmp_path / "m.mat", "expected at most 12 levels of nested values")
