"""The tables of the networks, and what `load_backbone` promises for all of them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from torchvision.models.vgg import cfgs, make_layers

from rsir_fast.backbones import list_backbones, load_backbone
from rsir_fast.backbones.caffenets import LRN, LocalResponseNorm
from rsir_fast.errors import WeightFileError

# Sides of the outputs of conv1, pool1, conv2, pool2, conv5, pool5 (Chatfield et al. 2014; Caffe's AlexNet).
SIZES = {
    "cnn-f": (54, 27, 27, 13, 13, 6),
    "cnn-m": (109, 54, 26, 13, 13, 6),
    "cnn-s": (109, 37, 33, 17, 17, 6),
    "cnn-alex": (55, 27, 27, 13, 13, 6),
}
DIMS = {"cnn-f": 9216, "cnn-m": 18432, "cnn-s": 18432, "cnn-alex": 9216, "cnn-16": 25088, "cnn-19": 25088}


@pytest.mark.parametrize("name", SIZES)
def test_spatial_sizes(name):
    backbone = load_backbone(name, "pool5", weights="random:0")
    sides: dict[str, int] = {}
    for layer, module in backbone.network.named_children():
        if isinstance(module, nn.Conv2d | nn.MaxPool2d):
            module.register_forward_hook(lambda _m, _i, out, layer=layer: sides.update({layer: out.shape[-1]}))
    size = backbone.preprocessing.input_size
    assert size == (227 if name == "cnn-alex" else 224)
    features = backbone(torch.zeros(2, 3, size, size))
    assert tuple(sides[layer] for layer in ("conv1", "pool1", "conv2", "pool2", "conv5", "pool5")) == SIZES[name]
    assert features.shape == (2, DIMS[name]) == (2, backbone.dim)


@pytest.mark.parametrize("name", ["cnn-16", "cnn-19"])
def test_vgg_has_its_layers_and_dims(name):
    backbone = load_backbone(name, "pool5", weights="random:0")
    convolutions = [module for module in backbone.network.children() if isinstance(module, nn.Conv2d)]
    assert len(convolutions) == int(name[-2:]) - 3
    with torch.inference_mode():
        assert backbone(torch.zeros(1, 3, 224, 224)).shape == (1, 25088) == (1, backbone.dim)


def test_backbone_is_frozen_float32_and_stops_at_its_layer():
    backbone = load_backbone("cnn-alex", "pool5", weights="random:0")
    assert not backbone.training
    assert not any(parameter.requires_grad for parameter in backbone.parameters())
    assert not any("fc" in name for name, _ in backbone.named_parameters())
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.inference_mode():
        assert backbone(torch.zeros(1, 3, 227, 227)).dtype == torch.float32
    assert backbone(torch.zeros(0, 3, 227, 227)).shape == (0, 9216)
    with pytest.raises(ValueError, match=r"expected images \[n, 3, 227, 227\], got \[1, 3, 224, 224\]"):
        backbone(torch.zeros(1, 3, 224, 224))


@pytest.mark.parametrize("name", ["cnn-alex", "cnn-s", "squeezenet1_1"])
def test_channels_last_gives_the_same_features(name):
    backbone = load_backbone(name, None if name == "squeezenet1_1" else "pool5", weights="random:0")
    size = backbone.preprocessing.input_size
    images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        plain = backbone(images)
        last = backbone.to(memory_format=torch.channels_last)(images.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(last, plain, rtol=1e-4, atol=1e-5)


def test_local_response_norm_is_torchs():
    lrn = LRN(k=2.0, alpha=5e-4)
    torch_lrn = nn.LocalResponseNorm(lrn.size, lrn.alpha, lrn.beta, lrn.k)
    values = torch.randn(2, 7, 5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 50
    ours, theirs = (values.clone().requires_grad_() for _ in range(2))
    found, expected = LocalResponseNorm(lrn)(ours), torch_lrn(theirs)
    torch.testing.assert_close(found, expected)
    for output in (found, expected):
        output.square().sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_random_weights_are_seeded_and_named():
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first, again, other = (load_backbone("cnn-f", "pool5", weights=f"random:{seed}") for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert first.provenance == again.provenance
    assert first.provenance["weights"]["sha256"] != other.provenance["weights"]["sha256"]
    assert first.provenance["description"] == "CNN-F (random weights, seed 1: untrained)"
    assert json.loads(json.dumps(first.provenance)) == first.provenance
    with pytest.raises(ValueError, match="random:SEED"):
        load_backbone("cnn-f", weights="random:x")


def test_vgg16_from_torchvision_is_cnn16(tmp_path):
    """The same weights through the table (cnn-16), through torchvision's graph (vgg16) and in torchvision itself."""
    torch.manual_seed(0)
    features = make_layers(cfgs["D"]).eval()
    path = tmp_path / "vgg16_features-amdegroot-88682ab5.pth"
    state = {f"features.{name}": tensor for name, tensor in features.state_dict().items()}
    # torchvision publishes feature-only weights with a classifier of NaN.
    torch.save(state | {"classifier.0.weight": torch.full((1, 1), torch.nan).expand(4096, 25088)}, path)
    table, graph = load_backbone("cnn-16", "pool5", path), load_backbone("vgg16", "pool5", path)
    assert table.preprocessing == graph.preprocessing
    assert table.preprocessing.mean == (0.48235, 0.45882, 0.40784)
    images = torch.randn(1, 3, 224, 224)
    with torch.inference_mode():
        expected = features(images).flatten(1)
        torch.testing.assert_close(table(images), expected, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(graph(images), expected, rtol=1e-5, atol=1e-6)
    with pytest.raises(WeightFileError, match=r"CNN-16 layer 'fc6'.*covers pool5 \(missing: fc6.bias\)"):
        load_backbone("cnn-16", "fc6", path)
    path.unlink()


def test_state_dict_with_the_tables_names(tmp_path):
    source = load_backbone("cnn-m", "pool5", weights="random:3")
    path = tmp_path / "mine.safetensors"
    save_file(source.network.state_dict(), path)
    loaded = load_backbone("cnn-m", "pool5", path)
    images = torch.zeros(1, 3, 224, 224).uniform_(-100, 100)
    assert torch.equal(loaded(images), source(images))
    assert loaded.preprocessing.mean == (123.68, 116.779, 103.939)


def test_unknown_names_list_close_ones():
    with pytest.raises(ValueError, match="unknown network 'cnn_alex'; close names: cnn-alex"):
        load_backbone("cnn_alex")
    with pytest.raises(ValueError, match="'cnn-m' has no layer 'fc8'; its layers: pool5, fc6, fc7"):
        load_backbone("cnn-m", "fc8")


def test_list_backbones(tmp_path, monkeypatch):
    (tmp_path / "bvlc_alexnet_conv_q7.npz").write_bytes(b"")
    monkeypatch.setenv("RSIR_WEIGHTS", str(tmp_path))
    listed = {info.name: info for info in list_backbones()}
    assert {"cnn-alex", "cnn-f", "cnn-m", "cnn-s", "cnn-16", "cnn-19", "alexnet", "vit_b_16"} <= set(listed)
    alex = listed["cnn-alex"]
    assert (alex.path, alex.source) == (tmp_path / "bvlc_alexnet_conv_q7.npz", "RSIR_WEIGHTS")
    assert alex.weight_file == "imagenet-caffe-alex.mat"
    assert listed["alexnet"].weight_file == "alexnet-owt-7be5be79.pth"
    assert listed["cnn-m"].path is None
    assert all(info.origin.startswith("https://") for info in listed.values())


@pytest.mark.data
def test_caffe_trunk_on_real_images(data_root):
    path = data_root / "weights" / "bvlc_alexnet_conv_q7.npz"
    backbone = load_backbone("cnn-alex", "pool5", path)
    assert backbone.provenance["description"] == "CNN-Alex (8-bit conv trunk)"
    assert backbone.preprocessing.channel_order == "BGR"
    assert backbone.preprocessing.mean == (104.0, 117.0, 123.0)
    images = data_root / "UCMerced_LandUse" / "Images"
    # A parking lot is more like another parking lot than like a beach: 4 scenes of each of 4 unlike classes.
    classes = ["beach", "chaparral", "forest", "parkinglot"]
    files = [images / name / f"{name}{number:02d}.jpg" for name in classes for number in (10, 20, 30, 40)]
    batch = torch.from_numpy(np.stack([backbone.preprocessing.prepare(Image.open(file)) for file in files]))
    with torch.inference_mode():
        features = backbone(backbone.preprocessing.normalize(batch)).numpy()
    similarity = np.corrcoef(features.astype(np.float64)) - 2 * np.eye(len(files))
    nearest = similarity.argmax(axis=1)
    assert np.mean(nearest // 4 == np.arange(len(files)) // 4) >= 0.9
    with pytest.raises(WeightFileError, match="covers pool5"):
        load_backbone("cnn-alex", "fc6", path)


@pytest.mark.data
def test_squeezenet_archive_has_its_own_input_size(data_root):
    path = data_root / "weights" / "squeezenet1_1_caffe_torchvision.npz"
    backbone = load_backbone("squeezenet1_1", weights=path)
    assert (backbone.dim, backbone.preprocessing.input_size, backbone.preprocessing.divisor) == (512, 227, 255.0)
