"""What is particular to a report on the protocol of Ge et al. 2018."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from rsir_fast.report.describe import Row, flat, network_name, weights_name
from rsir_fast.report.format import count, counted, fraction, percent, shorten
from rsir_fast.report.plots import per_class_bars, pr_curve, precision_at_n
from rsir_fast.report.published import LAYERS, compare_with_published

__all__ = ["context", "heading", "method_rows", "plots", "tables", "ties"]

_NORMALIZE = {
    "row": "Gaussian, over the elements of each image's own vector: f* = (1 + (f − μ) / 3σ) / 2, not clipped (eq. 2)",
    "feature": "Gaussian, over the database for each feature: f* = (1 + (f − μ) / 3σ) / 2, not clipped",
    "none": "none, features as the network gives them",
}
_DISTANCE = {"euclidean": "Euclidean", "hamming": "Hamming"}
_ANMRR = {
    "2ng": "K = 2 NG (NG = number of relevant images); a relevant image beyond rank K counts as rank 1.25 K",
    "mpeg7": "K = min(4 NG, 2 max NG) as in MPEG-7; a relevant image beyond rank K counts as rank 1.25 K",
}
_TIES = {"item index": "equal distances are ordered by item index"}
_EXPLAINED = {"normalize", "distance", "anmrr_k", "query", "ties"}
_BEYOND = {"steps", "rerank", "fitted", "dim"}


def plots(result: Mapping[str, Any]) -> dict[str, bytes]:
    """Draw the figures of a report, as SVG files by their stem."""
    name = f"{network_name(result['features'])} {result['features']['layer']}"
    return {
        "pr_curve": pr_curve({name: result}),
        "precision_at_n": precision_at_n({name: result}),
        "per_class": per_class_bars(result),
    }


def context(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the page's template needs beside what all pages have."""
    included = {row["class"]: row for row in result["query_included"]["per_class"]}
    return {
        "title": f"{result['dataset']['name']}, {network_name(result['features'])} {result['features']['layer']}",
        "network": network_name(result["features"]),
        "weights": weights_name(result["features"]),
        "excluded": result["query_excluded"],
        "included": result["query_included"],
        "ties": ties(result),
        "classes": [(row, included.get(row["class"], {})) for row in result["query_excluded"]["per_class"]],
        "published": compare_with_published(result),
        "layers": LAYERS,
        "method": method_rows(result),
        "beyond": "; ".join(row.text for row in _beyond(result["settings"])),
    }


def ties(result: Mapping[str, Any]) -> str | None:
    """Say what ties mean for the figures; None where few distances are tied."""
    found = result.get("ties") or {}
    expected = found.get("map_expected_over_ties")
    if expected is None:
        return None
    shares = {side: f"{percent(expected[side])} ({fraction(expected[side])})" for side in expected}
    return (
        f"{percent(found['tied_share'])} of the distances are tied (seen in the rankings of "
        f"{counted(found['queries_looked_at'], 'query', 'queries')}), and the item index orders them. Expected over a "
        f"random order of ties, mAP is {shares['query_excluded']} with the query excluded, "
        f"{shares['query_included']} included."
    )


def method_rows(result: Mapping[str, Any]) -> list[Row]:
    """State every setting that decides the figures, in full sentences where the plain value says too little.

    Examples
    --------
    >>> settings = {"normalize": "row", "distance": "euclidean", "anmrr_k": "2ng", "query": "every image"}
    >>> [row.label for row in method_rows({"settings": settings})][:3]
    ['Normalisation', 'Distance', 'Queries']
    """
    settings = result["settings"]
    stated = {key: str(settings.get(key, "not stated")) for key in _EXPLAINED}
    rows = [
        Row("Normalisation", _NORMALIZE.get(stated["normalize"], stated["normalize"])),
        *_beyond(settings),
        Row("Distance", _DISTANCE.get(stated["distance"], stated["distance"])),
        Row("Queries", f"{stated['query']}, ranked against the whole database; relevant = same class"),
        Row("Query excluded", "the query is taken out of its own ranking by its index, never as “the first hit”"),
        Row("Query included", "the query stays in the ranking and counts as a relevant image, which raises mAP"),
        Row("mAP", "mean over queries of AP; AP divides by the number of all relevant images"),
        Row("ANMRR", _ANMRR.get(stated["anmrr_k"], stated["anmrr_k"])),
        Row("Ties", _TIES.get(stated["ties"], stated["ties"])),
        Row("No relevant image", "such queries are counted apart and not averaged in"),
    ]
    rows.extend(
        Row(key, text) for key, text in flat({k: settings[k] for k in sorted(settings.keys() - _EXPLAINED - _BEYOND)})
    )
    return rows


def _beyond(settings: Mapping[str, Any]) -> list[Row]:
    """State what was done beyond the paper's method; nothing where nothing was."""
    rows = []
    if settings.get("steps"):
        chain = ", ".join(settings["steps"])
        figures = "".join(f"; {key}: {text}" for key, text in flat(settings.get("fitted") or {}))
        rows.append(
            Row(
                "Post-processing",
                f"{chain}, to {counted(settings['dim'], 'value', 'values')}: beyond the paper, fitted on the database "
                f"without labels{figures}",
            )
        )
    if settings.get("rerank"):
        rows.append(
            Row(
                "Re-ranking",
                f"{', '.join(settings['rerank'])}: beyond the paper, without labels; "
                "the query is left out of its own neighbours by its index",
            )
        )
    return rows


def heading(result: Mapping[str, Any]) -> list[str]:
    """Say above the table what was measured."""
    features, settings = result["features"], result["settings"]
    values = counted(features["dim"], "value", "values")
    beyond = {"post-processing": settings.get("steps"), "re-ranking": settings.get("rerank")}
    return [
        f"{shorten(network_name(features), 40)}, {shorten(features['layer'], 20)}: {values} per image",
        f"normalisation: {settings['normalize']}; distance: {settings['distance']}",
        *(f"{name}: {', '.join(chain)}" for name, chain in beyond.items() if chain),
    ]


def tables(result: Mapping[str, Any], per_class: bool) -> list[RenderableType]:
    """Lay out the figures for a terminal."""
    parts: list[RenderableType] = [_headline(result)]
    if (said := ties(result)) is not None:
        parts.append(Text(said))
    if per_class and result["query_excluded"]["per_class"]:
        parts.append(_classes(result["query_excluded"]["per_class"]))
    return parts


def _headline(result: Mapping[str, Any]) -> Table:
    excluded, included = result["query_excluded"], result["query_included"]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("measure")
    table.add_column("query excluded", justify="right", min_width=18)
    table.add_column("query included", justify="right", min_width=18)
    table.add_row("mAP", *(f"{percent(m['map'])} ({fraction(m['map'])})" for m in (excluded, included)))
    if expected := (result.get("ties") or {}).get("map_expected_over_ties"):
        sides = (expected["query_excluded"], expected["query_included"])
        table.add_row("mAP, expected over ties", *(f"{percent(side)} ({fraction(side)})" for side in sides))
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
