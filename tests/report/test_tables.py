from __future__ import annotations

import pytest
from rich.console import Console

from rsir_fast.protocols import pick_queries
from rsir_fast.report import result_table
from rsir_fast.report.format import distance, fraction, percent, rate, seconds, shorten


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
    excluded, included = evaluation.content["query_excluded"], evaluation.content["query_included"]
    row = next(line for line in lines if line.strip().startswith("mAP"))
    assert excluded["map"] != included["map"]
    assert row.index(f"({excluded['map']:.4f})") < row.index(f"({included['map']:.4f})")
    assert f"{excluded['anmrr']:.4f}" in out
    assert "precision, recall at 10" in out
    assert "\x1b" not in out


def test_class_table_is_optional(evaluation):
    assert "forest" not in printed(evaluation.result)
    out = printed(evaluation.result, per_class=True)
    row = next(line for line in out.splitlines() if "forest" in line)
    assert fraction(evaluation.content["query_excluded"]["per_class"][1]["anmrr"]) in row


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


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (rate(1234.5), "1,234 images/s"),
        (rate(999.9), "1,000 images/s"),
        (rate(66.0856), "66.1 images/s"),
        (rate(0.0), "0 images/s"),
        (seconds(0.9999), "1 s"),
        (seconds(0.9994), "999 ms"),
        (seconds(59.99), "1 min 00 s"),
        (seconds(59.94), "59.9 s"),
        (seconds(3599.6), "1 h 00 min 00 s"),
        (seconds(3725), "1 h 02 min 05 s"),
        (seconds(3600 * 1234.5), "1,234 h 30 min 00 s"),
        (seconds(-1e-12), "0 s"),
        (distance(999.96), "1,000"),
        (distance(1234.5), "1,234"),
        (distance(9999.7), "10,000"),
        (distance(-0.0), "0"),
        (distance(99999.4), "99,999"),
        (distance(2.5e-7), "2.500e-07"),
        (fraction(-1e-9), "0.0000"),
        (fraction(-0.25), "-0.2500"),
        (percent(-1e-9), "0.00 %"),
    ],
)
def test_numbers_are_rounded_before_their_form_is_chosen(shown, expected):
    assert shown == expected


def test_every_printed_number_is_plain_and_as_close_as_its_digits_allow():
    for exponent in range(-4, 8):
        for lead in (1.0, 1.2344, 5.5, 9.994, 9.9996):
            value = lead * 10.0**exponent
            assert "e" not in distance(value)
            assert float(distance(value).replace(",", "")) == pytest.approx(value, rel=5.1e-4)
            assert "e+" not in rate(value)
            assert float(rate(value).split()[0].replace(",", "")) == pytest.approx(value, rel=5.1e-3)


def test_notes_and_useless_features_have_a_line_each(evaluation):
    evaluation.content["dataset"]["notes"] = ["the first 50 of each class taken", "two\x1b[2J\nlines [red]x[/red]"]
    evaluation.content["features"]["non_finite_rows"] = 1234
    lines = [line.rstrip() for line in printed(evaluation.result, width=110).splitlines()]
    assert "note: the first 50 of each class taken" in lines
    assert "note: two�[2J�lines [red]x[/red]" in lines
    assert "note: 1,234 images have features that are not finite (NaN or infinity); they rank last" in lines
    evaluation.content["features"]["non_finite_rows"] = 1
    assert "note: 1 image has features that are not finite" in printed(evaluation.result)
    evaluation.content["dataset"]["notes"] = []
    evaluation.content["features"]["non_finite_rows"] = 0
    assert "note:" not in printed(evaluation.result)


def test_a_long_note_is_wrapped_not_cut(evaluation):
    evaluation.content["dataset"]["notes"] = [" ".join(f"class{i}" for i in range(60))]
    out = printed(evaluation.result)
    assert "class59" in out
    assert max(map(len, out.splitlines())) <= 80


def test_large_counts_have_their_thousands_separated(evaluation):
    assert "9,216 values per image" in printed(evaluation.result)


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
