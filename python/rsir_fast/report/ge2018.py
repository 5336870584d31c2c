"""What is particular to a report on the protocol of Ge et al. 2018."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from rsir_fast.report.content import Content, Options
from rsir_fast.report.describe import Row, flat, named_layer, network_text, weights_name
from rsir_fast.report.evaluation import evaluation_content, with_heading
from rsir_fast.report.format import count, counted, fraction, percent, shorten
from rsir_fast.report.intervals import how_sure, interval_method, interval_rows
from rsir_fast.report.plots import per_class_bars, pr_curve, precision_at_n
from rsir_fast.report.published import LAYERS, compare_with_published
from rsir_fast.report.rules import anmrr_in_words, map_at_rows

if TYPE_CHECKING:
    from rsir_fast.protocols.ge2018_result import ClassFigures, Ge2018Result, Ge2018Settings
    from rsir_fast.protocols.protocol import Protocol
    from rsir_fast.protocols.reproduce_ge2018_result import Ge2018TableSettings

__all__ = ["content", "method_rows", "ranking_rows", "table", "ties"]

_NORMALIZE = {
    "row": "Gaussian, over the elements of each image's own vector: f* = (1 + (f − μ) / 3σ) / 2, not clipped (eq. 2)",
    "feature": "Gaussian, over the database for each feature: f* = (1 + (f − μ) / 3σ) / 2, not clipped",
    "minmax": "each feature from its least to its largest value in the database onto 0 to 1",
    "none": "none, features as the network gives them",
}
_DISTANCE = {"euclidean": "Euclidean", "l1": "sum of absolute differences (L1)"}
_TIES = {"item index": "equal distances are ordered by item index"}


def content(result: Ge2018Result, options: Options) -> Content:
    """Put the report together."""
    name = named_layer(result.features)
    plots = {
        "pr_curve": pr_curve({name: result}),
        "precision_at_n": precision_at_n({name: result}),
        "per_class": per_class_bars(result),
    }
    included = {row.class_name: row for row in result.query_included.per_class}
    particular = {
        "network": result.features.title,
        "named": name,
        "weights": weights_name(result.features),
        "excluded": result.query_excluded,
        "included": result.query_included,
        "sure": how_sure(result.query_excluded.map_intervals),
        "intervals": interval_rows([result.query_excluded.map_intervals, result.query_included.map_intervals]),
        "ties": ties(result),
        "map_at": map_at_rows([result.query_excluded.map_at, result.query_included.map_at]),
        "classes": [(row, included[row.class_name]) for row in result.query_excluded.per_class],
        "published": compare_with_published(result),
        "layers": LAYERS,
        "beyond": "; ".join(row.text for row in _beyond(result.settings)),
    }
    return evaluation_content(
        result,
        options,
        plots,
        title=f"{result.dataset.name}, {name}",
        network=network_text(result.features),
        method=[*method_rows(result.settings, result.rules), *interval_method(result.query_excluded.map_intervals)],
        particular=particular,
    )


def ties(result: Ge2018Result) -> str | None:
    """Say what ties mean for the figures; None where few distances are tied."""
    found = result.ties
    if found is None or found.map_expected_over_ties is None:
        return None
    expected = found.map_expected_over_ties
    excluded, included = (
        f"{percent(side)} ({fraction(side)})" for side in (expected.query_excluded, expected.query_included)
    )
    return (
        f"{percent(found.tied_share)} of the distances are tied (seen in the rankings of "
        f"{counted(found.queries_looked_at, 'query', 'queries')}), and the item index orders them. Expected over a "
        f"random order of ties, mAP is {excluded} with the query excluded, {included} included."
    )


def method_rows(settings: Ge2018Settings, rules: Protocol | None = None) -> list[Row]:
    """State every setting that decides the figures, in full sentences where the plain value says too little.

    Examples
    --------
    >>> from rsir_fast.protocols.ge2018_result import Ge2018Settings
    >>> [row.label for row in method_rows(Ge2018Settings(normalize="row"))][:3]
    ['Normalisation', 'Distance', 'Queries']
    """
    return [
        Row("Normalisation", _NORMALIZE[settings.normalize]),
        *_beyond(settings),
        *ranking_rows(settings, rules),
        Row("relevant", settings.relevant),
    ]


def ranking_rows(settings: Ge2018Settings | Ge2018TableSettings, rules: Protocol | None) -> list[Row]:
    """State how images are ranked and measured; a result without rules, or of before, had but K to choose."""
    from rsir_fast.protocols.protocol import AnmrrRule

    stated = None if rules is None else rules.anmrr
    anmrr = anmrr_in_words(stated or AnmrrRule(k=settings.anmrr_k))
    gallery = ("all",) if rules is None else rules.gallery
    against = "the whole database" if gallery == ("all",) else "the gallery that the protocol names"
    both = [
        Row("Query excluded", "the query is taken out of its own ranking by its index, never as “the first hit”"),
        Row("Query included", "the query stays in the ranking and counts as a relevant image, which raises mAP"),
    ]
    apart = Row("Query excluded, included", "the same here: no query is among the images that are ranked")
    return [
        Row("Distance", _DISTANCE[settings.distance]),
        Row("Queries", f"{settings.query}, ranked against {against}; relevant = same class"),
        *(both if gallery[0] in ("all", "test") else [apart]),
        Row("mAP", "mean over queries of AP; AP divides by the number of all relevant images"),
        Row("ANMRR", anmrr),
        Row("Ties", _TIES.get(settings.ties, settings.ties)),
        Row("No relevant image", "such queries are counted apart and not averaged in"),
    ]


def _beyond(settings: Ge2018Settings) -> list[Row]:
    """State what was done beyond the paper's method; nothing where nothing was."""
    rows = []
    if settings.steps:
        figures = "".join(f"; {key}: {text}" for key, text in flat(settings.fitted or {}))
        values = counted(settings.dim or 0, "value", "values")
        rows.append(
            Row(
                "Post-processing",
                f"{', '.join(settings.steps)}, to {values}: beyond the paper, fitted on the database "
                f"without labels{figures}",
            )
        )
    if settings.rerank:
        rows.append(
            Row(
                "Re-ranking",
                f"{', '.join(settings.rerank)}: beyond the paper, without labels; "
                "the query is left out of its own neighbours by its index",
            )
        )
    return rows


