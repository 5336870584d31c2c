"""What is particular to a report on retrieval by shared labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from rsir_fast.report.content import Content, Options
from rsir_fast.report.describe import Row, named_layer, network_text
from rsir_fast.report.evaluation import evaluation_content, with_heading
from rsir_fast.report.format import count, counted, fraction, percent, shorten
from rsir_fast.report.intervals import how_sure, interval_method, interval_rows

if TYPE_CHECKING:
    from rsir_fast.protocols.multilabel_result import MultilabelResult, MultilabelSettings

__all__ = ["content", "method_rows", "table"]

_GAIN = {"exponential": "2^r − 1", "linear": "r"}


def content(result: MultilabelResult, options: Options) -> Content:
    """Put the report together."""
    found = result.query_excluded
    return evaluation_content(
        result,
        options,
        {},
        title=f"{result.dataset.name}, {result.features.title}, labels",
        network=network_text(result.features),
        method=[
            *method_rows(result.settings),
            *interval_method(found.map_intervals, "mAP and of weighted mAP", classes=bool(result.dataset.classes)),
        ],
        particular={
            "network": named_layer(result.features),
            "figures": found,
            "sure": how_sure(found.map_intervals),
            "sure_weighted": how_sure(found.weighted_map_intervals, fraction),
            "labels": result.labels,
            "numbers": _by_number(result),
            "rows": list(zip(found.per_label, result.labels.counts, strict=True)),
        },
    )


def method_rows(settings: MultilabelSettings) -> list[Row]:
    """State every setting that decides the figures."""
    distance = "Euclidean" if settings.distance == "euclidean" else f"Hamming, {settings.bits} bits"
    normalized = {"row": "Gaussian, over the elements of each image's own vector", "none": "none"}
    return [
        Row("Distance", distance),
        *([] if settings.normalize is None else [Row("Normalisation", normalized[settings.normalize])]),
        Row("mAP", "any match: an image that shares a label is relevant; AP divides by the number of all of them"),
        Row("Weighted mAP", "mean of ACG at the rank of every relevant image (Zhao et al. 2015); may exceed 1"),
        Row("ACG", "labels shared with the query, in the mean over the images returned (Järvelin, Kekäläinen 2002)"),
        Row(
            "NDCG",
            f"gain {_GAIN[settings.gain]} of r shared labels, discount log2(rank + 1), by the best order there is",
        ),
        Row("Ties", "expected over a random order of equal distances, in closed form"),
        Row("No relevant image", "queries that share no label with any image are counted apart and not averaged in"),
    ]


def table(result: MultilabelResult, per_class: bool, _: bool) -> RenderableType:
    """Lay out the figures for a terminal, under what was measured."""
    found, labels = result.query_excluded, result.labels
    heading = [
        f"{named_layer(result.features, 62)}; distance: {result.settings.distance}",
        f"{counted(len(labels.names), 'label', 'labels')}, {labels.mean_per_image or 0:.2f} an image; "
        f"{percent(found.relevant_share)} of the images are relevant to a query",
    ]
    figures = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    figures.add_column("measure")
    figures.add_column("query excluded", justify="right", min_width=18)
    figures.add_row("mAP, any shared label", f"{percent(found.map)} ({fraction(found.map)})")
    for label, texts in interval_rows([found.map_intervals]):
        figures.add_row(f"  {label}", *texts)
    figures.add_row("weighted mAP", fraction(found.weighted_map))
    for label, texts in interval_rows([found.weighted_map_intervals], fraction):
        figures.add_row(f"  {label}", *texts)
    figures.add_row("queries", count(found.queries))
    if found.queries_without_relevant:
        figures.add_row("no relevant image", count(found.queries_without_relevant))
    parts: list[RenderableType] = [figures]
    if found.cutoffs:
        at = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for words in ("images returned", "NDCG", "ACG", "precision", "recall"):
            at.add_column(words, justify="right")
        for n, ndcg, acg, precision, recall in _by_number(result):
            at.add_row(count(n), fraction(ndcg), fraction(acg), percent(precision), percent(recall))
        parts.append(at)
    if per_class:
        each = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        each.add_column("label", no_wrap=True)
        for words in ("images", "mAP", "weighted mAP"):
            each.add_column(words, justify="right", no_wrap=True)
        for row in found.per_label:
            each.add_row(Text(shorten(row.label, 36)), count(row.queries), percent(row.map), fraction(row.weighted_map))
        parts.append(each)
    return with_heading(result, heading, parts)


def _by_number(result: MultilabelResult) -> list[tuple[int, float | None, float | None, float | None, float | None]]:
    """Return number of images, NDCG, ACG, precision and recall, a row each."""
    found = result.query_excluded
    return list(zip(found.cutoffs, found.ndcg_at, found.acg_at, found.precision_at, found.recall_at, strict=True))
