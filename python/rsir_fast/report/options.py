"""The tables of `rsir_fast.protocols.compare_ge2018` and of `choose_ge2018`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rsir_fast.report.compared import PAIR_COLUMNS, SURE_COLUMNS, pair_rows, sure_cells
from rsir_fast.report.format import counted
from rsir_fast.report.grid import Cell, Column, Grid, GridRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rsir_fast.protocols.choose_ge2018_result import Ge2018Choice, ReportedOption
    from rsir_fast.protocols.compare_ge2018_result import Ge2018Comparison, OptionRow

__all__ = ["choice_grids", "options_grid"]

_ENDS = ("low", "high")
_COLUMNS = tuple(
    Column(f"{side}_{key}", title, f"query {side}", scale, decimals, parts)
    for side in ("excluded", "included")
    for key, title, scale, decimals, parts in (
        ("map", "mAP (%)", 100, 2, _ENDS if side == "excluded" else ()),
        ("anmrr", "ANMRR", 1, 4, ()),
    )
)
_INTERVALS = (
    "In brackets: 95 % bootstrap interval by class, which speaks of other classes. Options are compared on the same "
    "queries, so that their difference is surer than either figure: `rsir compare RESULT RESULT` tests it."
)
_NOTE = (
    "No option looks at a label. Whoever picks the best row has picked it on these images: confirm it on others "
    "(--choose-on, --report-on) before comparing it with a method whose settings were fixed beforehand."
)


def options_grid(result: Ge2018Comparison) -> Grid:
    """Lay the figures out, a row an option, in groups by features.

    Examples
    --------
    >>> from rsir_fast.protocols.compare_ge2018_result import Ge2018Comparison, OptionRow
    >>> from rsir_fast.protocols.facts import DatasetFacts
    >>> row = OptionRow(features="a", dim=2, steps="pca:9", rerank="", refused="expected at most 2 dimensions")
    >>> images = DatasetFacts(name="demo", items=4, classes=("a", "b"))
    >>> grid = options_grid(Ge2018Comparison(protocol="ge2018", dataset=images, rows=(row,)))
    >>> grid.rows[0].label, grid.remarks
    ('pca:9', ('expected at most 2 dimensions',))
    """
    rows = _option_rows(result.rows)
    return Grid(f"{result.dataset.name}: options beyond the paper", "option", _COLUMNS, rows, [_INTERVALS, _NOTE])


def choice_grids(result: Ge2018Choice) -> list[Grid]:
    """Lay out the candidates where one was chosen, then what it does where nothing was."""
    there, here = result.reported_on, result.chosen_on
    chosen = _label(result.chosen)
    candidates = [
        replace(row, remark="chosen: the best mAP, query excluded" if row.label == chosen else "")
        for row in _option_rows(result.candidates)
    ]
    reported = {_label(each): each for each in (result.plain, result.chosen)}
    rows = [
        GridRow(label, {**sure_cells(each.map, each.map_intervals), "anmrr": Cell(each.anmrr)})
        for label, each in reported.items()
    ]
    columns = (*SURE_COLUMNS, Column("anmrr", "ANMRR", scale=1, decimals=4, parts=()))
    sizes = f"{counted(there.items, 'query', 'queries')} of {counted(len(there.classes), 'class', 'classes')}"
    notes = [
        f"{there.name}: {sizes}, query excluded; in brackets 95 % bootstrap intervals. The chosen option alone was "
        "measured here, beside the paper's method, which is fixed. Options are transductive: they see all images, but "
        "no label."
    ]
    if result.shared:
        notes.append(f"{result.shared} of these images have features that occur on {here.name}, too.")
    grids = [
        Grid(f"Chosen on {here.name}", "option", _COLUMNS, candidates, [_INTERVALS]),
        Grid(f"Reported on {there.name}", "option", columns, rows, notes),
    ]
    if result.gain is not None:
        where = result.gain_where_chosen
        said = [] if where is None else [f"On {here.name}, where it was chosen, the gain is {100 * where:+.2f} points."]
        rows = list(pair_rows(result.gain, chosen, "").values())
        grids.append(Grid(f"Gain on {there.name} over the paper's method", "option", PAIR_COLUMNS[:2], rows, said))
    return grids


def _option_rows(options: Sequence[OptionRow]) -> list[GridRow]:
    rows = []
    for row in options:
        cells = {}
        if row.refused is not None:
            cells[_COLUMNS[0].key] = Cell(remark=row.refused)
        for side, figures in row.by_side.items():
            sure = None if figures.map_intervals is None else figures.map_intervals.by_class
            low, high = (None, None) if sure is None or side == "included" else (sure.low, sure.high)
            cells |= {f"{side}_map": Cell(figures.map, low=low, high=high), f"{side}_anmrr": Cell(figures.anmrr)}
        rows.append(GridRow(_label(row), cells, f"{row.features} ({row.dim} values)"))
    return rows


def _label(row: OptionRow | ReportedOption) -> str:
    return "; ".join(text for text in (row.steps, row.rerank) if text) or "row normalisation (the paper)"
