from __future__ import annotations

import pytest
from rich.console import Console

from rsir_fast.report import pick_queries, result_table
from rsir_fast.report.format import distance, fraction, percent, seconds, shorten


def printed(result, width: int = 80, **options) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as captured:
        console.print(result_table(result, **options))
    return captured.get()


def test_figures_stand_under_the_right_convention_at_80_columns(evaluation):
    out = printed(evaluation.result)
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80
    heading = next(line for line in lines if "query excluded" in line)
    assert heading.index("query excluded") < heading.index("query included")
    excluded, included = evaluation.result["query_excluded"], evaluation.result["query_included"]
    row = next(line for line in lines if line.strip().startswith("mAP"))
    assert excluded["map"] != included["map"]
    assert row.index(f"({excluded['map']:.4f})") < row.index(f"({included['map']:.4f})")
    assert f"{excluded['anmrr']:.4f}" in out
    assert "precision at 10" in out
    assert "\x1b" not in out


def test_class_table_is_optional(evaluation):
    assert "forest" not in printed(evaluation.result)
    out = printed(evaluation.result, per_class=True)
    row = next(line for line in out.splitlines() if "forest" in line)
    assert fraction(evaluation.result["query_excluded"]["per_class"][1]["anmrr"]) in row


def test_names_are_not_read_as_markup(make_evaluation):
    out = printed(make_evaluation(["[red]beach[/red]", "[/]", "c" * 90], name="[bold]x").result, per_class=True)
    assert "[red]beach[/red]" in out
    assert "[bold]x" in out
    assert max(map(len, out.splitlines())) <= 80


def test_without_labels_there_are_dashes_and_no_class_table(make_evaluation):
    out = printed(make_evaluation(["a", "b"], labelled=False).result, per_class=True)
    assert "– (–)" in out
    assert "no relevant image" in out
    assert "nan" not in out.lower()


@pytest.mark.parametrize("value", [0.43525, 0.00005, 0.99995, 1.0, 0.0, 0.55675, 0.12345])
def test_percent_and_fraction_never_disagree(value):
    assert float(percent(value).removesuffix(" %")) == pytest.approx(100 * float(fraction(value)), abs=1e-9)


def test_missing_values_are_dashes():
    for missing in (None, float("nan"), float("inf")):
        assert fraction(missing) == percent(missing) == distance(missing) == seconds(missing) == "–"


def test_shorten_keeps_both_ends_and_the_width():
    assert shorten("abcdefghij", 10) == "abcdefghij"
    assert shorten("abcdefghijk", 7) == "abc…ijk"
    assert all(len(shorten("x" * 50, width)) == width for width in range(2, 40))


def test_picked_queries_are_the_extremes_and_the_class_medians():
    ap = [0.5, 0.9, 0.1, float("nan"), 0.3, 0.3, 0.2]
    picked = pick_queries(ap, [0, 0, 0, 1, 1, 1, 1], ["a", "b", "empty"])
    assert picked == [(1, "best of all"), (2, "worst of all"), (0, "median of its class"), (4, "median of its class")]
    assert pick_queries([float("nan")], [0], ["a"]) == []
    assert len(pick_queries([0.5] * 200, list(range(200)), [str(i) for i in range(200)], largest=60)) <= 62
