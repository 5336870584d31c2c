"""Figures 3, 4 and 5 of Ge et al. 2018 for whatever rows were measured: mAP by class, P-R, precision by number."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from rsir_fast.report._figure import COLOURS, GREY, MARKERS, figure, note, percent_axes, percents
from rsir_fast.report.format import shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from rsir_fast.protocols.reproduce_ge2018_result import DatasetTable, MeasuredRow

__all__ = ["drawn_rows", "left_out", "map_by_class", "precision_by_returned", "precision_recall"]

_LAYERS = ("fc6", "fc7", "pool5")
_CHEAP = ("colour-histogram", "hog", "lbp")
_MOST = 8
"""Rows that are told apart in one plot."""
_TICKS_N = (2, 3, 5, 10, 20, 50, 100)
_POINTS = (2, 5, 10, 20)
"""Numbers of returned images that are marked on a P-R curve: the paper's range."""
_NOTHING = "no row has figures"


def drawn_rows(entry: DatasetTable) -> list[MeasuredRow]:
    """Choose the rows that are drawn.

    Of a network of the paper one layer, fc6 where there is one; of what goes beyond the paper the last of each network;
    of cheap descriptors none where there is much else.

    Parameters
    ----------
    entry : DatasetTable
        One of the ``datasets`` of a `Ge2018TableResult`.
    """
    chosen = []
    for (group, *_), rows in groupby(entry.measured, key=_kind):
        found = list(rows)
        if group == "networks of the paper":
            chosen.append(min(found, key=lambda row: _LAYERS.index(row.layer)))
        else:
            chosen.append(found[-1])
    costly = [row for row in chosen if row.maker not in _CHEAP]
    return costly if len(chosen) > _MOST else chosen


def _kind(row: MeasuredRow) -> tuple[str, str, str]:
    return row.group, row.maker, "" if row.group == "networks of the paper" else row.layer


def left_out(entry: DatasetTable) -> list[str]:
    """Name the rows that have figures and are not drawn."""
    drawn = {row.method for row in drawn_rows(entry)}
    return [row.method for row in entry.measured if row.method not in drawn]


def map_by_class(entry: DatasetTable) -> bytes:
    """Draw mAP of every class, query excluded, a mark for each row: Figures 3 and 4.

    Returns
    -------
    bytes
        One SVG file; the classes stand in the order of their mean over the rows.
    """
    rows = drawn_rows(entry)
    by_class = [
        {each.class_name: each.map for each in row.query_excluded.per_class if each.map is not None} for row in rows
    ]

    def mean(name: str) -> float:
        values = [found[name] for found in by_class if name in found]
        return sum(values) / len(values) if values else -1.0

    classes = sorted(entry.dataset.classes, key=lambda name: (-mean(name), name))
    with figure(7.4, 1.5 + 0.27 * max(len(classes), 4)) as (drawn, save):
        axes = drawn.subplots()
        for index, found in enumerate(by_class):
            values = percents([found.get(name) for name in classes])
            axes.plot(values, range(len(classes)), linestyle="none", markersize=5.5, **_style(index))
        labels = [shorten(name, 26) + ("" if mean(name) >= 0 else " (a single image)") for name in classes]
        axes.set_yticks(range(len(classes)), labels if rows else [shorten(name, 26) for name in classes])
        axes.set_ylim(len(classes) - 0.4, -0.6)
        axes.set_xlim(0, 102)
        axes.set_xlabel("mAP (%), query excluded")
        axes.set_title("mAP by class")
        _legend(drawn, axes, rows)
        return save()


def precision_recall(entry: DatasetTable) -> bytes:
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
            curve = row.query_excluded.pr_curve
            marked = [place for place, n in enumerate(curve.n) if n in _POINTS]
            axes.plot(
                percents(curve.recall),
                percents(curve.precision),
                markevery=marked,
                **_line(index),
            )
        percent_axes(axes, "Recall (%)", "Precision (%)")
        axes.set_xlim(0, 102)
        axes.set_title("Precision and recall, query excluded; marks: 2, 5, 10, 20 images returned")
        _legend(drawn, axes, rows)
        return save()


def precision_by_returned(entry: DatasetTable, largest: int = 100) -> bytes:
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
            curve = row.query_excluded.pr_curve
            kept = [place for place, n in enumerate(curve.n) if 2 <= n <= largest]
            numbers = [curve.n[place] for place in kept]
            shown = max([shown, *numbers])
            marked = [place for place, n in enumerate(numbers) if n in _TICKS_N]
            values = percents([curve.precision[place] for place in kept])
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


def _legend(drawn: Figure, axes: Axes, rows: Sequence[MeasuredRow]) -> None:
    """Name the rows beside the axes."""
    if rows:
        drawn.legend(
            axes.lines, [shorten(row.label, 44) for row in rows], loc="outside lower left", ncols=2, fontsize=8
        )
    else:
        note(axes, _NOTHING)
