"""The table of `rsir_fast.protocols.compare_ge2018`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rsir_fast.report.grid import Cell, Column, Grid, GridRow

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


def options_grid(result: Mapping[str, Any]) -> Grid:
    """Lay the figures out, a row an option, in groups by features.

    Examples
    --------
    >>> row = {"features": "a", "dim": 2, "steps": "pca:9", "rerank": "", "refused": "expected at most 2 dimensions"}
    >>> grid = options_grid({"dataset": {"name": "demo", "items": 4}, "rows": [row]})
    >>> grid.rows[0].label, grid.remarks
    ('pca:9', ('expected at most 2 dimensions',))
    """
    rows = []
    for row in result["rows"]:
        if "refused" in row:
            cells = {_COLUMNS[0].key: Cell(remark=row["refused"])}
        else:
            cells = {
                f"{side}_{key}": Cell(row[f"query_{side}"][key])
                for side in ("excluded", "included")
                for key in ("map", "anmrr")
            }
        label = "; ".join(text for text in (row["steps"], row["rerank"]) if text) or "row normalisation (the paper)"
        rows.append(GridRow(label, cells, f"{row['features']} ({row['dim']} values)"))
    return Grid(f"{result['dataset']['name']}: options beyond the paper", "option", _COLUMNS, rows, [_NOTE])
