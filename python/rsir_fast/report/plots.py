"""The three figures of a report as SVG: P-R curve, measures by class, precision by number of returned images.

Every function returns the bytes of one SVG file. They are the same for the same input: no date, no random ids, no
global matplotlib state. Text stays text with a generic font behind it, so the files need nothing from outside, can be
searched, and show class names in any script. Colours are from the palette of Okabe and Ito (safe for colour-blind
readers) and never the only cue.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rsir_fast.report._figure import (
    COLOURS,
    GREY,
    INK,
    MARKERS,
    Panel,
    bars,
    figure,
    legend_or_note,
    number_or,
    percent_axes,
    percents,
)
from rsir_fast.report.format import fraction, percent, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["chance_precision", "per_class_bars", "pr_curve", "precision_at_n"]

_CONVENTIONS = (("query_excluded", "query excluded", "-"), ("query_included", "query included", "--"))
_ANNOTATED_N = (1, 10, 50, 100, 500)
_TICKS_N = (2, 3, 5, 10, 20, 50, 100)


def pr_curve(results: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Draw precision against recall, macro-averaged over the queries, one point per number of returned images.

    Parameters
    ----------
    results : mapping of str to result
        Protocol results by the label they carry in the legend; several are compared in one figure. Each needs
        ``query_excluded`` and ``query_included`` with a ``pr_curve`` of equally long ``n``, ``precision`` and
        ``recall``. With a single result the level of a random ranking is drawn too.

    Returns
    -------
    bytes
        One SVG file. Solid lines exclude the query from its own ranking, dashed lines include it.

    Examples
    --------
    >>> curve = {"pr_curve": {"n": [1, 2], "precision": [1.0, 0.5], "recall": [0.5, 0.5]}}
    >>> svg = pr_curve({"mine": {"query_excluded": curve, "query_included": curve, "dataset": {}}})
    >>> svg.startswith(b"<?xml"), b"Recall" in svg
    (True, True)
    """
    with figure(4.8, 3.9) as (drawn, save):
        axes = drawn.subplots()
        for index, (name, measures, label, line) in enumerate(_lines(results)):
            curve = measures["pr_curve"]
            colour = COLOURS[_colour_index(index, results)]
            axes.plot(percents(curve["recall"]), percents(curve["precision"]), line, color=colour, label=label)
            if name == "query_excluded" and len(results) == 1:
                _annotate_n(axes, curve, colour)
        if len(results) == 1:
            _draw_chance(axes, next(iter(results.values())))
        percent_axes(axes, "Recall (%)", "Precision (%)")
        axes.set_xlim(0, 102)
        axes.set_xticks(range(0, 101, 20))
        axes.set_title("Precision and recall")
        legend_or_note(axes, _reason_for_nothing(results))
        return save()


def precision_at_n(results: Mapping[str, Mapping[str, Any]], largest: int = 100) -> bytes:
    """Draw mean precision against the number of returned images, from 2 on (the paper's range is 2 to 20).

    Parameters
    ----------
    results : mapping of str to result
        As in `pr_curve`.
    largest : int
        Largest number of returned images shown.

    Returns
    -------
    bytes
        One SVG file; the horizontal axis is logarithmic and the paper's range is shaded.

    Examples
    --------
    >>> curve = {"pr_curve": {"n": [1, 2], "precision": [1.0, 0.5], "recall": [0.5, 0.5]}}
    >>> svg = precision_at_n({"mine": {"query_excluded": curve, "query_included": curve, "dataset": {}}})
    >>> b"Images returned" in svg
    True
    """
    with figure(4.8, 3.9) as (drawn, save):
        axes = drawn.subplots()
        shown = 2
        for index, (_, measures, label, line) in enumerate(_lines(results)):
            curve = measures["pr_curve"]
            kept = [(n, p) for n, p in zip(curve["n"], curve["precision"], strict=True) if 2 <= n <= largest]
            if not kept:
                continue
            numbers, values = zip(*kept, strict=True)
            shown = max(shown, numbers[-1])
            axes.plot(
                numbers,
                percents(values),
                line,
                color=COLOURS[_colour_index(index, results)],
                label=label,
                marker=MARKERS[index % len(MARKERS)],
                markersize=4.5,
                markevery=[place for place, n in enumerate(numbers) if n in _TICKS_N],
            )
        axes.set_xscale("log")
        axes.set_xlim(1.9, max(20, shown) * 1.08)
        if axes.lines:
            axes.axvspan(2, 20, color="#f3f4f6", zorder=0)
            axes.text(2.08, 2.5, "2 to 20: the paper's range", color=GREY, fontsize=8)
        percent_axes(axes, "Images returned, n (log scale)", "Mean precision at n (%)")
        ticks = [n for n in _TICKS_N if n <= max(20, shown)]
        axes.set_xticks(ticks, [str(n) for n in ticks])
        axes.set_xticks([], minor=True)
        axes.set_title("Precision by number of images returned")
        legend_or_note(axes, _reason_for_nothing(results, smallest=2))
        return save()


