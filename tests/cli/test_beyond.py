"""Options beyond the paper on the command line."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from rsir_fast.archive import Features
from rsir_fast.cli import app
from scene_files import write_scenes


def rsir(*arguments, code=0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


NETWORK = ["-e", "squeezenet1_1", "--weights", "random:0", "--workers", "0", "--quiet"]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("beyond") / "scenes", per_class=4)


@pytest.fixture(scope="module")
def features(tmp_path_factory, scenes):
    out = tmp_path_factory.mktemp("beyond") / "features"
    rsir("features", scenes, "--out", out, *NETWORK)
    return out


def test_steps_and_reranking_reach_figures_table_and_page(tmp_path, features):
    beyond = ["--steps", "power,center,l2", "--rerank", "diffuse:3"]
    found = rsir("evaluate", "ge2018", features, "--out", tmp_path / "beyond", *beyond, "-q")
    assert "post-processing: power:0.5, center, l2" in found.stdout
    assert "re-ranking: diffuse:3:0.9:3" in found.stdout
    result = json.loads((tmp_path / "beyond" / "result.json").read_text())
    assert result["settings"]["steps"] == ["power:0.5", "center", "l2"]
    assert result["settings"]["normalize"] == "none"
    page = (tmp_path / "beyond" / "report.html").read_text()
    assert "Post-processing" in page
    assert "Re-ranking" in page
    plain = rsir("evaluate", "ge2018", features, "--out", tmp_path / "plain", "-q")
    assert "post-processing" not in plain.stdout
    assert "Post-processing" not in (tmp_path / "plain" / "report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--steps", "pca:999"], "at most 12 dimensions"),
        (["--steps", "sharpen"], "expected power"),
        (["--rerank", "diffuse:99"], "expected 1 to 11 neighbours"),
        (["-e", "squeezenet1_1,turns=mean"], "--encoder: expected a folder of images"),
        (["--field", "fc6"], "--field: expected one of the vectors that the features of scenes have, gap, got 'fc6'"),
    ],
)
def test_what_cannot_be_is_said(tmp_path, features, arguments, message):
    result = rsir("evaluate", "ge2018", features, "--out", tmp_path / "out", *arguments, "-q", code=2)
    assert message in " ".join(result.stderr.split())
    assert not (tmp_path / "out" / "report.html").exists()


def test_features_side_by_side(tmp_path, features):
    other = tmp_path / "other"
    made = Features.load(features)
    Features(made.matrix[:, :7] ** 2, made.items, made.labels, made.classes, made.name).save(other)
    result = rsir("evaluate", "ge2018", features, "--with", other, "--out", tmp_path / "both", "--json", "-q")
    assert json.loads(result.stdout)["features"]["dim"] == 512 + 7


def test_with_goes_with_features_only(tmp_path, scenes, features):
    result = rsir("evaluate", "ge2018", scenes, "--with", features, "--out", tmp_path / "x", *NETWORK, code=2)
    assert "--with: expected a folder of features" in result.stderr


def test_turns_and_sizes_are_averaged_and_searched_alike(tmp_path, scenes):
    out = tmp_path / "turned"
    rsir("features", scenes, "--out", out, *NETWORK, "-e", "squeezenet1_1,turns=mean,sizes=48+64")
    made = Features.load(out)
    assert made.provenance["averaged"] == {"turns": 8, "sizes": [48, 64]}
    assert made.dim == 512
    query = scenes / "class0" / "class0_2.jpg"
    for steps in ([], ["--steps", "center,l2,pca:5"]):
        result = json.loads(rsir("search", out, query, "-k", "2", "--device", "cpu", *steps, "--json").stdout)
        best = result["queries"][0]["results"][0]
        assert best["item"].endswith("class0_2.jpg")
        assert best["distance"] == pytest.approx(0, abs=1e-2)
    assert result["steps"] == "center,l2,pca:5"


def test_compare_prints_a_row_for_each_option(features):
    arguments = ["compare", features, "--steps", "l2", "--steps", "pca:99", "--rerank", "expand:2", "-q"]
    rows = list(csv.reader(io.StringIO(rsir(*arguments, "--form", "csv").stdout)))
    text = "\n".join(map(str, rows))
    assert all(f"'{label}'" in text for label in ("l2", "pca:99", "expand:2", "l2; expand:2", "pca:99; expand:2"))
    result = json.loads(rsir(*arguments, "--json").stdout)
    by_option = {(row["steps"], row["rerank"]): row for row in result["rows"]}
    assert len(by_option) == 6
    assert "at most 12" in by_option["pca:99", ""]["refused"]
    assert np.isfinite(by_option["l2", "expand:2"]["query_excluded"]["map"])
    assert "row normalisation (the paper)" in rsir(*arguments, "--form", "markdown").stdout
    assert "mAP" in rsir(*arguments).stdout
