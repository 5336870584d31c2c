"""What ``rsir search`` shows of a result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType

    from rsir_fast.retrieval import Answer

_COLUMNS = ("rank", "id", "distance", "euclidean", "label", "probability", "class", "place", "time")
_LEFT = ("class", "label")


def search_tables(answers: Sequence[Answer]) -> RenderableType:
    """Return a table for each query: what there is of each result, and the image."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from rsir_fast.base.text import printable

    rows = [[found.as_json() | _place(found.bounds) for found in answer.results] for answer in answers]
    told = (pair for entries in rows for entry in entries for pair in entry.items())
    there = {"rank", "id", "distance", *(name for name, value in told if value is not None)}
    columns = [name for name in _COLUMNS if name in there]
    parts: list[RenderableType] = []
    for answer, entries in zip(answers, rows, strict=True):
        title = f"query {answer.query}"
        if answer.label is not None:
            title += f": {answer.label} ({answer.probability:.3f})"
        table = Table(box=None)
        for column in columns:
            table.add_column(column, justify="left" if column in _LEFT else "right")
        table.add_column("image", overflow="fold")
        for entry in entries:
            cells = [_cell(column, entry.get(column)) for column in columns]
            table.add_row(*(Text(printable(cell)) for cell in (*cells, entry["path"])))
        parts += [Text(printable(title), style="bold"), table]
    return Group(*parts)


def _place(bounds: tuple[float, float, float, float] | None) -> dict[str, str]:
    """Return the centre of bounds, longitude and latitude."""
    if bounds is None:
        return {}
    west, south, east, north = bounds
    longitude = (west + east) / 2 if west <= east else (west + east + 360) / 2
    longitude -= 360 if longitude > 180 else 0
    return {"place": f"{longitude:.4f},{(south + north) / 2:.4f}"}


def _cell(column: str, value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}" if column == "probability" else f"{value:.4f}"
    return "" if value is None else str(value)
