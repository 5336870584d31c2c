"""What trainings wrap around a network: the same weights, bit for bit, or one line that says what was found."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from rsir_fast.backbones import load_backbone
from rsir_fast.backbones.caffenets import NETWORKS, build_network
from rsir_fast.backbones.torchvision_nets import build_network as build_torchvision
from rsir_fast.errors import WeightFileError

WIDTH = 0.05  # CNN-F, small: no tracing, fast
State = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def state() -> State:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return dict(network().state_dict())


def network(state: State | None = None) -> nn.Sequential:
    found = build_network(NETWORKS["cnn-f"].scaled(WIDTH), "fc6")
    if state is not None:
        found.load_state_dict(state)
    return found


@pytest.fixture(scope="module")
def plain(state, tmp_path_factory) -> tuple[State, torch.Tensor]:
    path = tmp_path_factory.mktemp("plain") / "m.safetensors"
    save_file(state, path)
    return loaded(path)


def loaded(path: Path) -> tuple[State, torch.Tensor]:
    backbone = load_backbone("cnn-f", "fc6", path, width=WIDTH)
    images = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        return backbone.network.state_dict(), backbone(images)


def assert_same(path: Path, plain: tuple[State, torch.Tensor]) -> None:
    state, features = loaded(path)
    assert state.keys() == plain[0].keys()
    assert all(torch.equal(state[key], plain[0][key]) for key in state)
    assert torch.equal(features, plain[1])


def write(path: Path, state: State) -> Path:
    if path.suffix == ".npz":
        np.savez(path, **{key: tensor.numpy() for key, tensor in state.items()})
    elif path.suffix == ".safetensors":
        save_file({key: tensor.clone() for key, tensor in state.items()}, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=path.stem != "old")
    return path


PREFIXES = [
    "module.",
    "_orig_mod.",
    "model.",
    "backbone.",
    "net.",
    "teacher.backbone.",
    "model_ema.module.",
    "module._orig_mod.model.",
    "state_dict.model.encoder.",
    "0.",
]


@pytest.mark.parametrize("name", ["m.pth", "old.pth", "m.safetensors", "m.npz"])
@pytest.mark.parametrize("prefix", PREFIXES)
def test_every_prefix_in_every_container(tmp_path, state, plain, name, prefix):
    others = {"loss.weight": torch.ones(3), "queue": torch.ones(4, 4), "n_averaged": torch.tensor(7)}
    whole = {prefix + key: tensor for key, tensor in state.items()} | others
    assert_same(write(tmp_path / name, whole), plain)


NESTINGS: dict[str, Callable[[State], Any]] = {
    "state_dict": lambda state: {"state_dict": state, "epoch": 3},
    "net": lambda state: {"net": state},
    "model, optimizer and arguments": lambda state: {
        "model": state,
        "optimizer": {"state": {0: {"exp_avg": torch.ones(3)}}, "exp_avg": state},
        "args": argparse.Namespace(lr=0.1),
        "best": np.float64(0.9),
    },
    "two deep": lambda state: {"checkpoint": {"model_ema": {"module." + key: value for key, value in state.items()}}},
    "Lightning": lambda state: {
        "state_dict": {f"model.{key}": value for key, value in state.items()} | {"criterion.weight": torch.ones(5)},
        "hyper_parameters": {"lr": 0.1},
        "callbacks": {"EMA": {"decay": 0.99}},
        "optimizer_states": [{"state": {}}],
    },
    "the same twice": lambda state: {
        "state_dict": state,
        "model_ema": {key: value.clone() for key, value in state.items()},
    },
    "inside itself": lambda state: endless({"model": state}),
    "parameters": lambda state: {key: nn.Parameter(value, requires_grad=False) for key, value in state.items()},
}


def endless(content: dict[str, Any]) -> dict[str, Any]:
    content["self"] = content
    return content


@pytest.mark.parametrize("nesting", NESTINGS)
def test_every_nesting(tmp_path, state, plain, nesting):
    torch.save(NESTINGS[nesting](state), tmp_path / "m.ckpt")
    assert_same(tmp_path / "m.ckpt", plain)


def test_real_wrappers(tmp_path, plain):
    """DataParallel around a compiled model, and an average of weights: not their names but they themselves."""
    model = network(plain[0])
    torch.save(nn.DataParallel(torch.compile(model)).state_dict(), tmp_path / "m.pth")
    assert_same(tmp_path / "m.pth", plain)
    torch.save(torch.optim.swa_utils.AveragedModel(model).state_dict(), tmp_path / "a.pth")
    assert_same(tmp_path / "a.pth", plain)


def test_vgg_of_torchvision_for_the_paper(tmp_path):
    """Its names differ from the table's; behind a prefix too."""
    with torch.device("meta"):
        shapes = {key: t.shape for key, t in build_torchvision("vgg16").state_dict().items() if "features" in key}
    trunk = {
        key: torch.full((1,) * len(shape), float(n)).expand(shape) for n, (key, shape) in enumerate(shapes.items())
    }
    torch.save({"state_dict": {f"module.{key}": value for key, value in trunk.items()}}, tmp_path / "m.pth")
    found = load_backbone("cnn-16", "pool5", tmp_path / "m.pth").network.state_dict()
    assert [value.flatten()[0].item() for value in found.values()] == list(range(26))


