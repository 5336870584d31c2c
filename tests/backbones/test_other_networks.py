"""Every tensor is accounted for, both ways: a file of another network is refused, and named where it is known."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tests.network_files import write_network

from rsir_fast.backbones import load_backbone
from rsir_fast.backbones.identify import WithoutMemory, _trunk_of, above, network_of
from rsir_fast.backbones.torchvision_nets import build_network, torchvision_names
from rsir_fast.backbones.weights import NetworkShapes, PreTraining, WeightFile, fill, unwrapped
from rsir_fast.errors import WeightFileError

Shapes = dict[str, tuple[int, ...]]


def tensors(name: str) -> dict[str, torch.Tensor]:
    """The tensors of a torchvision network that take no memory: one value, as large as it should be."""
    with WithoutMemory():
        state = build_network(name).state_dict()
    return {key: torch.zeros((1,) * t.ndim, dtype=t.dtype).expand(t.shape) for key, t in state.items()}


def refused(network: str, layer: str | None, path: Path) -> str:
    with pytest.raises(WeightFileError) as caught:
        load_backbone(network, layer, path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Asked for, in the file: each has all names of the other, or its shapes, or both, at the front.
BROTHERS = [
    ("resnet18", "resnet34"),
    ("resnet34", "resnet18"),
    ("resnet50", "resnet101"),
    ("resnet50", "wide_resnet50_2"),
    ("resnet50", "resnext50_32x4d"),
    ("vgg11", "vgg13"),
    ("vgg16", "vgg19"),
    ("vgg16", "vgg16_bn"),
    ("vgg16_bn", "vgg16"),
    ("mobilenet_v3_large", "mobilenet_v3_small"),
    ("mobilenet_v2", "mobilenet_v3_large"),
    ("efficientnet_b0", "efficientnet_b1"),
    ("efficientnet_v2_s", "efficientnet_v2_m"),
    ("squeezenet1_0", "squeezenet1_1"),
    ("densenet121", "densenet169"),
    ("convnext_tiny", "convnext_small"),
    ("swin_t", "swin_s"),
    ("shufflenet_v2_x0_5", "shufflenet_v2_x1_0"),
    ("cnn-16", "vgg19"),
    ("cnn-16", "vgg16_bn"),
    ("cnn-19", "vgg16"),
    ("cnn-alex", "alexnet"),
    ("alexnet", "vgg11"),
]


@pytest.mark.parametrize(("asked", "given"), BROTHERS)
def test_another_network_is_named(tmp_path, asked, given):
    torch.save(tensors(given), tmp_path / "m.pth")
    text = refused(asked, "pool5" if asked.startswith("cnn") else None, tmp_path / "m.pth")
    assert f"; found those of {given} (" in text
    assert f"; load it as {given}, or use a file of this network" in text


@pytest.mark.parametrize("layer", ["relu", "layer1", "layer3.0.relu"])
def test_another_network_is_refused_below_every_cut(tmp_path, layer):
    """Below these cuts ResNet-18 and ResNet-34 differ little or not at all; the file is still one of ResNet-34."""
    torch.save(tensors("resnet34"), tmp_path / "m.pth")
    assert "found those of resnet34 (" in refused("resnet18", layer, tmp_path / "m.pth")


def test_all_known_networks_are_told_apart():
    trunks = [_trunk_of(name) for name in torchvision_names()]
    assert all(first != second for number, first in enumerate(trunks) for second in trunks[:number])
    assert network_of({name: tuple(t.shape) for name, t in tensors("regnet_y_400mf").items()}) == "regnet_y_400mf"


def shufflenet(change: str) -> dict[str, torch.Tensor]:
    state = {key: tensor.clone() for key, tensor in tensors("shufflenet_v2_x0_5").items()}
    if change == "classifier of 21 classes":
        state |= {"fc.weight": torch.zeros(21, 1024), "fc.bias": torch.zeros(21)}
    elif change == "classifier of two layers":
        state |= {"fc.0.weight": torch.zeros(64, 1024), "fc.2.weight": torch.zeros(21, 64)}
    elif change == "no classifier":
        state = {key: tensor for key, tensor in state.items() if not key.startswith("fc.")}
    elif change == "other heads":
        state |= {"aux_classifier.0.weight": torch.zeros(3), "projection_head.weight": torch.zeros(3)}
    elif change == "no counters":
        state = {key: tensor for key, tensor in state.items() if not key.endswith("num_batches_tracked")}
    elif change == "counters of thop":
        state |= {"total_ops": torch.zeros(1), "stage2.0.total_params": torch.zeros(1)}
    elif change == "a squeeze in a block":
        state |= {"stage2.0.se.fc1.weight": torch.zeros(3, 3)}
    elif change == "a further stage":
        state |= {"stage5.weight": torch.zeros(3)}
    elif change == "another width above the cut":
        state["conv5.0.weight"] = torch.zeros(512, 192, 1, 1)
    elif change == "a bias more":
        state |= {"conv1.0.bias": torch.zeros(24)}
    return state


@pytest.mark.parametrize(
    "change",
    [
        "nothing",
        "classifier of 21 classes",
        "classifier of two layers",
        "no classifier",
        "other heads",
        "no counters",
        "counters of thop",
    ],
)
def test_the_head_and_the_counters_may_differ(tmp_path, change):
    save_file(shufflenet(change), tmp_path / "m.safetensors")
    assert load_backbone("shufflenet_v2_x0_5", weights=tmp_path / "m.safetensors").dim == 1024


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("a squeeze in a block", "1 that it does not have (stage2.0.se.fc1.weight): another network"),
        ("a further stage", "1 that it does not have (stage5.weight): another network"),
        ("a bias more", "1 that it does not have (conv1.0.bias): another network"),
        ("another width above the cut", "layer 'conv5.0' to have weight of shape (1024, 192, 1, 1); found (512, 192"),
    ],
)
def test_a_trunk_of_an_unknown_network(tmp_path, change, found):
    save_file(shufflenet(change), tmp_path / "m.safetensors")
    assert found in refused("shufflenet_v2_x0_5", "stage2", tmp_path / "m.safetensors")


@pytest.mark.parametrize(
    ("network", "layer", "extra"),
    [
        ("vgg11", "fc6", "classifier.1.weight"),  # a batch normalisation in place of the ReLU
        ("vgg11", "fc7", "classifier.4.weight"),
        ("cnn-16", "fc6", "classifier.1.weight"),
        ("cnn-16", "fc7", "classifier.4.weight"),
    ],
)
def test_a_classifier_below_the_cut_counts(tmp_path, network, layer, extra):
    state = tensors("vgg16" if network == "cnn-16" else network)
    torch.save(state | {extra: torch.zeros(4096)}, tmp_path / "m.pth")
    assert f"1 that it does not have ({extra}): another" in refused(network, layer, tmp_path / "m.pth")


def test_a_classifier_above_the_cut_does_not(tmp_path):
    torch.save(tensors("vgg16") | {"classifier.4.weight": torch.zeros(3)}, tmp_path / "m.pth")
    for layer in ("pool5", "fc6"):
        assert load_backbone("cnn-16", layer, tmp_path / "m.pth").layer == layer


def test_tables_of_the_paper(tmp_path):
    """The networks of the paper share their names: shapes, further layers and what a file says of itself count."""
    state = {name: torch.zeros(1).expand(shape) for name, shape in table("cnn-f").items()}
    torch.save(state, tmp_path / "f.pth")
    assert load_backbone("cnn-f", "fc7", tmp_path / "f.pth").dim == 4096
    assert "found those of cnn-f (" in refused("cnn-m", "pool5", tmp_path / "f.pth")
    for extra in ("bn1.weight", "conv6.weight", "fc6_bn.weight"):
        torch.save(state | {extra: torch.zeros(4)}, tmp_path / "x.pth")
        assert f"1 that it does not have ({extra}): another" in refused("cnn-f", "fc7", tmp_path / "x.pth")
    torch.save(state | {"fc8.weight": torch.zeros(21, 4096)}, tmp_path / "head.pth")
    assert load_backbone("cnn-f", "fc7", tmp_path / "head.pth").dim == 4096
    folder = write_network(tmp_path, "cnn-s")
    assert "found those of cnn-s of width 0.05" in refused("cnn-m", "fc6", folder / "cnn-s.safetensors")


def table(name: str) -> Shapes:
    from rsir_fast.backbones.caffenets import NETWORKS
    from rsir_fast.backbones.caffenets import build_network as build_table

    with torch.device("meta"):
        return {key: tuple(t.shape) for key, t in build_table(NETWORKS[name], "fc7").state_dict().items()}


def test_more_arrays_in_an_npz(tmp_path):
    import numpy as np

    state = {key: tensor.numpy() for key, tensor in shufflenet("nothing").items()}
    np.savez(tmp_path / "m.npz", **state, notes=np.zeros(3))
    text = refused("shufflenet_v2_x0_5", None, tmp_path / "m.npz")
    assert "1 that it does not have (notes): another network" in text


def test_what_this_package_writes(tmp_path):
    """A hash model says where it belongs; the metadata of a pre-training must be of this network."""
    made = {"rsir_fast": '{"format": "rsir_fast dhcnn", "version": 1}'}
    save_file({"conv1.weight": torch.zeros(3)}, tmp_path / "model.safetensors", made)
    assert "found a hash model of `rsir train`; name it with --encoder" in refused(
        "cnn-f", "fc6", tmp_path / "model.safetensors"
    )
    assert PreTraining.read(tmp_path, {"rsir_fast": '{"format": "another"}'}) is None


def test_fill_names_what_a_partial_file_of_another_network_lacks():
    """Neither the one nor the other: the file's own names are told."""
    network = NetworkShapes("demo", {"a.weight": (2, 2), "a.bias": (2,)}, frozenset({"a.weight", "a.bias"}))
    given = {"encoder.weight": torch.zeros(2), "decoder.weight": torch.zeros(2)}
    shapes = {name: tuple(tensor.shape) for name, tensor in given.items()}
    file = unwrapped(WeightFile(Path("m.pth"), shapes, given.__getitem__, "demo"), network)
    module = torch.nn.ModuleDict({"a": torch.nn.Linear(2, 2)})
    with pytest.raises(WeightFileError, match=r"without a.weight, a.bias \(its 2 tensors: encoder.weight, decoder"):
        fill(module, file, network, in_head=above([]), covered=lambda _: "", whose=network_of)
