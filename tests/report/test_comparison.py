"""The page and the tables of a reproduction."""

from __future__ import annotations

import copy
import csv
import io
import json
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from rich.console import Console

from rsir_fast.base.result_json import result_json
from rsir_fast.protocols.dhcnn2021_result import CodeFigures
from rsir_fast.protocols.hash_table import Run, hash_rows
from rsir_fast.protocols.intervals import map_intervals
from rsir_fast.protocols.reproduce_dhcnn2021_result import Dhcnn2021TableResult, HashRun
from rsir_fast.report import comparison, result_table, write_report
from rsir_fast.report.comparison import comparison_grid, map_by_bits, runs_grid
from rsir_fast.report.content import Options
from rsir_fast.report.grid import to_csv, to_markdown

made = Dhcnn2021TableResult.model_validate

MEASURES = ("map_expected", "map_by_index", "map_worst", "map_best", "test_map_expected", "overall_accuracy", "kappa")
CURVES = {
    "radius": {"precision": [1.0, 0.5], "recall": [0.5, 1.0]},
    "cutoffs": [1, 11],
    "precision_at": [0.9, 0.5],
    "recall_at": [0.1, 0.9],
    "map": {"expected": 0.5, "by_index": 0.5, "worst": 0.5, "best": 0.5},
    "per_class": [0.5, 0.5],
    "queries": 8,
    "queries_without_relevant": 0,
    "database": 32,
}


def row(method, bits, first, second, missing=None):
    values = [None, None] if missing else [first, second]
    measured = {
        "mean": None if missing else (first + second) / 2,
        "deviation": None if missing else abs(first - second) / 2**0.5,
        "seeds": 0 if missing else 2,
        "missing": missing,
    }
    runs = [{"seed": seed, **dict.fromkeys(MEASURES, value)} for seed, value in enumerate(values)]
    return {"method": method, "bits": bits, "measures": dict.fromkeys(MEASURES, measured), "runs": runs}


@pytest.fixture
def result():
    recipe = {"name": "modern", "epochs": 60, "loss": {"p": 32.0}}
    return {
        "protocol": "reproduce dhcnn2021",
        "rsir_fast": "0.1.0",
        "dataset": {
            "name": "scenes",
            "items": 40,
            "classes": ["a", "b"],
            "class_counts": [20, 20],
            "notes": [],
            "skipped": [{"item": "a/<x>.jpg", "reason": "truncated"}],
        },
        "features": {"backbone": "vgg", "layer": "fc7", "dim": 4096, "weights": {"file": "f", "sha256": "ab"}},
        "settings": {
            "train": 0.8,
            "freeze_backbone": True,
            "precision": "float32",
            "accumulate": 1,
            **dict.fromkeys(("rsir_fast", "torch", "numpy"), "1"),
            "lengths": [16, 32],
            "seeds": [0, 1],
            "recipes": {"DHCNN": recipe},
        },
        "rows": [
            row("features, Euclidean", None, 0.8, 0.9),
            row("DHCNN", 16, 0.9, 0.95),
            row("ITQ", 16, 0.5, 0.6),
            row("DHCNN", 32, 0.91, 0.97),
            row("ITQ", 32, 0, 0, "too many <bits>"),
        ],
        "curves": {"bits": 32, "seed": 0, "methods": {"DHCNN": CURVES, "ITQ": CURVES}},
    }


def test_the_table(result):
    result["rows"].insert(2, {**row("DHCNN: its label", 16, 0.9, 0.9), "remark": "a code of 1 bit"})
    text = to_markdown(comparison_grid(made(result)))
    assert "| **16 bits** |" in text
    assert "| DHCNN | 92.50 ± 3.54 |" in text
    assert "| DHCNN: its label [2] | 90.00 ± 0.00 |" in text
    assert "| ITQ | – [3] |" in text
    assert "[2] a code of 1 bit" in text
    assert "[3] too many \\<bits\\>" in text
    assert "over 2 seeds (0, 1)" in text
    assert "published" not in text


def test_unseen_classes(result, monkeypatch):
    for plot in ("precision_recall_by_radius", "precision_by_number", "recall_by_number"):
        monkeypatch.setattr(comparison, plot, lambda _: b"<svg></svg>")  # a second of drawing
    result["dataset"]["name"] = "UCMerced_LandUse"  # its published numbers are of seen classes
    result["settings"] |= {"train": None, "unseen_classes": [["a"], ["b"]]}
    content = comparison.content(made(result), Options())
    assert "| method | mAP (%), test vs train: expected |" in content.files["table.md"]
    assert "| mAP (%), unseen classes: expected |" in content.files["table.md"]
    assert "published" not in content.files["table.md"]
    assert "a seed draws classes" in content.files["table.md"]
    said = {row.label: row.text for row in content.page.method}
    assert said["classes not trained on, seed 1"] == "b"
    assert "train" not in said
    assert b"unseen classes among themselves" in content.files["map_by_bits.svg"]


def test_published_numbers_stand_beside_uc_merced_only(result):
    result["dataset"]["name"] = "UCMerced_LandUse"
    grid = comparison_grid(made(result))
    assert [row.label for row in grid.rows if row.group == "published"] == ["DHCNN", "DHCNN", "DHCL", "HPSH"]
    text = to_markdown(grid)
    assert re.search(r"\| DHCNN \| 96\.67 \[\d\] \| .* \| 95\.71 \[\d\] \|( +\|){2}\n", text)
    assert "mAP (%), not comparable: as quoted |" in text
    for name, figure in (("DHCNN", "98.02"), ("DHCL", "99.60"), ("HPSH", "99.70")):
        assert re.search(rf"\| {name} \|( +\|){{7}} {figure} \[\d\] \|", text)
    assert "cut-off and split not known" in text
    assert not re.search("not comparable|98.02", to_markdown(runs_grid(made(result))))
    assert "this run: 40 images of 2 classes; the paper: 2,100 of 21" in text
    other = "of 80 % of each class and true labels to train on: no comparison"
    assert other not in text
    result["settings"] |= {"label_noise": 0.2, "noise": "symmetric"}
    text = to_markdown(comparison_grid(made(result)))
    assert other in text
    assert "20 % of the labels wrong in training (symmetric); gallery" in text


