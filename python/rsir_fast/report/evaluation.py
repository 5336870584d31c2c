"""What the reports on all evaluations have: examples in pictures, plots, the AP of every query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.text import Text

from rsir_fast.report.content import Content, Options, Page
from rsir_fast.report.describe import Citation, Row, citations, notes, provenance_rows, timing_rows
from rsir_fast.report.format import counted, shorten
from rsir_fast.report.page import inline_svg
from rsir_fast.report.queries import queries_csv
from rsir_fast.report.rankings import ranking
from rsir_fast.report.rules import rules_rows
from rsir_fast.report.thumbnails import Thumbnails

if TYPE_CHECKING:
    from rsir_fast.protocols.evaluation import EvaluationResult

__all__ = ["evaluation_content", "with_heading"]


def evaluation_content(
    result: EvaluationResult,
    options: Options,
    plots: Mapping[str, bytes],
    *,
    title: str,
    network: str,
    method: Sequence[Row],
    particular: Mapping[str, Any],
    cited: Sequence[Citation] = (),
) -> Content:
    """Put a report together: what is particular to the protocol, and what all of them have.

    Parameters
    ----------
    result, options
    plots : mapping of str to bytes
        SVG files by their stem.
    title : str
        Of the page.
    network : str
        What made the features, and how many values there are.
    method : sequence of Row
        Every setting that decides the figures.
    particular : mapping
        What the protocol's template needs beside what all have.
    cited : sequence of Citation
        Publications behind what is particular.
    """
    thumbnails = Thumbnails(options.load_image, options.thumbnail_size)
    page = Page(
        template=f"{result.protocol}.html.j2",
        title=title,
        notes=notes(result),
        method=[*rules_rows(result.rules), *method],
        provenance=provenance_rows(result, network, options.machine),
        citations=[*citations(result.protocol, result.dataset, result.features), *cited],
        skipped=result.dataset.skipped,
        timing=timing_rows(result.timing),
        particular={
            "dataset": result.dataset,
            "features": result.features,
            "plots": {name: inline_svg(svg, name) for name, svg in plots.items()},
            "pictures_given": options.load_image is not None,
            "rankings": [ranking(example, thumbnails) for example in result.examples],
            **particular,
        },
    )
    queries = queries_csv(result)
    return Content(
        page, {**({"queries.csv": queries} if queries else {}), **{f"{stem}.svg": svg for stem, svg in plots.items()}}
    )


def with_heading(result: EvaluationResult, lines: Sequence[str], tables: Sequence[RenderableType]) -> Group:
    """Set tables for a terminal under what was measured."""
    dataset = result.dataset
    images, classes = counted(dataset.items, "image", "images"), counted(len(dataset.classes), "class", "classes")
    skipped = f", {len(dataset.skipped)} skipped" if dataset.skipped else ""
    first = f"{shorten(dataset.name, 40)}: {images}, {classes}{skipped}"
    # A note may be long and is wrapped, never cut: it says what the figures below do not cover.
    remarks = [f"note: {shorten(note, len(note))}" for note in notes(result)]
    return Group(Text("\n".join([first, *lines, *remarks])), *tables)
