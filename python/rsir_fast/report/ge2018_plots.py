"""Figures 3, 4 and 5 of Ge et al. 2018 for whatever rows were measured: mAP by class, P-R, precision by number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from rsir_fast.report._figure import COLOURS, GREY, MARKERS, figure, note, number_or, percent_axes, percents
from rsir_fast.report.format import shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["drawn_rows", "map_by_class", "precision_by_returned", "precision_recall"]

_LAYERS = ("fc6", "fc7", "pool5")
_CHEAP = ("colour-histogram", "hog", "lbp")
_TICKS_N = (2, 3, 5, 10, 20, 50, 100)
_POINTS = (2, 5, 10, 20)
"""Numbers of returned images that are marked on a P-R curve: the paper's range."""
_NOTHING = "no row has figures"


def drawn_rows(entry: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Choose the rows that are drawn: of a network of the paper one layer, fc6 where there is one; of options the last.

    Parameters
    ----------
    entry : dict
        One of the ``datasets`` of `rsir_fast.protocols.reproduce_ge2018`.
    """
    able = [row for row in entry["rows"] if row["missing"] is None and row["maker"] not in _CHEAP]
    chosen = []
    for (group, _), rows in groupby(able, key=lambda row: (row["group"], row["maker"])):
        found = list(rows)
        if group == "networks of the paper":
            chosen.append(min(found, key=lambda row: _LAYERS.index(row["layer"])))
        else:
            chosen.append(found[-1])
    return chosen


def map_by_class(entry: Mapping[str, Any]) -> bytes:
    """Draw mAP of every class, query excluded, a mark for each row: Figures 3 and 4.

    Returns
    -------
    bytes
        One SVG file; the classes stand in the order of their mean over the rows.
    """
    rows = drawn_rows(entry)
    by_class = [{c["class"]: number_or(c["map"], 0.0) for c in row["query_excluded"]["per_class"]} for row in rows]
    classes = sorted(
        entry["dataset"]["classes"], key=lambda name: (-sum(found.get(name, 0) for found in by_class), name)
    )
    with figure(7.4, 1.5 + 0.27 * max(len(classes), 4)) as (drawn, save):
        axes = drawn.subplots()
        for index, found in enumerate(by_class):
            values = [100 * found.get(name, 0.0) for name in classes]
            axes.plot(values, range(len(classes)), linestyle="none", markersize=5.5, **_style(index))
        axes.set_yticks(range(len(classes)), [shorten(name, 26) for name in classes])
        axes.set_ylim(len(classes) - 0.4, -0.6)
        axes.set_xlim(0, 102)
        axes.set_xlabel("mAP (%), query excluded")
        axes.set_title("mAP by class")
        _legend(drawn, axes, rows)
        return save()


def precision_recall(entry: Mapping[str, Any]) -> bytes:
    """Draw precision against recall, query excluded, for each row, 2 to 20 returned images marked: Figure 5.

    Returns
    -------
    bytes
        One SVG file.
    """
    rows = drawn_rows(entry)
    with figure(7.4, 4.2) as (drawn, save):
        axes = drawn.subplots()
        for index, row in enumerate(rows):
            curve = row["query_excluded"]["pr_curve"]
            marked = [place for place, n in enumerate(curve["n"]) if n in _POINTS]
            axes.plot(
                percents(curve["recall"]),
                percents(curve["precision"]),
                markevery=marked,
                **_line(index),
            )
        percent_axes(axes, "Recall (%)", "Precision (%)")
        axes.set_xlim(0, 102)
        axes.set_title("Precision and recall, query excluded; marks: 2, 5, 10, 20 images returned")
        _legend(drawn, axes, rows)
        return save()


def precision_by_returned(entry: Mapping[str, Any], largest: int = 100) -> bytes:
    """Draw mean precision against the number of returned images, from 2 to 20 (the paper's range) and beyond.

    Returns
    -------
    bytes
        One SVG file; the horizontal axis is logarithmic.
    """
    rows = drawn_rows(entry)
    with figure(7.4, 4.2) as (drawn, save):
        axes = drawn.subplots()
        shown = 20
        for index, row in enumerate(rows):
            curve = row["query_excluded"]["pr_curve"]
            kept = [place for place, n in enumerate(curve["n"]) if 2 <= n <= largest]
            numbers = [curve["n"][place] for place in kept]
            shown = max([shown, *numbers])
            marked = [place for place, n in enumerate(numbers) if n in _TICKS_N]
            values = percents([curve["precision"][place] for place in kept])
            axes.plot(numbers, values, markevery=marked, **_line(index))
        axes.set_xscale("log")
        axes.set_xlim(1.9, shown * 1.08)
        axes.axvspan(2, 20, color="#f3f4f6", zorder=0)
        axes.text(2.08, 2.5, "2 to 20: the paper's range", color=GREY, fontsize=8)
        percent_axes(axes, "Images returned, n (log scale)", "Mean precision at n (%)")
        ticks = [n for n in _TICKS_N if n <= shown]
        axes.set_xticks(ticks, [str(n) for n in ticks])
        axes.set_xticks([], minor=True)
        axes.set_title("Precision by number of images returned, query excluded")
        _legend(drawn, axes, rows)
        return save()


def _style(index: int) -> dict[str, Any]:
    """Tell rows apart by marker, and lines of one colour by their dashes."""
    return {"color": COLOURS[index % len(COLOURS)], "marker": MARKERS[index % len(MARKERS)]}


def _line(index: int) -> dict[str, Any]:
    return {**_style(index), "linestyle": ("-", "--", ":")[index // len(COLOURS) % 3], "markersize": 4.5}


def _legend(drawn: Figure, axes: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    """Name the rows beside the axes."""
    if rows:
        drawn.legend(
            axes.lines, [shorten(row["label"], 44) for row in rows], loc="outside lower left", ncols=2, fontsize=8
        )
    else:
        note(axes, _NOTHING)
