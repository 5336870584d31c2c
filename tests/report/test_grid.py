"""Tables in every form they are written in."""

from __future__ import annotations

import csv
import io

from rich.console import Console

from rsir_fast.report.grid import Cell, Column, Grid, GridRow, to_csv, to_latex, to_markdown, to_terminal

COLUMNS = [Column("map", "mAP (%)", "test vs train"), Column("anmrr", "ANMRR", "other", scale=1, decimals=3)]
NAME = r"a_b & 50% of {x} | ~\ <b>"


def grid(**changes) -> Grid:
    rows = [
        GridRow("ours", {"map": Cell(0.96672, 0.00125, 3), "anmrr": Cell(0.1)}, "16 bits"),
        GridRow(NAME, {"map": Cell(remark="no #1"), "anmrr": Cell(0.25, remark="once")}, "16 bits", remark="a row"),
        GridRow("paper", {"map": Cell(0.9802, remark="once")}, "published"),
    ]
    return Grid(**{"title": "T", "stub": "method", "columns": COLUMNS, "rows": rows, "notes": ["± is it"], **changes})


def test_markdown():
    assert to_markdown(grid()).splitlines() == [
        "| method | test vs train: mAP (%) | other: ANMRR |",
        "|---|---:|---:|",
        "| **16 bits** | | |",
        "| ours | 96.67 ± 0.12 | 0.100 |",
        r"| a\_b & 50% of {x} \| ~\\ \<b\> [1] | – [2] | 0.250 [3] |",
        "| **published** | | |",
        "| paper | 98.02 [3] | |",
        "",
        "[1] a row",
        "",
        "[2] no #1",
        "",
        "[3] once",
        "",
        "± is it",
    ]


def test_csv_is_unrounded_and_says_why():
    rows = list(csv.DictReader(io.StringIO(to_csv(grid()))))
    assert float(rows[0]["map"]) == 0.96672
    assert (rows[0]["map_spread"], rows[0]["map_runs"], rows[0]["anmrr"]) == ("0.00125", "3", "0.1")
    assert rows[1]["method"] == NAME
    assert (rows[1]["map"], rows[1]["remarks"]) == ("", "a row; map: no #1; anmrr: once")
    assert rows[2]["group"] == "published"


def test_csv_has_no_formulas():
    text = to_csv(grid(rows=[GridRow("=1+1", {}, "@x")]))
    assert text.splitlines()[1].startswith("'@x,'=1+1,")


def test_latex_is_escaped_and_balanced():
    text = to_latex(grid())
    lines = text.splitlines()
    assert r"ours & 96.67 $\pm$ 0.12 & 0.100 \\" in lines
    label = r"a\_b \& 50\% of \{x\} | \textasciitilde{}\textbackslash{} \textless{}b\textgreater{}"
    assert rf"{label}\textsuperscript{{1}} & --\textsuperscript{{2}} & 0.250\textsuperscript{{3}} \\" in lines
    assert r"& \multicolumn{1}{c}{test vs train} & \multicolumn{1}{c}{other} \\" in lines
    assert r"\cmidrule(lr){3-3}" in lines
    assert r"\multicolumn{3}{l}{\emph{published}} \\" in lines
    assert r"\textsuperscript{2} no \#1\par" in lines
    unescaped = text.replace(r"\{", "").replace(r"\}", "")
    assert unescaped.count("{") == unescaped.count("}")


def test_terminal_keeps_brackets():
    console = Console(width=100)
    with console.capture() as captured:
        console.print(to_terminal(grid(rows=[GridRow("[bold]x[/bold]", {"map": Cell(remark="[red]")}, "g")])))
    assert "[bold]x[/bold]" in captured.get()
    assert "– [1]" in captured.get()
    assert "[1] [red]" in captured.get()


def test_no_groups_no_headings():
    plain = grid(columns=[Column("map", "mAP")], rows=[GridRow("x", {"map": Cell(0.5)})], notes=[])
    assert to_markdown(plain) == "| method | mAP |\n|---|---:|\n| x | 50.00 |\n"
    assert "multicolumn" not in to_latex(plain)
