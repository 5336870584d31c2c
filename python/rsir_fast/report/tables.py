"""The result as a table for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from rsir_fast.report.describe import notes
from rsir_fast.report.format import counted, shorten
from rsir_fast.report.views import view_of

__all__ = ["result_table"]


def result_table(result: Mapping[str, Any], *, per_class: bool = False) -> RenderableType:
    """Lay out a protocol result for a terminal of 80 columns or more; nothing in it depends on colour.

    Parameters
    ----------
    result : result
        What an evaluation protocol returned.
    per_class : bool
        Add one row per class.

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
    view = view_of(result)
    return Group(_heading(result, view.heading(result)), *view.tables(result, per_class))


def _heading(result: Mapping[str, Any], lines: list[str]) -> Text:
    dataset = result["dataset"]
    images, classes = counted(dataset["items"], "image", "images"), counted(len(dataset["classes"]), "class", "classes")
    skipped = len(dataset.get("skipped", ()))
    first = f"{shorten(dataset['name'], 40)}: {images}, {classes}{f', {skipped} skipped' if skipped else ''}"
    # A note may be long and is wrapped, never cut: it says what the figures below do not cover.
    remarks = [f"note: {shorten(note, len(note))}" for note in notes(result)]
    return Text("\n".join([first, *lines, *remarks]))
