"""``rsir evaluate multilabel`` as a user calls it: a data set laid out as DLRSD, of tiny images."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import rsir_fast as rf
from html_page import Page
from rsir_fast.cli import app
from rsir_fast.datasets import read_label_table
from rsir_fast.protocols import MultilabelResult, evaluate_multilabel
from scene_files import write_scenes

LABELS = ("airplane", "bare-soil", "water")


def rsir(*arguments, code=0):
    done = CliRunner().invoke(app, ["evaluate", "multilabel", *map(str, arguments)])
    assert done.exit_code == code, done.output
    return done


@pytest.fixture(scope="module")
def dlrsd(tmp_path_factory):
    root = tmp_path_factory.mktemp("dlrsd") / "DLRSD"
    scenes = write_scenes(root / "Images", per_class=4, size=16)
    rng = np.random.default_rng(0)
    rows = [f"{path.stem}\t{path.parent.name[-1]}" for path in sorted(scenes.glob("*/*.jpg"))]
    lines = [f"{row.split(chr(9))[0]}\t" + "\t".join(map(str, rng.integers(0, 2, 2))) + "\t1" for row in rows]
    (root / "LandUse_Multilabeled.txt").write_text("\n".join(["IMAGE\\LABEL\t" + "\t".join(LABELS), *lines]) + "\n")
    return root


def test_from_images_to_a_report_and_again_from_their_features(dlrsd, tmp_path):
    out = tmp_path / "run"
    done = rsir(dlrsd, "-e", "lbp", "-o", out, "--cutoffs", "1,5,50", "--per-class", "--workers", 0)
    result = MultilabelResult.load(out)
    sets = rf.open_dataset(dlrsd).label_sets
    features = rf.Features.load(out / "features")
    assert result.query_excluded == evaluate_multilabel(features, sets, cutoffs=(1, 5, 50)).query_excluded
    assert result.labels.names == LABELS
    for words in ("mAP, any shared label", f"({result.query_excluded.map:.4f})", "NDCG", "bare-soil", "3 labels"):
        assert words in done.stdout
    page = Page((out / "report.html").read_text())
    for words in ("an image that shares a label with the query", "Zhao F., Huang Y.", "gain 2^r − 1", "bare-soil"):
        assert words in page.text
    assert (out / "queries.csv").read_text().startswith("item,class,ap_query_excluded\n")
    # From the features, by a table that is named: the same figures.
    done = rsir(
        out / "features", "--labels", dlrsd / "LandUse_Multilabeled.txt", "-o", tmp_path / "again", "--json", "-q"
    )
    again = json.loads(done.stdout)
    assert again["query_excluded"]["map"] == result.query_excluded.map
    assert again["rules"]["cutoffs"] == [1, 5, 10, 20, 50, 100]
    # A result of another protocol is not written over.
    (tmp_path / "other").mkdir()
    (tmp_path / "other/result.json").write_text('{"protocol": "ge2018"}')
    table = ["--labels", dlrsd / "LandUse_Multilabeled.txt"]
    for source in ([out / "features", *table], [dlrsd, "-e", "lbp"]):
        refused = rsir(*source, "-o", tmp_path / "other", code=1).stderr
        assert "one of a result of multilabel, found a result of ge2018; choose another with --out" in refused


def test_codes_of_a_model_are_evaluated_too(dlrsd, tmp_path):
    data, rng = rf.open_dataset(dlrsd), np.random.default_rng(1)
    made = {"bits": 8, "classes": list(data.classes), "training": {"split": {"train": [], "test": []}}}
    rows = rng.standard_normal((len(data), 11)).astype(np.float32)
    provenance = {"name": "x", "layer": "gap, hash 8", "hash": made}
    codes = rf.Features(rows, data.items, data.labels, data.classes, "codes", root=data.root, provenance=provenance)
    codes.save(tmp_path / "codes")
    rsir(tmp_path / "codes", "-o", tmp_path / "run", "--gain", "linear", "-q")
    result = MultilabelResult.load(tmp_path / "run")
    assert (result.settings.distance, result.settings.bits, result.settings.gain) == ("hamming", 8, "linear")
    assert result.query_excluded == evaluate_multilabel(codes, data.label_sets, gain="linear").query_excluded


def test_what_is_missing_is_said_before_the_work(dlrsd, tmp_path):
    done = rsir(dlrsd / "Images/class0", "-e", "lbp", "-o", tmp_path / "out", code=1)
    assert "expected a table of labels beside" in done.stderr
    table = tmp_path / "multilabels.csv"
    table.write_text("image,a\nclass0_0,1\n")
    done = rsir(dlrsd, "--labels", table, "-e", "lbp", "-o", tmp_path / "out", code=1)
    assert "expected a row for every image, found none for 11 of 12" in done.stderr
    assert not (tmp_path / "out").exists()
    assert read_label_table(table).names == ("a",)
