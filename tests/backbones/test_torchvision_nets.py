"""One small member of every torchvision family: weights through a file, mean of the last feature map, named layers."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn

from rsir_fast.backbones import load_backbone
from rsir_fast.backbones.identify import WithoutMemory
from rsir_fast.backbones.torchvision_nets import layer_aliases, rename_old_densenet, torchvision_names
from rsir_fast.errors import WeightFileError

# The module whose input is the last feature map, or its mean where the network averages by a plain function.
CONSUMER = {
    "alexnet": "avgpool",
    "convnext_tiny": "avgpool",
    "densenet121": "classifier",
    "efficientnet_b0": "avgpool",
    "googlenet": "avgpool",
    "inception_v3": "avgpool",
    "maxvit_t": "classifier",
    "mnasnet0_5": "classifier",
    "mobilenet_v2": "classifier",
    "mobilenet_v3_small": "avgpool",
    "regnet_y_400mf": "avgpool",
    "resnet18": "avgpool",
    "shufflenet_v2_x0_5": "fc",
    "squeezenet1_1": "classifier",
    "swin_t": "avgpool",
    "swin_v2_t": "avgpool",
    "vgg11": "avgpool",
    "vit_b_32": "heads",
}
HEAD = ("classifier.", "fc.", "head.", "heads.")
ARGUMENTS = {
    "googlenet": {"transform_input": True, "aux_logits": False, "init_weights": False},
    "inception_v3": {"transform_input": True, "aux_logits": False, "init_weights": False},
}
OWN_SIZE = ("maxvit_t", "swin_t", "swin_v2_t", "vit_b_32")
"""Networks whose windows or tokens depend on the size of an image; the others see small ones here."""


def random_images(size: int) -> Tensor:
    return torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(1))


def random_model(name: str) -> nn.Module:
    """A network with random values in all its tensors: pieces of a block of noise, as torch's own take seconds."""
    with WithoutMemory():
        model = torchvision.models.get_model(name, weights=None, **ARGUMENTS.get(name, {})).eval()
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(1_000_003, generator=generator)
    state = model.state_dict()
    for key, tensor in state.items():
        if not tensor.is_floating_point() or key.startswith(HEAD):
            continue
        number = tensor.numel()
        start = int(torch.randint(len(noise), (1,), generator=generator))
        pieces = 1 + (start + number) // len(noise)
        values = (noise.repeat(pieces) if pieces > 1 else noise)[start : start + number].view(tensor.shape)
        if key.endswith("running_var"):
            values = 1 + values.square()
        elif tensor.ndim < 2:
            values = 0.1 * values + (1 if key.endswith("weight") else 0)
        else:
            values = values * (2 / tensor[0].numel()) ** 0.5
        state[key] = values
    model.load_state_dict(state, strict=False, assign=True)
    return model


def model_of_seed(name: str) -> nn.Module:
    """What ``random:1`` means."""
    torch.manual_seed(1)
    return torchvision.models.get_model(name, weights=None).eval()


class Seen(Exception):
    """The rest of a forward pass is not needed."""


def captured(model: nn.Module, module: str, images: Tensor) -> Tensor:
    """Input of `module` in the whole network's own forward pass."""
    inputs: list[Tensor] = []

    def keep(_module: nn.Module, args: tuple[Tensor, ...]) -> None:
        inputs.append(args[0])
        raise Seen

    model.get_submodule(module).register_forward_pre_hook(keep)
    with torch.inference_mode(), pytest.raises(Seen):
        model(images)
    return inputs[0]


@pytest.mark.parametrize("name", CONSUMER)
def test_gap_is_the_mean_of_the_last_feature_map(tmp_path, name):
    model = random_model(name)
    trunk = {key: value for key, value in model.state_dict().items() if not key.startswith(HEAD)}
    path = tmp_path / f"{name}.safetensors"
    save_file(trunk, path)
    backbone = load_backbone(name, weights=path)
    path.unlink()
    size = backbone.preprocessing.input_size
    assert size == {"inception_v3": 299, "swin_v2_t": 256}.get(name, 224)
    if name not in OWN_SIZE:
        size = 96
        backbone.preprocessing = replace(backbone.preprocessing, input_size=size)
    images = random_images(size)
    if name == "vit_b_32":
        tokens: list[Tensor] = []
        model.encoder.register_forward_hook(lambda _m, _i, out: tokens.append(out))
        captured(model, "heads", images)
        assert tokens[0].shape[1] == 1 + 49
        expected = tokens[0][:, 1:].mean(dim=1)
    else:
        values = captured(model, CONSUMER[name], images)
        expected = values.mean(dim=(2, 3)) if values.ndim == 4 else values
    with torch.inference_mode():
        found = backbone(images)
    assert found.shape == expected.shape == (1, backbone.dim)
    assert expected.isfinite().all()
    assert expected.std() > 0
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5 * expected.abs().max().item())
    assert backbone.layer == "gap"


