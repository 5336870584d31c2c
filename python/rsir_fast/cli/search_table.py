"""What ``rsir search`` shows of a result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType

    from rsir_fast.retrieval import Answer

LEFT = ("class", "label")


def search_tables(answers: Sequence[Answer], columns: list[str]) -> RenderableType:
    """Return a table for each query: rank, the columns named, the image."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from rsir_fast.base.text import printable

    parts: list[RenderableType] = []
    for answer in answers:
        title = f"query {answer.query}"
        if answer.label is not None:
            title += f": {answer.label} ({answer.probability:.3f})"
        table = Table(box=None)
        for column in ("rank", *columns):
            table.add_column(column, justify="left" if column in LEFT else "right")
        table.add_column("image", overflow="fold")
        for found in answer.results:
            entry = found.as_json()
            cells = [_cell(column, entry[column]) for column in ("rank", *columns)]
            table.add_row(*(Text(printable(cell)) for cell in (*cells, found.path)))
        parts += [Text(printable(title), style="bold"), table]
    return Group(*parts)


def _cell(column: str, value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}" if column == "probability" else f"{value:.4f}"
    return "" if value is None else str(value)
