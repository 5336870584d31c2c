"""The tables of `rsir_fast.protocols.compare_results`: mAP of every result, and every pair of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rsir_fast.protocols.intervals import FEWEST_CLASSES
from rsir_fast.report.format import counted
from rsir_fast.report.grid import Cell, Column, Grid, GridRow

if TYPE_CHECKING:
    from rsir_fast.protocols.compare_results_result import PairTest, ResultsComparison, UnitTest
    from rsir_fast.protocols.intervals import MapIntervals, UnitInterval

__all__ = ["PAIR_COLUMNS", "SURE_COLUMNS", "compared_grids", "pair_rows", "sure_cells"]

_ENDS = ("low", "high")
SURE_COLUMNS = (
    Column("map_by_query", "mAP (%), interval by query", parts=_ENDS),
    Column("map_by_class", "mAP (%), interval by class", parts=_ENDS),
)
PAIR_COLUMNS = (
    Column("difference", "difference of mAP (%)", parts=_ENDS, signed=True),
    Column("p_value", "p", scale=1, decimals=4, parts=()),
    Column("p_holm", "p, Holm", scale=1, decimals=4, parts=()),
)
_UNITS = ("query", "class")
_BY_CLASS = " of these classes, by class (drawn with all their queries) of other classes"


def sure_cells(value: float | None, found: MapIntervals | None) -> dict[str, Cell]:
    """Lay out a mAP with its intervals in `SURE_COLUMNS`."""
    if value is None:
        return {"map_by_query": Cell(remark="no query has a relevant image")}
    units = (None, None) if found is None else (found.by_query, found.by_class)
    return {f"map_by_{unit}": _sure(value, one) for unit, one in zip(_UNITS, units, strict=True)}


def pair_rows(pair: PairTest, label: str, group: str) -> dict[str, GridRow]:
    """Lay out a pair in `PAIR_COLUMNS`, by query and by class, in a group of each."""
    tests = zip(_UNITS, (pair.by_query, pair.by_class), strict=True)
    return {unit: GridRow(label, _tested(pair.difference, found), f"{group}by {unit}") for unit, found in tests}


def compared_grids(result: ResultsComparison) -> list[Grid]:
    """Lay out mAP of every result, then every pair, in groups by convention."""
    maps, pairs = [], []
    units = _UNITS if result.classes else _UNITS[:1]
    for place in result.places:
        group = place.place.replace("_", " ")
        maps += [GridRow(one.name, sure_cells(one.map, one.map_intervals), group) for one in place.results]
        rows = [pair_rows(pair, f"{pair.second} - {pair.first}", f"{group}, ") for pair in place.pairs]
        pairs += [row[unit] for unit in units for row in rows]
    tests = len(result.places[0].pairs)
    notes = [
        f"{result.dataset}: {_sizes(result)}. In brackets: {100 * result.level:g} % percentile bootstrap intervals, "
        f"which speak by query of other queries{_speaks(result.classes)}.",
        "Difference of AP query by query; p: two-sided test that turns signs of queries, or of whole classes "
        f"(of up to 21 in every way); Holm: corrected for the {counted(tests, 'pair', 'pairs')} of a convention and "
        "unit.",
    ]
    return [
        Grid("mAP", "result", SURE_COLUMNS[: len(units)], maps, [*notes[:1], *result.notes]),
        Grid("Pairs", "second - first", PAIR_COLUMNS, pairs, notes[1:]),
    ]


def _speaks(classes: int) -> str:
    """Say of which queries intervals by query speak, and of what those by class, where there are enough classes."""
    if not classes:
        return " of such images"
    few = f" of these classes; no interval by class, as there are fewer than {FEWEST_CLASSES}"
    return few if classes < FEWEST_CLASSES else _BY_CLASS


def _sizes(result: ResultsComparison) -> str:
    """Say how many queries and classes there are, and what is relevant where that is not the class."""
    queries = counted(result.queries, "query", "queries")
    shared = "" if result.relevance == "class" else "; relevant: an image that shares a label with the query"
    if not result.classes:
        return f"{queries}, which have no classes: tested by query alone{shared}"
    of = "; classes are the images' folders, not their labels" if shared else ""
    return f"{queries} of {counted(result.classes, 'class', 'classes')}{shared}{of}"


def _sure(value: float, interval: UnitInterval | None) -> Cell:
    return Cell(value) if interval is None else Cell(value, low=interval.low, high=interval.high)


def _tested(difference: float | None, found: UnitTest | None) -> dict[str, Cell]:
    if difference is None or found is None:
        return {"difference": Cell(remark="no query has a value by both" if difference is None else "a single class")}
    return {
        "difference": Cell(difference, low=found.low, high=found.high),
        "p_value": Cell(found.p_value),
        "p_holm": Cell(found.p_holm),
    }
