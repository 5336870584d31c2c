"""The result as a table for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rsir_fast.report.describe import network_name, notes
from rsir_fast.report.format import count, counted, fraction, percent, shorten

__all__ = ["result_table"]


def result_table(result: Mapping[str, Any], *, per_class: bool = False) -> RenderableType:
    """Lay out a protocol result for a terminal of 80 columns or more; nothing in it depends on colour.

    Parameters
    ----------
    result : result
        What an evaluation protocol returned.
    per_class : bool
        Add one row per class (query excluded).

    Returns
    -------
    rich renderable
        To be printed with ``rich.console.Console().print``.

    Examples
    --------
    >>> from rich.console import Console
    >>> measures = {"map": 0.5567, "anmrr": 0.3643, "queries": 8, "queries_without_relevant": 0, "per_class": [],
    ...             "precision_at": {"10": 0.81}, "recall_at": {"10": 0.08}}
    >>> result = {"protocol": "ge2018", "dataset": {"name": "AID", "items": 8, "classes": ["a", "b"]},
    ...           "features": {"backbone": "mobilenet-v2", "layer": "gap", "dim": 1280},
    ...           "settings": {"normalize": "row", "distance": "euclidean"},
    ...           "query_excluded": measures, "query_included": measures}
    >>> console = Console(width=80)
    >>> with console.capture() as captured:
    ...     console.print(result_table(result))
    >>> "55.67 % (0.5567)" in captured.get()
    True
    """
    parts: list[RenderableType] = [_heading(result), _headline(result)]
    if per_class and result["query_excluded"]["per_class"]:
        parts.append(_classes(result["query_excluded"]["per_class"]))
    return Group(*parts)


def _heading(result: Mapping[str, Any]) -> Text:
    dataset, features, settings = result["dataset"], result["features"], result["settings"]
    images, classes = counted(dataset["items"], "image", "images"), counted(len(dataset["classes"]), "class", "classes")
    values = counted(features["dim"], "value", "values")
    skipped = len(dataset.get("skipped", ()))
    lines = [
        f"{shorten(dataset['name'], 40)}: {images}, {classes}{f', {skipped} skipped' if skipped else ''}",
        f"{shorten(network_name(features), 40)}, {shorten(features['layer'], 20)}: {values} per image",
        f"normalisation: {settings['normalize']}; distance: {settings['distance']}",
    ]
    # A note may be long and is wrapped, never cut: it says what the figures below do not cover.
    lines.extend(f"note: {shorten(note, len(note))}" for note in notes(result))
    return Text("\n".join(lines))


def _headline(result: Mapping[str, Any]) -> Table:
    excluded, included = result["query_excluded"], result["query_included"]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("measure")
    table.add_column("query excluded", justify="right", min_width=18)
    table.add_column("query included", justify="right", min_width=18)
    table.add_row("mAP", *(f"{percent(m['map'])} ({fraction(m['map'])})" for m in (excluded, included)))
    table.add_row("ANMRR (0 is best)", *(fraction(m["anmrr"]) for m in (excluded, included)))
    for n in excluded["precision_at"]:
        table.add_row(f"precision at {n}", *(percent(m["precision_at"].get(n)) for m in (excluded, included)))
    table.add_row("queries", *(count(m["queries"]) for m in (excluded, included)))
    alone = [m["queries_without_relevant"] for m in (excluded, included)]
    if any(alone):
        table.add_row("no relevant image", *(count(number) for number in alone))
    return table


def _classes(rows: list[Mapping[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("class (query excluded)", no_wrap=True)
    for heading in ("queries", "mAP", "ANMRR", "P@20"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            Text(shorten(row["class"], 36)),
            count(row["queries"]),
            percent(row["map"]),
            fraction(row["anmrr"]),
            percent(row["precision_at_20"]),
        )
    return table
