"""Engines: the same features to rounding, what the run says of them, and what is refused."""

from __future__ import annotations

import importlib.metadata
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from rsir_fast.archive import Features
from rsir_fast.backbones import Backbone, every_layer, has_bfloat16, load_backbone
from rsir_fast.backbones import folded as folded_graph
from rsir_fast.cli import app
from rsir_fast.encoders.encoder import Encoder
from rsir_fast.encoders.former import run_of
from rsir_fast.extraction import encode
from rsir_fast.extraction.again import encode_like
from rsir_fast.extraction.engines import choose
from rsir_fast.extraction.engines.fused import fused
from rsir_fast.extraction.run import Run
from scene_files import write_scenes
from small_network import small_network

CPU = torch.device("cpu")
RUNTIMES = {"onnx": "onnxruntime", "openvino": "openvino"}
EVERY = [
    pytest.param(name, marks=pytest.mark.skipif(not choose.installed(name), reason=f"no {RUNTIMES[name]} here"))
    for name in RUNTIMES
]
BOTH = pytest.mark.skipif(not all(map(choose.installed, RUNTIMES)), reason="not both engines here")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("engines") / "scenes", classes=2, per_class=4)


def folded() -> Backbone:
    return small_network("mobilenet_v2")


def layered() -> Backbone:
    return every_layer(load_backbone("cnn-alex", "fc6", weights="random:0", width=0.05))


@pytest.mark.parametrize("made", [folded, layered])
@pytest.mark.parametrize("engine", EVERY)
def test_features_are_those_of_torch_to_rounding(engine, made):
    images = torch.randint(0, 256, (5, *made().preprocessing.shape), dtype=torch.uint8)
    truth, run = Run(made(), CPU, "float32", 5), Run(made(), CPU, "float32", 5, engine)
    expected, got = truth.forward(images), run.forward(images)
    assert run.engine.name == engine
    assert got.shape == expected.shape
    assert float((got - expected).abs().max() / expected.abs().max()) < 1e-5
    # Bits depend neither on the images beside one nor on its place.
    assert torch.equal(run.forward(images[1:2])[0], got[1])
    assert torch.equal(run.forward(images, shift=3), got)