def test_means_over_splits_have_intervals_and_a_headline(result):
    """Two splits of 80 %: t of one degree of freedom is 12.706, the variance that of Nadeau and Bengio."""
    assert "In brackets" not in to_markdown(comparison_grid(made(result)))  # as it was written before
    runs = {Run("DHCNN", 16, seed): hash_run(value) for seed, value in ((0, 0.90), (1, 0.92))}
    (found,) = hash_rows(runs, 0.2)
    half = 12.7062047 * 0.02 / 2**0.5 * (1 / 2 + 0.2 / 0.8) ** 0.5
    measured = found.measures["map_expected"]
    assert measured.interval.low == pytest.approx(0.91 - half)
    assert measured.interval.high == 1.0  # where no measure goes beyond
    assert (found.runs[1].map_intervals.by_class.units, found.runs[1].test_map_intervals) == (5, None)
    assert hash_rows({Run("DHCNN", 16, 0): hash_run(0.9)}, 0.2)[0].measures["map_expected"].interval is None
    result["rows"][1] = json.loads(result_json(found.content()))
    text = to_markdown(comparison_grid(made(result)))
    low = f"{100 * (0.91 - half):.2f}"
    assert f"| DHCNN | 91.00 ± 1.41 ({low} to 100.00) |" in text
    assert "In brackets: 95 % interval of the mean over 2 splits" in text
    assert "vgg, fc7, 4,096 values, frozen; recipe: modern; gallery of test vs train: the training images" in text
    rows = list(csv.DictReader(io.StringIO(to_csv(runs_grid(made(result))))))
    by_class = found.runs[1].map_intervals.by_class
    row = next(row for row in rows if (row["group"], row["run"]) == ("DHCNN, 16 bits", "seed 1"))
    assert (float(row["map_expected_low"]), row["test_map_expected_low"]) == (by_class.low, "")


def hash_run(value):
    intervals = map_intervals(value + np.array([-0.1, 0.1, 0.0, 0.0, 0.0]), np.arange(5))
    figures = {**CURVES, "map": dict.fromkeys(CURVES["map"], value), "map_intervals": intervals}
    return HashRun(test_vs_train=CodeFigures.model_validate(figures))


def test_single_runs_have_their_seed(result):
    rows = list(csv.DictReader(io.StringIO(to_csv(runs_grid(made(result))))))
    assert len(rows) == 10
    assert (rows[2]["group"], rows[2]["run"], rows[2]["map_expected"]) == ("DHCNN, 16 bits", "seed 0", "0.9")
    assert rows[2]["map_expected_spread"] == ""


def test_one_seed_has_no_spread(result):
    result["settings"]["seeds"] = [0]
    for found in result["rows"]:
        found["runs"] = found["runs"][:1]
        found["measures"] = {key: {**value, "deviation": None} for key, value in found["measures"].items()}
    text = to_markdown(comparison_grid(made(result)))
    assert "±" not in text
    assert "One seed (0), no spread" in text
    ElementTree.fromstring(map_by_bits(made(result)))


def test_plot_of_lengths(result):
    svg = map_by_bits(made(result))
    ElementTree.fromstring(svg)
    for text in (b">16<", b">32<", b">DHCNN<", b">ITQ<", b"features, Euclidean (no codes)"):
        assert text in svg
    changed = copy.deepcopy(result)
    changed["rows"][1]["measures"]["map_expected"] = {**changed["rows"][1]["measures"]["kappa"], "deviation": 0.2}
    assert map_by_bits(made(changed)) != svg  # the bars are drawn
    for found in result["rows"]:
        found["measures"] = {key: {**value, "mean": None} for key, value in found["measures"].items()}
    assert b"no query has a relevant image" in map_by_bits(made(result))


def test_files(result, tmp_path):
    paths = write_report(tmp_path / "a", made(result), command="rsir reproduce <x>")
    again = write_report(tmp_path / "b", made(result), command="rsir reproduce <x>")
    assert {name: path.read_bytes() for name, path in paths.items()} == {n: p.read_bytes() for n, p in again.items()}
    tables = {"result.json", "table.md", "table.csv", "table.tex", "runs.csv", "report.html"}
    assert tables < set(paths) == {path.name for path in (tmp_path / "a").iterdir()}
    page = paths["report.html"].read_text()
    assert "rsir reproduce &lt;x&gt;" in page
    assert "too many &lt;bits&gt;" in page
    assert "a/<wbr>&lt;x&gt;.<wbr>jpg" in page
    assert page.count("<svg") == 4
    assert not re.search(r"<script|<link|src=\"http|@import|url\(http", page)
    assert "92.50 ± 3.54" in page


def test_terminal(result):
    console = Console(width=100)
    with console.capture() as captured:
        console.print(result_table(made(result)))
    assert re.search(r"\n   DHCNN +92.50 ± 3.54 ", captured.get())
    assert "1 row without any figure is left out (too many <bits>); --all-rows keeps it." in captured.get()
    with console.capture() as captured:
        console.print(result_table(made(result), all_rows=True))
    assert "[2] too many <bits>" in captured.get()
    assert "left out" not in captured.get()
