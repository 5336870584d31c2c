"""The tables, plots and page of the reproduction of Ge et al. 2018, from a real run on small scenes."""

from __future__ import annotations

import copy
import csv
import io
import json
import re
import xml.etree.ElementTree as ElementTree

import pytest
from rich.console import Console

from html_page import Page
from network_files import write_network
from rsir_fast.protocols.reproduce_ge2018 import reproduce_ge2018
from rsir_fast.protocols.reproduce_ge2018_result import DatasetTable, Ge2018TableResult
from rsir_fast.report import result_table, write_report
from rsir_fast.report.ge2018_plots import drawn_rows, left_out, map_by_class, precision_by_returned, precision_recall
from rsir_fast.report.ge2018_tables import anmrr_grid, map_grid
from rsir_fast.report.grid import to_csv, to_latex, to_markdown
from rsir_fast.report.published import published_figures
from scene_files import write_broken, write_scenes

DRAWN = ["cnn-m:fc6", "bovw-4", "morphological-62", "lbp", "cnn-m:pool5, l2"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("reproduction")
    scenes = write_scenes(root / "data", per_class=6, size=64)
    scenes = scenes.rename(root / "<data>")
    write_broken(scenes / "class0")
    weights = write_network(root / "weights", "cnn-m")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCH_HOME", str(root / "hub"))
        patch.delenv("RSIR_WEIGHTS", raising=False)
        found = reproduce_ge2018(
            {"UCMerced": scenes, "a <b>": scenes},
            out=root / "out",
            weights=weights,
            backbones=["cnn-m:pool5"],
            descriptors=["bovw-4", "morphological-62", "lbp"],
            steps="l2",
            device="cpu",
        )
        return json.loads(found.to_json())


@pytest.fixture
def result(made):
    return copy.deepcopy(made)


def row(result, method, number=0):
    return next(row for row in result["datasets"][number]["rows"] if row["method"] == method)


typed = DatasetTable.model_validate


def map_table(result, number=0):
    whole = Ge2018TableResult.model_validate(result)
    return map_grid(whole.datasets[number], whole.settings)


def table(grid):
    return list(csv.DictReader(io.StringIO(to_csv(grid))))


def test_map_stands_beside_the_published_numbers(result):
    grid = map_table(result)
    assert grid.title == "Table 2: mAP on UCMerced"
    found = {line["features"]: line for line in table(grid)}
    fc6, ours = row(result, "cnn-m:fc6"), found[row(result, "cnn-m:fc6")["label"]]
    for side in ("excluded", "included"):
        figures = fc6[f"query_{side}"]
        assert float(ours[f"map_{side}"]) == figures["map"]
        assert float(ours[f"map_{side}_low"]) == figures["interval"]["low"]
        assert float(ours[f"minus_published_{side}"]) == pytest.approx(figures["map"] - 0.558)
    assert float(ours["published"]) == 0.558
    against = fc6["against_reference"]
    assert (float(ours["p_value"]), float(ours["p_holm"])) == (against["p_value"], against["p_holm"])
    assert float(ours["p_holm_by_class"]) == against["by_class"]["p_holm"]
    assert ours["map_by_class_low"] == ""  # of three classes
    reference = found[row(result, "cnn-m:pool5")["label"]]
    assert (reference["minus_reference"], reference["p_value"]) == ("", "")
    missing = found["CNN-Alex, fc7"]
    assert (missing["map_excluded"], missing["published"]) == ("", "0.493")
    assert missing["remarks"] == "map_excluded: weights not found: imagenet-caffe-alex.mat"
    text = to_markdown(grid)
    assert re.search(r"\| BoVW-4 \(ours\) \[\d+\] \| \d+\.\d\d \(\d+\.\d\d to \d+\.\d\d\) \|", text)
    assert re.search(r"\| [+-]\d+\.\d\d \([+-]\d+\.\d\d to [+-]\d+\.\d\d\) \| \d\.\d{4} \|", text)
    assert "this run: 25 images of 3 classes; the paper: 2,100 of 21" in text
    assert "weights not found: imagenet-caffe-alex.mat" in to_latex(grid)


def test_another_data_set_has_nothing_published(result):
    grid = map_table(result, 1)
    assert grid.title == "mAP on a <b>"
    assert {line["published"] for line in table(grid)} == {""}
    assert "ublished figures" not in to_markdown(grid)


def test_anmrr_dimensions_and_times(result):
    grid = anmrr_grid(Ge2018TableResult.model_validate(result))
    found = {(line["group"], line["features"]): line for line in table(grid)}
    fc6 = row(result, "cnn-m:fc6")
    ours = found["UCMerced", fc6["label"]]
    assert (int(ours["dim"]), int(ours["bytes"])) == (fc6["dim"], 4 * fc6["dim"])
    assert float(ours["anmrr_excluded"]) == fc6["query_excluded"]["anmrr"]
    assert float(ours["published"]) == 0.370
    assert float(ours["minus_published_included"]) == pytest.approx(fc6["query_included"]["anmrr"] - 0.370)
    assert float(ours["query_ms"]) == fc6["timing"]["query_ms"]
    assert found["UCMerced", "CNN-16, fc6"]["published"] == "0.374"
    assert found["UCMerced", "CNN-16, fc7"]["published"] == ""
    assert found["UCMerced", "morphological-62 (ours)"]["published"] == ""
    for words, note in ((15_000, True), (150, False)):
        renamed = copy.deepcopy(result)
        row(renamed, "bovw-4")["maker"] = f"bovw-{words}-dense,norm=root"
        row(renamed, "lbp")["maker"] = f"bovw-{words}"
        grid = anmrr_grid(Ge2018TableResult.model_validate(renamed))
        beside = next(line for line in table(grid) if line["features"] == "BoVW-4 (ours)")
        assert beside["published"] == ("0.591" if note else "0.601")
        assert (beside["minus_published_included"] == "") == note
        assert ("dictionary comes from a background image" in beside["remarks"]) == note
        ours = sorted(row(result, name)["query_excluded"]["anmrr"] for name in ("bovw-4", "lbp"))
        spread = f"UCMerced: 2 variants of one descriptor have ANMRR {ours[0]:.4f} to {ours[1]:.4f} (query excluded)"
        assert (spread in to_markdown(grid)) != note
    late = found["a <b>", row(result, "cnn-m:pool5, l2")["label"]]
    assert "query_ms: post-processing and re-ranking are done for all queries together" in late["remarks"]


def test_published_figures():
    assert published_figures(["x", "UCMerced_LandUse"], "bovw-15000", "")[:3] == ("2", None, 0.591)
    assert published_figures(["UCMerced_LandUse"], "bovw-150,norm=root", "") == ("2", 0.302, 0.601, "")
    assert published_figures(["UCMerced_LandUse"], "morphological-62", "") == ("2", None, None, "")
    assert published_figures(["WHU-RS19"], "cnn-19", "fc7") == ("3", 0.608, None, "")
    assert published_figures(["WHU-RS19"], "mobilenet_v2", "gap") == ("3", None, None, "")
    assert published_figures(["AID"], "cnn-19", "fc7") is None


def test_rows_that_are_drawn(result):
    entry = result["datasets"][0]
    assert [found.method for found in drawn_rows(typed(entry))] == DRAWN
    for draw in (map_by_class, precision_recall, precision_by_returned):
        svg = draw(typed(entry))
        ElementTree.fromstring(svg)
        assert svg.count(b"(ours)") == 3
        assert draw(typed(entry)) == svg
    changed = row(result, "bovw-4")["query_excluded"]
    changed["per_class"][0]["map"] = 0.123
    before = map_by_class(typed(entry))
    changed["per_class"][0]["map"] = 0.876
    assert map_by_class(typed(entry)) != before


def test_nothing_to_draw(result):
    entry = result["datasets"][0]
    named = ("method", "label", "group", "maker", "layer", "options")
    entry["rows"] = [
        {**{key: found[key] for key in named}, "missing": "weights not found: x"} for found in entry["rows"]
    ]
    entry["reference"] = None
    for draw in (map_by_class, precision_recall, precision_by_returned):
        assert b"no row has figures" in draw(typed(entry))
    text = to_markdown(map_table(result))
    assert "others are compared" not in text
    assert "against" not in text


def test_cheap_rows_are_drawn_where_there_is_little_else(result):
    entry = result["datasets"][0]
    assert left_out(typed(entry)) == ["cnn-m:pool5", "cnn-m:fc7"]
    more = [{**row(result, "lbp"), "maker": f"net{n}", "method": f"net{n}"} for n in range(5)]
    crowded = {**entry, "rows": [*entry["rows"], *more]}
    assert "lbp" in left_out(typed(crowded))
    assert "net4" in [found.method for found in drawn_rows(typed(crowded))]
    twice = [
        {**row(result, "lbp"), "group": "further networks", "maker": "net", "layer": layer, "method": layer}
        for layer in "ab"
    ]
    assert [found.method for found in drawn_rows(typed({**entry, "rows": twice}))] == ["a", "b"]


def test_a_class_without_a_value_has_no_mark(result):
    entry = result["datasets"][0]
    for found in entry["rows"]:
        if found["missing"] is None:
            found["query_excluded"]["per_class"][1]["map"] = None
    svg = map_by_class(typed(entry))
    assert b"class1 (a single image)" in svg
    assert svg.index(b"class2") < svg.index(b"class1 (")


def test_files(result, tmp_path):
    whole = Ge2018TableResult.model_validate(result)
    paths = write_report(tmp_path / "a", whole, command="rsir reproduce <x>")
    again = write_report(tmp_path / "b", whole, command="rsir reproduce <x>")
    assert {name: path.read_bytes() for name, path in paths.items()} == {n: p.read_bytes() for n, p in again.items()}
    tables = {f"{stem}.{form}" for stem in ("map-ucmerced", "map-a-b", "anmrr") for form in ("md", "csv", "tex")}
    plots = {f"{name}-ucmerced.svg" for name in ("map_by_class", "precision_recall", "precision_by_number")}
    assert tables | plots | {"result.json", "report.html"} < set(paths) == {p.name for p in (tmp_path / "a").iterdir()}
    source = paths["report.html"].read_text()
    page = Page(source)
    assert len(page.values("id")) == len(set(page.values("id")))
    anchors = [link.removeprefix("#") for link in page.values("href") if link.startswith("#") and "-" in link]
    assert set(anchors) <= set(page.values("id"))
    assert page.text.count("weights not found: imagenet-caffe-alex.mat") == 4
    assert "a <b>: class0/text.jpg" in page.text
    assert "not verified" in page.text  # what of a descriptor could not be checked against its publication
    assert "rsir reproduce <x>" in page.text
    assert "Not drawn: cnn-m:pool5; cnn-m:fc7." in page.text
    assert (tmp_path / "a/map-ucmerced.md").read_text().startswith("### Table 2: mAP on UCMerced\n")
    assert (tmp_path / "a/anmrr.tex").read_text().startswith("% Table 4: ")
    assert source.count("<svg") == 6
    assert not re.search(r"<script|<link|src=\"http|@import|url\(http", source)


def test_terminal(result):
    console = Console(width=100)
    with console.capture() as captured:
        console.print(result_table(Ge2018TableResult.model_validate(result)))
    text = captured.get()
    assert re.search(r"\n   CNN-Alex, pool5 +– \[1\] +45\.9 ", text)
    assert re.search(r"fc6[^\n]* \d\.\d{4} +0\.370 +[+-]\d\.\d{4} +[+-]\d\.\d{4}", text)
    assert "…" not in text
    assert "Extraction: time" not in text  # the other data set has nothing published, but stands in the same table
    for entry in result["datasets"]:
        entry.update(name="mine", reference=None)
        entry["dataset"]["name"] = "mine"
        for found in entry["rows"]:
            found |= {"against_reference": None} if found["missing"] is None else {}
    with console.capture() as captured:
        console.print(result_table(Ge2018TableResult.model_validate({**result, "datasets": result["datasets"][:1]})))
    text = captured.get()
    assert re.search(r"fc6[^\n]* \d+\.\d\d +\d+\.\d\d *\n", text)  # mAP without a row to compare with
    assert "Extraction: time" in text
