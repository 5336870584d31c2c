"""What ``rsir search`` shows of a result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType

    from rsir_fast.archive import Features

LEFT = ("class", "label")


def hit(database: Features, rank: int, item: int) -> dict[str, Any]:
    """Name an item of the database."""
    name = database.items[item]
    return {
        "rank": rank,
        "item": name,
        "path": name if database.root is None else str(database.root / name),
        "class": None if database.labels is None else database.classes[database.labels[item]],
    }


def search_tables(queries: list[dict[str, Any]], columns: list[str]) -> RenderableType:
    """Return a table for each query: rank, the columns named, the image."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from rsir_fast.base.text import printable

    parts: list[RenderableType] = []
    for query in queries:
        title = f"query {query['query']}"
        if "label" in query:
            title += f": {query['label']} ({query['probability']:.3f})"
        table = Table(box=None)
        for column in ("rank", *columns):
            table.add_column(column, justify="left" if column in LEFT else "right")
        table.add_column("image", overflow="fold")
        for entry in query["results"]:
            cells = [_cell(column, entry[column]) for column in ("rank", *columns)]
            table.add_row(*(Text(printable(cell)) for cell in (*cells, entry["path"])))
        parts += [Text(printable(title), style="bold"), table]
    return Group(*parts)


def _cell(column: str, value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}" if column == "probability" else f"{value:.4f}"
    return "" if value is None else str(value)