def test_every_torchvision_network_has_a_last_feature_map():
    from rsir_fast.backbones.torchvision_nets import _LAST_MAP, _family

    assert {_family(name) for name in torchvision_names()} == set(_LAST_MAP)
    assert {_family(name) for name in CONSUMER} | {"resnext", "wide"} == set(_LAST_MAP)
    assert layer_aliases("resnext50_32x4d") == ("gap",)


def test_alexnet_layers_are_torchvisions_own(tmp_path):
    model = model_of_seed("alexnet")
    images = random_images(224)
    pool5, fc6, fc7 = (load_backbone("alexnet", layer, "random:1") for layer in ("pool5", "fc6", "fc7"))
    with torch.inference_mode():
        torch.testing.assert_close(pool5(images), model.features(images).flatten(1))
        torch.testing.assert_close(fc6(images), model.classifier[:3](pool5(images)))
        torch.testing.assert_close(fc7(images), model.classifier[:6](pool5(images)))
    assert not any("classifier" in name for name, _ in pool5.named_parameters())
    path = tmp_path / "alexnet.pth"
    torch.save(model.features.state_dict(prefix="features."), path)
    with pytest.raises(WeightFileError, match="found those of alexnet .*; load it as alexnet"):
        load_backbone("cnn-alex", "pool5", path)


def test_any_graph_node_is_a_layer():
    model = model_of_seed("resnet18")
    backbone = load_backbone("resnet18", "layer2.0.relu", weights="random:1")
    assert backbone.dim == 128 * 28 * 28
    assert not any("layer3" in name for name, _ in backbone.named_parameters())
    images = random_images(224)
    with torch.inference_mode():
        block = model.layer2[0]
        x = model.layer1(model.maxpool(model.relu(model.bn1(model.conv1(images)))))
        expected = torch.relu(block.bn1(block.conv1(x))).flatten(1)
        torch.testing.assert_close(backbone(images), expected)


def test_wrong_layer_lists_close_names():
    with pytest.raises(ValueError, match=r"'resnet18' has no layer 'layer5'; close names: layer4,.*always there: gap"):
        load_backbone("resnet18", "layer5", weights="random:0")


def test_partial_file_says_up_to_where_it_goes(tmp_path):
    state = random_model("squeezenet1_1").state_dict()
    early = {name: tensor for name, tensor in state.items() if int(name.split(".")[1]) < 7 and "features" in name}
    path = tmp_path / "early.pth"
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in early.items()}}, path)
    assert load_backbone("squeezenet1_1", "features.6", path).dim == 256 * 27 * 27
    with pytest.raises(WeightFileError, match="covers layers up to 'features.6.expand3x3'"):
        load_backbone("squeezenet1_1", "gap", path)


def test_wrong_shape_names_layer_expected_and_found(tmp_path):
    state = random_model("squeezenet1_1").state_dict()
    state["features.3.squeeze.weight"] = torch.zeros(16, 32, 1, 1)
    torch.save(state, tmp_path / "m.pth")
    message = r"layer 'features.3.squeeze' to have weight of shape \(16, 64, 1, 1\); found \(16, 32, 1, 1\)"
    with pytest.raises(WeightFileError, match=message):
        load_backbone("squeezenet1_1", weights=tmp_path / "m.pth")


def test_densenet_files_with_old_names():
    old = {"features.denseblock1.denselayer2.norm.1.running_mean", "features.denseblock1.denselayer2.conv.2.weight"}
    assert set(rename_old_densenet({*old, "features.conv0.weight"}).values()) == {
        "features.denseblock1.denselayer2.norm1.running_mean",
        "features.denseblock1.denselayer2.conv2.weight",
    }


def test_old_batch_norm_without_counters(tmp_path):
    model = random_model("mobilenet_v3_small")
    state = {name: tensor for name, tensor in model.state_dict().items() if "num_batches_tracked" not in name}
    torch.save(state, tmp_path / "m.pth")
    assert load_backbone("mobilenet_v3_small", weights=tmp_path / "m.pth").dim == 576
