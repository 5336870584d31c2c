"""Tables without the rows and columns that hold nothing, or without what finds no room."""

from __future__ import annotations

from dataclasses import replace

from rsir_fast.report.format import counted
from rsir_fast.report.grid import Grid

__all__ = ["BRACKETS", "compacted", "without_intervals"]

_REASONS = 3
BRACKETS = "In brackets:"
"""How a note on intervals begins."""
_ELSEWHERE = "95 % intervals, for which there is no room here, are in report.html and result.json."


def compacted(grid: Grid, all_rows: bool = False) -> Grid:
    """Leave out rows and columns without any value; a note says how many, and why.

    A table of reasons only, where no row has a value, stays as it is.

    Parameters
    ----------
    grid : Grid
    all_rows : bool
        Leave it as it is.

    Returns
    -------
    Grid

    Examples
    --------
    >>> from rsir_fast.report.grid import Cell, Column, GridRow
    >>> rows = [GridRow("lbp", {"map": Cell(0.5)}), GridRow("cnn-m", {"map": Cell(remark="no weights")})]
    >>> small = compacted(Grid("Table", "features", [Column("map", "mAP"), Column("published", "mAP")], rows))
    >>> len(small.rows), len(small.columns), small.notes[0]
    (1, 1, '1 row and 1 column without any figure are left out (no weights); --all-rows keeps them.')
    """
    if all_rows:
        return grid
    rows = [row for row in grid.rows if any(grid.cell(row, column).mean is not None for column in grid.columns)]
    columns = [column for column in grid.columns if any(grid.cell(row, column).mean is not None for row in rows)]
    gone = [row for row in grid.rows if row not in rows]
    fewer = len(grid.columns) - len(columns)
    if not rows or not (gone or fewer):
        return grid
    told = dict.fromkeys(grid.cell(row, column).remark for row in gone for column in grid.columns)
    reasons = [reason for reason in (*told, *(row.remark for row in gone)) if reason]
    shown = [*reasons[:_REASONS], *([f"and {len(reasons) - _REASONS} more"] if len(reasons) > _REASONS else [])]
    why = f" ({'; '.join(shown)})" if shown else ""
    counts = [counted(len(gone), "row", "rows") if gone else "", counted(fewer, "column", "columns") if fewer else ""]
    many = "are" if len(gone) + fewer > 1 else "is"
    them = "them" if len(gone) + fewer > 1 else "it"
    what = " and ".join(text for text in counts if text)
    note = f"{what} without any figure {many} left out{why}; --all-rows keeps {them}."
    return replace(grid, rows=rows, columns=columns, notes=[*grid.notes, note])


def without_intervals(grid: Grid) -> Grid:
    """Leave out intervals, and say where they are.

    Examples
    --------
    >>> from rsir_fast.report.grid import Cell, Column, GridRow
    >>> row = GridRow("lbp", {"map": Cell(0.5, low=0.4, high=0.6)})
    >>> small = without_intervals(Grid("Table", "features", [Column("map", "mAP")], [row], ["In brackets: 95 %."]))
    >>> small.rows[0].cells["map"].low, small.notes
    (None, ['95 % intervals, for which there is no room here, are in report.html and result.json.'])
    """
    rows = [
        replace(row, cells={key: replace(cell, low=None, high=None) for key, cell in row.cells.items()})
        for row in grid.rows
    ]
    return replace(grid, rows=rows, notes=[_ELSEWHERE if note.startswith(BRACKETS) else note for note in grid.notes])