@pytest.mark.parametrize("layer", ["gap", "features.3.conv.0"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_convolution_that_bounds_its_output_gives_the_same_bits(layer, dtype):
    backbone = load_backbone("mobilenet_v2", layer, weights="random:0")
    backbone.preprocessing = replace(backbone.preprocessing, input_size=96)
    network = folded_graph(backbone)
    same = fused(network, dtype)
    values = torch.rand((32, 3, 96, 96), generator=torch.Generator().manual_seed(0)) * 8 - 4
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=dtype is torch.bfloat16):
        assert torch.equal(same(values), network(values))
    left = [sum(isinstance(part, nn.ReLU6) for part in each.modules()) for each in (network, same)]
    all_of_them = 35 if layer == "gap" else 5
    is_here = dtype is torch.float32 or has_bfloat16(CPU)
    assert left == [all_of_them, 0 if is_here else all_of_them]


@pytest.mark.parametrize("engine", EVERY)
def test_the_run_says_so_and_a_search_uses_it(engine, tmp_path, scenes, monkeypatch):
    folder = tmp_path / "f"
    made = [
        "features",
        scenes,
        "-e",
        "squeezenet1_1,sizes=64",
        "-w",
        "random:0",
        "--engine",
        engine,
        "-o",
        folder,
        "-q",
    ]
    made += ["--batch-size", 4]
    done = CliRunner().invoke(app, [str(word) for word in made])
    assert done.exit_code == 0, done.output
    database = Features.load(folder)
    run = run_of(database.provenance)
    assert run.engine == engine
    assert run.versions[RUNTIMES[engine]] == importlib.metadata.version(RUNTIMES[engine])
    assert database.timing["same_at_every_place"] is True
    query = scenes / "class1" / "class1_0.jpg"
    asked = ["search", str(folder), str(query), "-k", "1"]
    found = CliRunner().invoke(app, asked)
    assert found.stderr == ""
    assert "class1_0.jpg" in found.stdout
    # Without the engine torch answers, and says so.
    monkeypatch.setattr("rsir_fast.extraction.again.installed", lambda name: name == "torch")
    told = CliRunner().invoke(app, asked).stderr
    assert f"no image's distance to itself need be exactly 0: another engine ({engine}, now torch)" in told


@pytest.mark.parametrize("engine", EVERY)
def test_what_it_means_does_not_depend_on_the_engine(engine, scenes):
    by_torch, found = (encode(scenes, small_network(), engine=name, batch_size=4) for name in ("torch", engine))
    assert found.spec.digest() == by_torch.spec.digest()
    assert np.abs(found.matrix - by_torch.matrix).max() < 1e-5 * np.abs(by_torch.matrix).max()


@pytest.mark.skipif(not choose.installed("openvino"), reason="no openvino here")
def test_bfloat16_is_of_the_digest(scenes):
    import openvino

    network = small_network()
    engine = "openvino" if "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "torch"
    if engine == "torch":  # OpenVINO computes float32 there, which must not be kept as bfloat16
        with pytest.raises(ValueError, match=r"this processor has no bfloat16\); use engine='torch'"):
            encode(scenes, Encoder(network, "bfloat16"), engine="openvino", batch_size=4)
    half = encode(scenes, Encoder(network, "bfloat16"), engine=engine, batch_size=4)
    whole = encode(scenes, network, engine=engine, batch_size=4)
    assert half.spec.digest() != whole.spec.digest()
    difference = np.abs(half.matrix - whole.matrix).max() / np.abs(whole.matrix).max()
    assert 1e-4 < difference < 0.05


class _Answer:
    """An engine that takes a while."""

    def __init__(self, name: str, seconds: float, clock: list[float]) -> None:
        self.name, self._seconds, self._clock = name, seconds, clock

    def __call__(self, values):
        self._clock[0] += self._seconds
        return values


def test_auto_takes_the_fastest():
    clock = [0.0]
    engines = [_Answer(name, seconds, clock) for name, seconds in (("a", 0.3), ("b", 0.1), ("c", 0.2))]
    assert choose._fastest(engines, torch.zeros(1), clock=lambda: clock[0]).name == "b"
    assert clock[0] < 2


@BOTH
def test_auto_records_what_it_took(scenes, monkeypatch):
    seen = []

    def last(engines, values):
        seen.extend(engine.name for engine in engines)
        return engines[-1]

    monkeypatch.setattr(choose, "_fastest", last)
    found = encode(scenes, small_network(), engine="auto", batch_size=4, device="cpu")
    assert seen == ["torch", "onnx", "openvino"]
    assert found.provenance["extraction"]["engine"] == "openvino"
    assert encode_like(found, scenes, small_network()).notes == ()


def test_auto_is_torch_where_nothing_else_is_there(scenes, monkeypatch):
    monkeypatch.setattr(choose, "find_spec", lambda name: None)
    found = encode(scenes, small_network(), engine="auto", batch_size=4, device="cpu")
    assert "engine" not in found.provenance["extraction"]


class _Asks(nn.Module):
    """What it computes depends on the values: no graph."""

    name = "asks"

    def forward(self, values):
        return values.mean((2, 3)) if float(values.mean()) > 1e9 else values.mean((2, 3)) + 1


@pytest.mark.parametrize("engine", EVERY)
def test_a_network_without_a_graph_is_refused(engine, scenes):
    module = _Asks()
    module.preprocessing = small_network().preprocessing
    with pytest.raises(ValueError, match=f"engine: '{engine}' cannot run this network .*; use engine='torch'"):
        encode(scenes, module, engine=engine, batch_size=2)
    found = encode(scenes, module, engine="auto", batch_size=2, device="cpu")
    assert "engine" not in found.provenance["extraction"]


@pytest.mark.skipif(not choose.installed("openvino"), reason="no openvino here")
def test_an_engine_that_computes_otherwise_is_refused(monkeypatch):
    monkeypatch.setattr(choose, "_loaded", lambda *_: lambda values: values.mean((2, 3)) + 1)
    backbone = small_network()
    backbone._modules = {"network": nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Tanh())}
    with pytest.raises(ValueError, match=r"expected 'openvino' to compute what torch does, got values that differ"):
        Run(backbone, CPU, "float32", 2, "openvino")


def test_wrong_engines(scenes, monkeypatch):
    with pytest.raises(ValueError, match="engine: expected one of torch, onnx, openvino, auto, got 'tvm'"):
        encode(scenes, small_network(), engine="tvm")
    with pytest.raises(ValueError, match="engine: expected none for colour-histogram, which runs no network"):
        encode(scenes, "colour-histogram", engine="torch")
    monkeypatch.setattr(choose, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"'onnx' needs onnxruntime, .*: pip install 'rsir-fast\[onnx\]'"):
        encode(scenes, small_network(), engine="onnx")
    done = CliRunner().invoke(app, ["features", str(scenes), "--engine", "openvino", "-w", "random:0", "-o", "x"])
    assert done.exit_code == 1
    assert "pip install 'rsir-fast[openvino]'" in done.stderr


def test_onnx_has_no_bfloat16(scenes, monkeypatch):
    monkeypatch.setattr(choose, "find_spec", lambda name: object())
    with pytest.raises(ValueError, match="'onnx' expects precision float32, got bfloat16"):
        encode(scenes, Encoder(small_network(), "bfloat16"), engine="onnx")
