"""`--descriptor` as a stranger uses it."""

from __future__ import annotations

import json
import shutil
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from html_page import Page
from rsir_fast.archive import Features
from rsir_fast.cli import app
from scene_files import write_broken, write_scenes

pytest.importorskip("cv2")
pytest.importorskip("higra")


def rsir(*arguments, code=0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("cli") / "scenes", per_class=4, size=56)


@pytest.fixture(scope="module")
def words(tmp_path_factory, scenes):
    out = tmp_path_factory.mktemp("cli") / "words"
    rsir("features", scenes, "-e", "bovw-12", "--out", out, "--quiet")
    return out


def test_features(tmp_path, scenes):
    result = rsir("features", scenes, "-e", "bovw-12", "--out", tmp_path / "f")
    assert "made by   BoVW-12 (ours), visual words (12 values an image)" in result.stdout
    assert "words     from" in result.stdout
    assert "features  12 x 12 float32" in result.stdout
    assert "every image is read twice, first for the vocabulary" in result.stderr
    again = rsir("features", scenes, "-e", "bovw-12", "--out", tmp_path / "f", "--json")
    assert "was finished already" in again.stderr
    assert json.loads(again.stdout)["descriptor"]["descriptor"]["learnt"]["images"] == 12
    refused = rsir("features", scenes, "-e", "bovw-13", "--out", tmp_path / "f", code=1)
    assert "descriptor: bovw-12, now bovw-13" in refused.stderr


def test_dry_run(tmp_path, scenes):
    result = rsir("features", scenes, "-e", "bovw-12", "--out", tmp_path / "f", "--dry-run")
    assert "made by   BoVW-12 (ours)" in result.stdout
    assert not (tmp_path / "f").exists()
    rsir("features", scenes, "-e", "bovw-12", "--out", tmp_path / "f", "--quiet")
    rsir("features", scenes, "-e", "bovw-12", "--out", tmp_path / "f", "--dry-run")
    other = ["features", scenes, "-e", "lbp", "--out", tmp_path / "f"]
    for more in ("--quiet", "--dry-run"):
        refused = rsir(*other, more, code=1)
        assert "holds rows of another encoder (descriptor: bovw-12, now lbp" in refused.stderr
    rsir(*other, "--dry-run", "--force")


def test_unreadable_images_are_listed_with_exit_code_3(tmp_path):
    write_broken(tmp_path / "images")
    result = rsir("features", tmp_path / "images", "-e", "lbp", "--out", tmp_path / "f", "--quiet", code=3)
    assert "3 images could not be read" in result.stderr
    assert len(Features.load(tmp_path / "f")) == 7


@pytest.mark.parametrize("option", ["--weights w", "--batch-size 3", "--decoder cuda", "--device cpu"])
def test_network_options_are_refused(option, tmp_path, scenes):
    result = rsir("features", scenes, "-e", "hog", "--out", tmp_path / "f", *option.split(), code=2)
    name = option.split()[0]
    assert f"{name}: expected none for hog, which runs no network; leave it out" in result.stderr


def test_a_layer_is_refused_and_a_wrong_name(tmp_path, scenes):
    result = rsir("features", scenes, "-e", "hog:fc6", "--out", tmp_path / "f", code=2)
    assert "--encoder: expected hog alone, as it runs no network" in result.stderr
    result = rsir("features", scenes, "-e", "bovv-150", "--out", tmp_path / "f", code=2)
    assert "--encoder: unknown encoder 'bovv-150'; did you mean bovw-150" in result.stderr


def test_a_missing_extra_is_one_line(tmp_path, scenes, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    result = rsir("features", scenes, "-e", "bovw-12", "--out", tmp_path / "f", code=1)
    assert "pip install 'rsir-fast[shallow]'" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "f").exists()


def test_evaluate_from_images_and_from_features(tmp_path, scenes, words):
    straight = rsir("evaluate", "ge2018", scenes, "-e", "bovw-12", "--out", tmp_path / "a", "--json")
    stored = rsir("evaluate", "ge2018", words, "--out", tmp_path / "b", "--json", "--device", "cpu")
    one, other = json.loads(straight.stdout), json.loads(stored.stdout)
    assert one["query_excluded"] == other["query_excluded"]
    text = Page((tmp_path / "b/report.html").read_text()).text
    for said in ("BoVW-12 (ours)", "visual words", "descriptor, not verified", "detector thresholds", "opencv"):
        assert said in text
    assert "Weights, file" not in text
    refused = rsir("evaluate", "ge2018", words, "-e", "bovw-12", code=2)
    assert "--encoder: expected a folder of images to go with it" in refused.stderr
    refused = rsir("evaluate", "ge2018", scenes, "-e", "bovw-12", "--batch-size", 3, code=2)
    assert "--batch-size: expected none for bovw-12" in refused.stderr


def test_the_default_folder_is_named_after_the_descriptor(tmp_path, scenes, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rsir("evaluate", "ge2018", scenes, "-e", "colour-histogram", "--normalize", "feature", "--quiet")
    assert (tmp_path / "runs/ge2018-scenes-colour-histogram-colours-feature/report.html").is_file()


@pytest.mark.parametrize("name", ["bovw-12", "colour-histogram"])
def test_search(name, tmp_path, scenes, words):
    out = words
    if name != "bovw-12":
        out = tmp_path / "f"
        rsir("features", scenes, "-e", name, "--out", out, "--quiet")
    query = scenes / "class1/class1_2.jpg"
    found = json.loads(rsir("search", out, query, "-k", 3, "--json").stdout)
    first = found["queries"][0]["results"][0]
    assert first["item"] == "class1/class1_2.jpg"
    assert first["distance"] == 0.0
    assert found["layer"] in ("visual words", "colours")
    assert np.all(np.diff([entry["distance"] for entry in found["queries"][0]["results"]]) >= 0)


def test_search_refuses_what_does_not_fit(tmp_path, scenes, words):
    query = scenes / "class1/class1_2.jpg"
    result = rsir("search", words, query, "--device", "cpu", code=2)
    assert "--device: expected none for bovw-12, which runs no network" in result.stderr
    result = rsir("search", words, query, "--weights", tmp_path / "w", code=1)
    assert "expected what bovw-12 learnt (SHA-256 " in result.stderr
    copy = shutil.copytree(words, tmp_path / "copy")
    (copy / "encoder/descriptor.safetensors").unlink()
    result = rsir("search", copy, query, code=1)
    assert "found none; name with weights the descriptor.safetensors beside its features" in result.stderr
