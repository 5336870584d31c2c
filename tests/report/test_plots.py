from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

import rsir_fast
from rsir_fast.report.plots import chance_precision, per_class_bars, pr_curve, precision_at_n

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: bytes) -> list[str]:
    return ["".join(node.itertext()) for node in ET.fromstring(svg).iter(f"{SVG}text")]


def draw_all(result) -> list[bytes]:
    return [pr_curve({"run": result}), precision_at_n({"run": result}), per_class_bars(result)]


def test_same_bytes_for_the_same_input(evaluation):
    assert draw_all(evaluation.result) == draw_all(evaluation.result)


def test_same_bytes_in_another_process_with_another_hash_seed(evaluation, tmp_path):
    stored = tmp_path / "result.json"
    stored.write_text(evaluation.result.to_json())
    code = (
        "import sys; from rsir_fast.protocols import Ge2018Result; from rsir_fast.report import pr_curve;"
        f"sys.stdout.buffer.write(pr_curve({{'run': Ge2018Result.load({str(stored)!r})}}))"
    )
    paths = {"PYTHONPATH": str(Path(rsir_fast.__file__).parents[1]), "PYTHONHASHSEED": "12345"}
    other = subprocess.run([sys.executable, "-c", code], env=paths, capture_output=True, check=True)
    assert other.stdout == pr_curve({"run": evaluation.result})


def test_needs_nothing_from_outside_and_carries_no_date(evaluation):
    for svg in draw_all(evaluation.result):
        root = ET.fromstring(svg)
        links = [value for node in root.iter() for key, value in node.attrib.items() if key.endswith("href")]
        assert all(link.startswith("#") for link in links)
        assert b"<metadata" not in svg
        assert b"<image" not in svg


def test_global_matplotlib_settings_stay_as_they_were(evaluation):
    before = dict(mpl.rcParams)
    draw_all(evaluation.result)
    assert dict(mpl.rcParams) == before


GLOBAL_SETTINGS = {
    "axes.facecolor": "black",
    "axes.linewidth": 7.0,
    "axes.unicode_minus": False,
    "figure.dpi": 300.0,
    "font.weight": "bold",
    "grid.linestyle": ":",
    "legend.fancybox": False,
    "lines.markeredgewidth": 5.0,
    "patch.force_edgecolor": True,
    "path.sketch": (1.0, 100.0, 2.0),
    "savefig.bbox": "tight",
    "savefig.facecolor": "red",
    "savefig.transparent": True,
    "text.usetex": True,
    "xtick.direction": "in",
    "xtick.labelsize": 30.0,
}


@pytest.mark.parametrize("changed", [*([key] for key in GLOBAL_SETTINGS), list(GLOBAL_SETTINGS)], ids="+".join)
def test_global_matplotlib_settings_change_no_byte(evaluation, changed):
    expected = pr_curve({"run": evaluation.result}), per_class_bars(evaluation.result)
    with mpl.rc_context({key: GLOBAL_SETTINGS[key] for key in changed}):
        assert (pr_curve({"run": evaluation.result}), per_class_bars(evaluation.result)) == expected


def test_axes_say_what_they_show_and_in_which_unit(evaluation):
    curve, precision, bars = (texts(svg) for svg in draw_all(evaluation.result))
    assert {"Recall (%)", "Precision (%)", "query excluded", "query included"} <= set(curve)
    assert {"Images returned, n (log scale)", "Mean precision at n (%)"} <= set(precision)
    assert {"mAP (%), higher is better", "ANMRR (0 to 1), lower is better", "By class, query excluded"} <= set(bars)