def per_class_bars(result: Mapping[str, Any], convention: str = "query_excluded") -> bytes:
    """Draw mAP and ANMRR of every class side by side, best mAP first.

    Parameters
    ----------
    result : result
        A protocol result; ``result[convention]["per_class"]`` lists ``class``, ``map`` and ``anmrr``. Classes without
        a value come last, with a dash.
    convention : {"query_excluded", "query_included"}
        Which of the two evaluations is drawn.

    Returns
    -------
    bytes
        One SVG file whose height grows with the number of classes.

    Examples
    --------
    >>> rows = [{"class": "beach", "map": 0.9, "anmrr": 0.1}, {"class": "forest", "map": 0.95, "anmrr": 0.05}]
    >>> svg = per_class_bars({"query_excluded": {"per_class": rows}})
    >>> svg.index(b"forest") < svg.index(b"beach")
    True
    """
    rows = sorted(result[convention]["per_class"], key=lambda row: (-number_or(row["map"], -1.0), row["class"]))
    precision, rank = ([row[key] for row in rows] for key in ("map", "anmrr"))
    shown = [percent(value).removesuffix(" %") for value in precision]
    panels = [
        Panel("mAP (%), higher is better", percents(precision), shown, 100.0),
        Panel("ANMRR (0 to 1), lower is better", rank, [fraction(value) for value in rank], 1.0),
    ]
    title = f"By class, {convention.replace('_', ' ')}"
    return bars([row["class"] for row in rows], panels, title, "no labelled queries")


def chance_precision(class_counts: Sequence[int], items: int) -> float | None:
    """Mean precision of a random ranking, the query excluded.

    Parameters
    ----------
    class_counts : sequence of int
        Images per class.
    items : int
        Images in the database, those without a label included.

    Returns
    -------
    float or None
        Mean over all labelled queries with a relevant image of (class size - 1) / (items - 1); None if there is none.

    Examples
    --------
    >>> round(chance_precision([100] * 21, 2100), 4)
    0.0472
    """
    queries = sum(size for size in class_counts if size > 1)
    if queries == 0:
        return None
    return sum(size * (size - 1) for size in class_counts) / (queries * (items - 1))


def _lines(results: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any], str, str]]:
    """Yield (convention, measures, legend label, line style) for every curve that has points."""
    for name, result in results.items():
        for key, words, line in _CONVENTIONS:
            if result[key]["pr_curve"]["n"]:
                yield key, result[key], words if len(results) == 1 else f"{shorten(name, 26)}, {words}", line


def _colour_index(line: int, results: Mapping[str, Mapping[str, Any]]) -> int:
    """One colour per result when results are compared, one per convention when there is only one."""
    return (line if len(results) == 1 else line // 2) % len(COLOURS)


def _annotate_n(axes: Axes, curve: Mapping[str, Any], colour: str) -> None:
    for n, precision, recall in zip(curve["n"], curve["precision"], curve["recall"], strict=True):
        if n in _ANNOTATED_N and math.isfinite(number_or(precision, math.nan)):
            axes.plot(100 * recall, 100 * precision, "o", color=colour, markersize=4)
            # Above and right of the point, where a falling curve leaves room; at the right edge there is none.
            aside, side = ((7, 5), "left") if recall < 0.85 else ((-7, -9), "right")
            axes.annotate(
                f"n = {n}",
                (100 * recall, 100 * precision),
                aside,
                textcoords="offset points",
                ha=side,
                fontsize=8,
                color=INK,
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 0.8},
            )


def _draw_chance(axes: Axes, result: Mapping[str, Any]) -> None:
    dataset = result["dataset"]
    level = chance_precision(dataset.get("class_counts", ()), dataset.get("items", 0))
    if level is not None and axes.lines:
        label = f"random ranking ({100 * level:.1f} %)"
        axes.axhline(100 * level, color=GREY, linestyle=":", linewidth=1.2, label=label)


def _reason_for_nothing(results: Mapping[str, Mapping[str, Any]], smallest: int = 1) -> str:
    """Say why no curve has a point at `smallest` or more returned images."""
    if any(True for _ in _lines(results)):
        return f"fewer than {smallest} images to return"
    if any(result["dataset"].get("classes") for result in results.values()):
        return "no query has another image of its class"
    return "no labelled queries"
