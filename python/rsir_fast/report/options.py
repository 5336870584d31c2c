"""The table of `rsir_fast.protocols.compare_ge2018`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rsir_fast.report.grid import Cell, Column, Grid, GridRow

if TYPE_CHECKING:
    from rsir_fast.protocols.compare_ge2018_result import Ge2018Comparison

__all__ = ["options_grid"]

_COLUMNS = tuple(
    Column(f"{side}_{key}", title, f"query {side}", scale, decimals)
    for side in ("excluded", "included")
    for key, title, scale, decimals in (("map", "mAP (%)", 100, 2), ("anmrr", "ANMRR", 1, 4))
)
_NOTE = (
    "No option looks at a label. Whoever picks the best row has picked it on these images: confirm it on others before "
    "comparing it with a method whose settings were fixed beforehand."
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
    rows = []
    for row in result.rows:
        cells = {}
        if row.refused is not None:
            cells[_COLUMNS[0].key] = Cell(remark=row.refused)
        for side, figures in row.by_side.items():
            cells |= {f"{side}_map": Cell(figures.map), f"{side}_anmrr": Cell(figures.anmrr)}
        label = "; ".join(text for text in (row.steps, row.rerank) if text) or "row normalisation (the paper)"
        rows.append(GridRow(label, cells, f"{row.features} ({row.dim} values)"))
    return Grid(f"{result.dataset.name}: options beyond the paper", "option", _COLUMNS, rows, [_NOTE])
