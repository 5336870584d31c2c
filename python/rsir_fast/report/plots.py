"""The three figures of a report as SVG: P-R curve, measures by class, precision by number of returned images.

Every function returns the bytes of one SVG file. They are the same for the same input: no date, no random ids, no
global matplotlib state. Text stays text with a generic font behind it, so the files need nothing from outside, can be
searched, and show class names in any script. Colours are from the palette of Okabe and Ito (safe for colour-blind
readers) and never the only cue.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

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

    from rsir_fast.protocols.ge2018_result import Ge2018Result, PrecisionRecallCurve, RetrievalFigures

__all__ = ["chance_precision", "per_class_bars", "pr_curve", "precision_at_n"]

_CONVENTIONS = (("query_excluded", "query excluded", "-"), ("query_included", "query included", "--"))
_ANNOTATED_N = (1, 10, 50, 100, 500)
_TICKS_N = (2, 3, 5, 10, 20, 50, 100)


def pr_curve(results: Mapping[str, Ge2018Result]) -> bytes:
    """Draw precision against recall, macro-averaged over the queries, one point per number of returned images.

    Parameters
    ----------
    results : mapping of str to result
        Of `rsir_fast.evaluate_ge2018`, by the label they carry in the legend; several are compared in one figure. With
        a single result the level of a random ranking is drawn too.

    Returns
    -------
    bytes
        One SVG file. Solid lines exclude the query from its own ranking, dashed lines include it.

    Examples
    --------
    >>> import numpy as np
    >>> import rsir_fast as rf
    >>> matrix, items = np.eye(4, dtype=np.float32), ("a/1", "a/2", "b/1", "b/2")
    >>> result = rf.evaluate_ge2018(rf.Features(matrix, items, np.array([0, 0, 1, 1]), ("a", "b"), "demo"))
    >>> svg = pr_curve({"mine": result})
    >>> svg.startswith(b"<?xml"), b"Recall" in svg
    (True, True)
    """
    with figure(4.8, 3.9) as (drawn, save):
        axes = drawn.subplots()
        for index, (name, measures, label, line) in enumerate(_lines(results)):
            curve = measures.pr_curve
            colour = COLOURS[_colour_index(index, results)]
            axes.plot(percents(curve.recall), percents(curve.precision), line, color=colour, label=label)
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


def precision_at_n(results: Mapping[str, Ge2018Result], largest: int = 100) -> bytes:
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
    >>> import numpy as np
    >>> import rsir_fast as rf
    >>> matrix, items = np.eye(4, dtype=np.float32), ("a/1", "a/2", "b/1", "b/2")
    >>> result = rf.evaluate_ge2018(rf.Features(matrix, items, np.array([0, 0, 1, 1]), ("a", "b"), "demo"))
    >>> svg = precision_at_n({"mine": result})
    >>> b"Images returned" in svg
    True
    """
    with figure(4.8, 3.9) as (drawn, save):
        axes = drawn.subplots()
        shown = 2
        for index, (_, measures, label, line) in enumerate(_lines(results)):
            curve = measures.pr_curve
            kept = [(n, p) for n, p in zip(curve.n, curve.precision, strict=True) if 2 <= n <= largest]
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


def per_class_bars(result: Ge2018Result, convention: str = "query_excluded") -> bytes:
    """Draw mAP and ANMRR of every class side by side, best mAP first.

    Parameters
    ----------
    result : Ge2018Result
        Classes without a value come last, with a dash.
    convention : {"query_excluded", "query_included"}
        Which of the two evaluations is drawn.

    Returns
    -------
    bytes
        One SVG file whose height grows with the number of classes.

    Examples
    --------
    >>> import numpy as np
    >>> import rsir_fast as rf
    >>> matrix, items = np.eye(4, dtype=np.float32), ("a/1", "a/2", "b/1", "b/2")
    >>> result = rf.evaluate_ge2018(rf.Features(matrix, items, np.array([0, 0, 1, 1]), ("a", "b"), "demo"))
    >>> svg = per_class_bars(result)
    >>> b"higher is better" in svg, b"no labelled queries" in svg
    (True, False)
    """
    found = result.by_place[convention].per_class
    rows = sorted(found, key=lambda row: (-number_or(row.map, -1.0), row.class_name))
    shown = [percent(row.map).removesuffix(" %") for row in rows]
    rank = [row.anmrr for row in rows]
    panels = [
        Panel("mAP (%), higher is better", percents([row.map for row in rows]), shown, 100.0),
        Panel("ANMRR (0 to 1), lower is better", rank, [fraction(value) for value in rank], 1.0),
    ]
    title = f"By class, {convention.replace('_', ' ')}"
    return bars([row.class_name for row in rows], panels, title, "no labelled queries")


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


def _lines(results: Mapping[str, Ge2018Result]) -> Iterator[tuple[str, RetrievalFigures, str, str]]:
    """Yield (convention, measures, legend label, line style) for every curve that has points."""
    for name, result in results.items():
        for key, words, line in _CONVENTIONS:
            figures = result.by_place[key]
            if figures.pr_curve.n:
                yield key, figures, words if len(results) == 1 else f"{shorten(name, 26)}, {words}", line


def _colour_index(line: int, results: Mapping[str, Ge2018Result]) -> int:
    """One colour per result when results are compared, one per convention when there is only one."""
    return (line if len(results) == 1 else line // 2) % len(COLOURS)


def _annotate_n(axes: Axes, curve: PrecisionRecallCurve, colour: str) -> None:
    for n, precision, recall in zip(curve.n, curve.precision, curve.recall, strict=True):
        if n in _ANNOTATED_N and precision is not None and recall is not None:
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


def _draw_chance(axes: Axes, result: Ge2018Result) -> None:
    level = chance_precision(result.dataset.class_counts, result.dataset.items)
    if level is not None and axes.lines:
        label = f"random ranking ({100 * level:.1f} %)"
        axes.axhline(100 * level, color=GREY, linestyle=":", linewidth=1.2, label=label)


def _reason_for_nothing(results: Mapping[str, Ge2018Result], smallest: int = 1) -> str:
    """Say why no curve has a point at `smallest` or more returned images."""
    if any(True for _ in _lines(results)):
        return f"fewer than {smallest} images to return"
    if any(result.dataset.classes for result in results.values()):
        return "no query has another image of its class"
    return "no labelled queries"