def table(result: Ge2018Result, per_class: bool, _: bool) -> RenderableType:
    """Lay out the figures for a terminal, under what was measured."""
    parts: list[RenderableType] = [_headline(result)]
    if (said := ties(result)) is not None:
        parts.append(Text(said))
    if per_class and result.query_excluded.per_class:
        parts.append(_classes(result.query_excluded.per_class))
    return with_heading(result, _heading(result), parts)


def _heading(result: Ge2018Result) -> list[str]:
    features, settings = result.features, result.settings
    beyond = {"post-processing": settings.steps, "re-ranking": settings.rerank}
    return [
        f"{named_layer(features, 62)}: {counted(features.dim, 'value', 'values')} per image",
        f"normalisation: {settings.normalize}; distance: {settings.distance}",
        *(f"{name}: {', '.join(chain)}" for name, chain in beyond.items() if chain),
    ]


def _headline(result: Ge2018Result) -> Table:
    excluded, included = both = result.query_excluded, result.query_included
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("measure")
    table.add_column("query excluded", justify="right", min_width=18)
    table.add_column("query included", justify="right", min_width=18)
    table.add_row("mAP", *(f"{percent(m.map)} ({fraction(m.map)})" for m in both))
    for label, texts in interval_rows([m.map_intervals for m in both]):
        table.add_row(f"  {label}", *texts)
    if result.ties is not None and (expected := result.ties.map_expected_over_ties) is not None:
        sides = (expected.query_excluded, expected.query_included)
        table.add_row("mAP, expected over ties", *(f"{percent(side)} ({fraction(side)})" for side in sides))
    for words, values in map_at_rows([m.map_at for m in both]):
        table.add_row(words, *(f"{percent(value)} ({fraction(value)})" for value in values))
    table.add_row("ANMRR (0 is best)", *(fraction(m.anmrr) for m in both))
    for n in excluded.precision_at:
        cells = (f"{percent(m.precision_at.get(n))}, {percent(m.recall_at.get(n))}" for m in both)
        table.add_row(f"precision, recall at {n}", *cells)
    table.add_row("queries", *(count(m.queries) for m in both))
    if excluded.queries_without_relevant or included.queries_without_relevant:
        table.add_row("no relevant image", *(count(m.queries_without_relevant) for m in both))
    return table


def _classes(rows: Sequence[ClassFigures]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("class (query excluded)", no_wrap=True)
    for heading in ("queries", "mAP", "ANMRR", "P@20"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            Text(shorten(row.class_name, 36)),
            count(row.queries),
            percent(row.map),
            fraction(row.anmrr),
            percent(row.precision_at_20),
        )
    return table