def refused(path: Path) -> str:
    with pytest.raises(WeightFileError) as caught:
        load_backbone("cnn-f", "fc6", path, width=WIDTH)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ["m.pth", "m.safetensors", "m.npz"])
@pytest.mark.parametrize("nested", [False, True])
def test_two_sets_of_weights_are_not_chosen_between(tmp_path, monkeypatch, state, plain, name, nested):
    """The remedy is in the message, as Python, and works."""
    student = {key: value + 1 for key, value in state.items()}
    if nested and name == "m.pth":
        torch.save({"run": {"student": student, "teacher": state}}, tmp_path / name)
        names = "'run.student' and 'run.teacher'"
    else:
        whole = {f"student.{key}": value for key, value in student.items()}
        write(tmp_path / name, whole | {f"teacher.{key}": value for key, value in state.items()})
        names = "'student' and 'teacher'"
    text = refused(tmp_path / name)
    assert f"expected one set of weights for CNN-F layer 'fc6'; found 2 with different values, {names};" in text
    remedy = text.partition("such as with ")[2]
    assert "teacher" in remedy
    monkeypatch.chdir(tmp_path)
    import safetensors

    given = {"torch": torch, "numpy": np, "safetensors": safetensors, "NEW": f"new{Path(name).suffix}"}
    exec(remedy, given)
    assert_same(tmp_path / given["NEW"], plain)


def test_a_whole_module_and_its_remedy(tmp_path, plain):
    model = network(plain[0])
    torch.save(model, tmp_path / "whole.pth")
    text = refused(tmp_path / "whole.pth")
    assert "a pickle with code in it (torch.nn.modules.container.Sequential), which was not run" in text
    assert "torch.load('whole.pth', weights_only=False)" in text
    assert "torch.save(model.state_dict(), NEW)" in text
    model = torch.load(tmp_path / "whole.pth", weights_only=False)
    torch.save(model.state_dict(), tmp_path / "new.pth")
    assert_same(tmp_path / "new.pth", plain)


@pytest.mark.filterwarnings("ignore")  # TorchScript is deprecated, its files are not gone
@pytest.mark.parametrize("kind", ["TorchScript", "torch.export"])
def test_archives_of_programs_and_their_remedy(tmp_path, monkeypatch, plain, kind):
    model = network(plain[0])
    monkeypatch.chdir(tmp_path)
    if kind == "TorchScript":
        torch.jit.trace(model, torch.zeros(1, 3, 224, 224)).save("m.pt")
        assert "found a TorchScript archive;" in refused(Path("m.pt"))
    else:
        torch.export.save(torch.export.export(model, (torch.zeros(1, 3, 224, 224),)), "m.pt")
        assert "found a program of torch.export;" in refused(Path("m.pt"))
    remedy = refused(Path("m.pt")).partition("where you trust it, ")[2].partition(" and use")[0]
    exec(remedy, {"torch": torch, "NEW": "new.pth"})
    assert_same(Path("new.pth"), plain)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", ["m.pth", "m.safetensors"])
def test_precisions(tmp_path, state, name, dtype):
    converted = {key: value.to(dtype) if value.is_floating_point() else value for key, value in state.items()}
    found, _ = loaded(write(tmp_path / name, converted))
    expected = {key: value.float() for key, value in converted.items()}
    assert all(
        torch.equal(found[key], expected[key]) for key in found if key in expected and found[key].is_floating_point()
    )
    assert {value.dtype for value in found.values()} <= {torch.float32, torch.int64}


@pytest.mark.parametrize("name", ["m.pth", "m.safetensors", "m.npz"])
def test_other_names_are_told(tmp_path, state, name):
    renamed = {f"timm_{number:02}": value for number, value in enumerate(state.values())}
    text = refused(write(tmp_path / name, renamed))
    assert f"(its {len(state)} tensors: timm_00, timm_01, timm_02, ...)" in text
