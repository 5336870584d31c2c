"""From a model of ``rsir train hashing`` to codes, an evaluation and a search."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

import rsir_fast as rf
from rsir_fast.archive import Features
from rsir_fast.cli import app
from rsir_fast.protocols.hash_rows import Parts, embedded
from scene_files import write_scenes

NETWORK = ["-w", "random:0", "--device", "cpu", "--quiet"]


def rsir(*arguments, code=0):
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == code, done.output
    return done


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Scenes."""
    place = tmp_path_factory.mktemp("life")
    write_scenes(place / "scenes")
    return place


def train(place, method, out):
    quick = ["--freeze-backbone", "--bits", "8", "--epochs", "20", "-e", "squeezenet1_1", *NETWORK]
    return rsir("train", "hashing", place / "scenes", "--method", method, *quick, "--out", out)


def test_the_life_of_a_model_without_labels(place, tmp_path):
    """Codes, an evaluation that says why there is no accuracy, a search that names no label."""
    train(place, "dpsh", tmp_path / "run")
    model, scenes = tmp_path / "run/model.safetensors", place / "scenes"
    made = rsir("features", scenes, "-e", model, "--out", tmp_path / "codes", "--device", "cpu")
    assert "network   DPSH of 8 bits on squeezenet1_1, gap (11 values an image)" in made.stdout

    done = rsir("evaluate", "dhcnn2021", scenes, "-e", model, "--out", tmp_path / "run2", "--device", "cpu")
    why = "the model was trained without a classifier and prefers no class"
    assert "DPSH of 8 bits on squeezenet1_1, gap" in done.stdout
    assert f"labels of the test images: {why}" in " ".join(done.stdout.split())
    result = rf.Dhcnn2021Result.load(tmp_path / "run2")
    assert (result.method, result.labels.overall_accuracy, result.labels.missing) == ("DPSH", None, why)
    page = (tmp_path / "run2/report.html").read_text()
    assert "<h1><bdi>scenes</bdi>: DPSH, 8 bits" in page
    assert "Li W.-J., Wang S., Kang W.-C. (2016)" in page
    assert "that of the paper of DPSH: eta = 10.0" in page
    assert f"none: {why}" in page
    assert "8 values for the code<" in page
    assert "and each carries a label" not in page
    assert not (tmp_path / "run2/confusion_matrix.svg").exists()

    query = scenes / "class1/class1_3.jpg"
    found = json.loads(rsir("search", tmp_path / "codes", query, "-w", model, "-k", 3, "--json").stdout)
    (answer,) = found["queries"]
    assert answer["results"][0]["item"] == "class1/class1_3.jpg"
    assert "label" not in answer
    assert not {"label", "probability"} & answer["results"][0].keys()
    assert "probability" not in rsir("search", tmp_path / "codes", query, "-w", model).stdout
    done = rsir("search", tmp_path / "codes", query, "-w", model, "--same-label", code=2)
    assert "--same-label: expected a model that gives labels, got one trained without a classifier" in done.stderr
    for condition in ("label=class0", "label!=class0", "probability>0.5"):
        done = rsir("search", tmp_path / "codes", query, "-w", model, "--where", condition, code=2)
        said = " ".join(done.stderr.split())
        assert "--where: expected a model that gives labels for" in said
        assert "got one trained without a classifier" in said
    by_class = rsir("search", tmp_path / "codes", query, "-w", model, "--where", "class=class0", "-k", 2, "--json")
    assert len(json.loads(by_class.stdout)["queries"][0]["results"]) == 2


def test_the_life_of_real_values(place, tmp_path):
    """The field u is the method; its signs are told apart from codes that were learnt."""
    train(place, "proxy-anchor", tmp_path / "run")
    model, scenes = tmp_path / "run/model.safetensors", place / "scenes"
    made = rsir("features", scenes, "-e", model, "--out", tmp_path / "codes", "--device", "cpu", "--quiet")
    assert "network   proxy-anchor of 8 values on squeezenet1_1, gap" in made.stdout
    split = ["--split", "80/20", "--gallery", "train"]
    ranked = ["evaluate", "ge2018", tmp_path / "codes", "--field", "u", "--steps", "l2", *split]
    rsir(*ranked, "--out", tmp_path / "u", "--quiet")
    codes = Features.load(tmp_path / "codes")
    drawn = rf.stratified_split(codes.as_dataset(), train=0.8)
    expected = embedded(codes, Parts.of(codes, drawn)).test_vs_train
    assert rf.Ge2018Result.load(tmp_path / "u").query_excluded.map == pytest.approx(expected.map.expected, abs=1e-12)

    signs = "proxy-anchor learns real values compared by their angle, and no codes: these are their signs"
    done = rsir("evaluate", "dhcnn2021", tmp_path / "codes", "--out", tmp_path / "signs")
    assert signs in done.stderr
    result = rf.Dhcnn2021Result.load(tmp_path / "signs")
    assert result.dataset.notes[0].startswith(signs)
    assert result.labels.overall_accuracy is None  # its proxies are no classifier
    query = scenes / "class1/class1_3.jpg"
    assert signs in rsir("search", tmp_path / "codes", query, "-w", model).stderr
    by_u = rsir("search", tmp_path / "codes", query, "-w", model, "--field", "u", "--steps", "l2", "-k", 1, "--json")
    assert by_u.stderr == ""
    assert json.loads(by_u.stdout)["queries"][0]["results"][0]["distance"] == 0
