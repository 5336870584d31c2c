"""Engines of commands that search, train, reproduce, or go on with what is there."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from network_files import write_network
from rsir_fast.archive import Features
from rsir_fast.cli import app
from rsir_fast.encoders.former import run_of
from rsir_fast.encoders.load import load_encoder
from rsir_fast.errors import RsirError
from rsir_fast.extraction import encode
from rsir_fast.extraction.engines import choose
from rsir_fast.extraction.engines.going_on import going_on
from scene_files import write_scenes
from small_network import small_network

ONNX = pytest.mark.skipif(not choose.installed("onnx"), reason="no onnxruntime here")
OPENVINO = pytest.mark.skipif(not choose.installed("openvino"), reason="no openvino here")
NETWORK = ["-e", "squeezenet1_1,sizes=64", "-w", "random:0", "--quiet", "--device", "cpu"]
TRAINED = ["-e", "squeezenet1_1", *NETWORK[2:], "--batch-size", 4]  # a training wants the network itself


def rsir(*arguments, code=0):
    done = CliRunner().invoke(app, [str(word) for word in arguments])
    assert done.exit_code == code, done.output
    return done


def engine_of(folder) -> str:
    return run_of(Features.load(folder).provenance).engine


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("again") / "scenes", classes=2, per_class=4)


@pytest.fixture
def unmeasured(monkeypatch):
    """Measuring engines fails."""
    monkeypatch.setattr(choose, "_fastest", lambda *_: pytest.fail("engines were measured"))


def network():
    return small_network()


@ONNX
def test_a_search_says_that_it_used_another(tmp_path, scenes):
    query = scenes / "class1" / "class1_0.jpg"
    for engine, other in (("torch", "onnx"), ("onnx", "torch")):
        folder = tmp_path / engine
        rsir("features", scenes, *NETWORK, "--engine", engine, "--out", folder, "--batch-size", 4)
        for same in ([], ["--engine", "auto"], ["--engine", engine]):
            assert rsir("search", folder, query, "-k", 1, *same).stderr == ""
        told = rsir("search", folder, query, "-k", 1, "--engine", other).stderr
        assert f"need be exactly 0: another engine ({engine}, now {other})" in " ".join(told.split())


@ONNX
@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("engine", ["torch", "onnx"])
def test_auto_goes_on_with_what_is_recorded(tmp_path, engine):
    folder, out = write_scenes(tmp_path / "scenes", classes=2, per_class=4), tmp_path / "f"
    how = {"out": out, "batch_size": 4, "shard_size": 4, "device": "cpu", "resume": True}
    with pytest.raises(RsirError):  # after the first part
        encode(folder, network(), engine=engine, progress=lambda at: at.done < 8, **how)
    assert going_on(out, None) == engine
    assert run_of(encode(folder, network(), engine="auto", **how).provenance).engine == engine
    write_scenes(tmp_path / "more", classes=3, per_class=4)
    (tmp_path / "more" / "class2").rename(folder / "class2")
    found = encode(folder, network(), engine="auto", **how)
    assert len(found) == 12
    assert "runs" not in found.provenance
    assert run_of(found.provenance).engine == engine


@ONNX
def test_auto_measures_where_nothing_can_go_on(tmp_path, scenes, monkeypatch):
    measured = []
    monkeypatch.setattr(choose, "_fastest", lambda engines, values: measured.append(1) or engines[0])
    out = tmp_path / "f"
    assert going_on(out, "cpu") == "auto"
    encode(scenes, network(), engine="onnx", out=out, device="cpu", batch_size=4)
    found = encode(scenes, network(), engine="auto", out=out, device="cpu", batch_size=4, force=True)
    assert measured == [1]
    assert run_of(found.provenance).engine == "torch"
    monkeypatch.setattr(choose, "find_spec", lambda name: None)
    monkeypatch.setattr("rsir_fast.extraction.engines.going_on.last_run", lambda folder: {"engine": "onnx"})
    assert going_on(out, "cpu") == "auto"


@ONNX
def test_a_training_computes_its_features_by_it(tmp_path, scenes):
    train = ["train", "dhcnn", scenes, *TRAINED, "--freeze-backbone", "--bits", 8, "--epochs", 1]
    told = rsir(*[word for word in train if word != "--quiet"], "--engine", "onnx", "--out", tmp_path / "one").stderr
    assert "--device cpu --engine onnx --out FOLDER" in " ".join(told.split())
    assert engine_of(tmp_path / "one" / "features") == "onnx"
    refused = rsir(*train, "--features", tmp_path / "one/features", "--engine", "onnx", "-o", tmp_path / "two", code=2)
    assert "--engine: expected none beside --features, which are computed already" in " ".join(refused.stderr.split())


@ONNX
def test_tables_are_made_by_it(tmp_path, monkeypatch):
    scenes = write_scenes(tmp_path / "data", classes=2, per_class=5)
    table = ["reproduce", "dhcnn2021", scenes, *TRAINED, "--bits", 8, "--seeds", 1, "--epochs", 1, "--freeze-backbone"]
    rsir(*table, "--engine", "onnx", "--out", tmp_path / "a")
    assert engine_of(tmp_path / "a" / "features") == "onnx"
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    weights = write_network(tmp_path / "weights", "cnn-alex")
    table = ["reproduce", "ge2018", scenes, "-e", "lbp", "--weights-folder", weights, "--device", "cpu", "--quiet"]
    places = set()
    for engine in ("torch", "onnx"):
        rsir(*table, "--engine", engine, "--out", tmp_path / "b")
        made = set((tmp_path / "b" / "features" / "data").glob("cnn-alex-*")) - places
        assert [engine_of(folder) for folder in made] == [engine]  # each has a folder of its own
        places |= made


def test_tables_refuse_what_is_not_there_before_the_work(tmp_path, scenes, monkeypatch):
    monkeypatch.setattr(choose, "find_spec", lambda name: None)
    for paper, *more in (["ge2018"], ["dhcnn2021", *NETWORK]):
        out = tmp_path / paper
        told = rsir("reproduce", paper, scenes, *more, "--engine", "openvino", "--out", out, code=1).stderr
        assert "install it with: pip install 'rsir-fast[openvino]'" in " ".join(told.split())
        assert not (out / "features").exists()


def test_a_demo_and_features_say_what_computed(tmp_path, scenes):
    rsir("demo", scenes, *NETWORK, "--engine", "torch", "--out", tmp_path / "demo")
    made = rsir("features", scenes, *NETWORK, "--batch-size", 4, "--out", tmp_path / "f", "--json")
    assert json.loads(made.stdout)["engine"] == "torch"


@OPENVINO
@pytest.mark.parametrize("engine", ["openvino", pytest.param("onnx", marks=ONNX)])
def test_several_sizes(scenes, engine):
    several = load_encoder("squeezenet1_1,sizes=64+96", weights="random:0")
    truth, found = (encode(scenes, several, engine=name, batch_size=4).matrix for name in ("torch", engine))
    assert abs(found - truth).max() < 1e-5 * abs(truth).max()