def test_the_curve_is_drawn_through_the_given_points(evaluation):
    curve = {"n": [1, 2], "precision": [1.0, 0.5], "recall": [0.0, 1.0]}
    for place in ("query_excluded", "query_included"):
        evaluation.content[place]["pr_curve"] = curve
    root = ET.fromstring(pr_curve({"run": evaluation.result}))
    lines = [node.get("d") for node in root.iter(f"{SVG}path") if "#0072b2" in (node.get("style") or "").lower()]
    x0, y0, x1, y1 = (float(token) for token in lines[0].split() if token not in "ML")
    grid = [node.get("d").split() for node in root.iter(f"{SVG}path") if "#e5e7eb" in (node.get("style") or "")]
    verticals = [float(path[1]) for path in grid if path[1] == path[4]]
    levels = [float(path[2]) for path in grid if path[2] == path[5]]
    assert [x0, x1] == pytest.approx([verticals[0], verticals[-1]], abs=1e-4)
    assert y0 == pytest.approx(levels[-1], abs=1e-4)
    assert y1 == pytest.approx((levels[0] + levels[-1]) / 2, abs=1e-4)


def test_bars_are_sorted_with_missing_values_last(evaluation):
    rows = [
        {"class": "none", "map": None, "anmrr": float("nan")},
        {"class": "low", "map": 0.1, "anmrr": 0.9},
        {"class": "high", "map": 0.87654, "anmrr": 0.12},
    ]
    evaluation.content["query_excluded"]["per_class"] = [{**row, "queries": 1, "precision_at_20": 0.5} for row in rows]
    shown = texts(per_class_bars(evaluation.result))
    assert [text for text in shown if text in ("none", "low", "high")] == ["high", "low", "none"]
    assert {"87.65", "0.1200", "10.00", "0.9000", "–"} <= set(shown)


def test_several_results_are_named_in_one_figure(make_evaluation):
    results = {"pool5": make_evaluation(["a", "b"]).result, "fc6": make_evaluation(["a", "b", "c"]).result}
    for draw in (pr_curve, precision_at_n):
        assert {"pool5, query excluded", "fc6, query included"} <= set(texts(draw(results)))


@pytest.mark.parametrize(
    "name", ["$x^$ \\frac{", "农田", "<script>alert(1)</script>", "a&b", "bell\x07", "🛰", "x" * 300]
)
def test_any_class_name_can_be_drawn(make_evaluation, name):
    svg = per_class_bars(make_evaluation([name, "river"]).result)
    shown = texts(svg)
    assert "river" in shown
    assert any(text.startswith(name[:4]) for text in shown)


@pytest.mark.parametrize("classes", [1, 21, 45, 60])
def test_every_class_has_its_line(make_evaluation, classes):
    names = [f"class {index}" for index in range(classes)]
    svg = per_class_bars(make_evaluation(names, per_class=2).result)
    assert set(names) <= set(texts(svg))
    height = float(ET.fromstring(svg).get("viewBox").split()[3])
    assert height / classes >= 12, "a class name needs its own line height"


def test_nothing_to_draw_says_so(make_evaluation):
    for svg in draw_all(make_evaluation(["a", "b"], labelled=False).result):
        assert "no labelled queries" in texts(svg)


def test_an_empty_plot_gives_the_right_reason(make_evaluation):
    alone = make_evaluation(["a"], per_class=1).result
    curve, precision, _ = draw_all(alone)
    assert "query included" in texts(curve)
    assert "fewer than 2 images to return" in texts(precision)
    singles = make_evaluation(["a", "b", "c"], per_class=1).result
    singles = singles.model_copy(update={"query_included": singles.query_excluded})
    for svg in draw_all(singles)[:2]:
        assert "no query has another image of its class" in texts(svg)
    for svg in [*draw_all(alone), *draw_all(singles)]:
        assert "no labelled queries" not in texts(svg)


def test_chance_is_what_random_rankings_reach():
    counts = [3, 5, 1, 12]
    labels = np.repeat(np.arange(len(counts)), counts)
    same = labels[:, None] == labels
    np.fill_diagonal(same, False)
    queries = same.any(axis=1)
    expected = (same.sum(axis=1) / (len(labels) - 1))[queries].mean()
    assert chance_precision(counts, len(labels)) == pytest.approx(expected, rel=1e-12)
    assert chance_precision([], 10) is None
    assert chance_precision([1, 1], 2) is None
