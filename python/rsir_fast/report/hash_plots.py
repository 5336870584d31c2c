"""Figures of retrieval by hash codes and of the labels beside them, as SVG in the manner of `rsir_fast.report.plots`.

Curves take what `rsir_fast.protocols.evaluate_codes` returns, one or several by the name they carry in the legend; each
has a marker and a line style of its own, so that colour is never the only cue.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rsir_fast.report._figure import (
    COLOURS,
    INK,
    MARKERS,
    Panel,
    bars,
    figure,
    legend_or_note,
    note,
    number_or,
    percent_axes,
    percents,
)
from rsir_fast.report.format import count, percent, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from rsir_fast.protocols.dhcnn2021_result import CodeFigures

__all__ = [
    "class_bars",
    "confusion_matrix_plot",
    "precision_by_number",
    "precision_recall_by_radius",
    "recall_by_number",
]

_LINES = ("-", "--", "-.", ":")
_NAMED_RADII = (0, 2, 4, 8, 16, 32, 64)
_ROOM = 9.0
"""Percent between two named radii, so that their names do not touch."""

_NAMED_WITHIN = 3
"""Curves whose names find room between them; those of more stand aside."""

Curves = Mapping[str, "CodeFigures"]


def precision_recall_by_radius(curves: Curves) -> bytes:
    """Draw precision against recall, over all pairs, one point for each Hamming radius.

    Parameters
    ----------
    curves : mapping of str to CodeFigures
        Figures of `rsir_fast.protocols.evaluate_codes` by their name in the legend. Radii within which nothing lies
        have no point; of a single curve, some radii are named.

    Returns
    -------
    bytes
        One SVG file.

    Examples
    --------
    >>> import numpy as np
    >>> from rsir_fast.protocols import evaluate_codes
    >>> codes, labels = np.array([[0], [1], [15], [7]], np.uint8), np.array([0, 0, 1, 1])
    >>> figures = evaluate_codes(codes, labels, 4, np.array([0, 2]), np.array([1, 3]))
    >>> svg = precision_recall_by_radius({"mine": figures})
    >>> b"Recall (%)" in svg, b"mine" in svg
    (True, True)
    """
    with figure(_width(curves), 3.9) as (drawn, save):
        axes = drawn.subplots()
        for name, measures, style in _styled(curves):
            precision, recall = measures.radius.precision, measures.radius.recall
            points = [
                (radius, 100 * r, 100 * p)
                for radius, (r, p) in enumerate(zip(recall, precision, strict=True))
                if r is not None and p is not None
            ]
            if points:
                _, x, y = zip(*points, strict=True)
                axes.plot(x, y, label=shorten(name, 30), markevery=0.08, **style)
            if len(curves) == 1:
                _name_radii(axes, points)
        percent_axes(axes, "Recall (%)", "Precision (%)")
        axes.set_xlim(-2, 102)
        axes.set_xticks(range(0, 101, 20))
        axes.set_title("Precision and recall by Hamming radius")
        few = len(axes.lines) <= _NAMED_WITHIN
        legend_or_note(axes, "no two items of one class to compare", within=few)
        return save()


def precision_by_number(curves: Curves) -> bytes:
    """Draw mean precision against the number of returned items.

    Parameters
    ----------
    curves : mapping of str to CodeFigures
        As in `precision_recall_by_radius`.

    Returns
    -------
    bytes
        One SVG file.

    Examples
    --------
    >>> import numpy as np
    >>> from rsir_fast.protocols import evaluate_codes
    >>> codes, labels = np.array([[0], [1], [15], [7]], np.uint8), np.array([0, 0, 1, 1])
    >>> figures = evaluate_codes(codes, labels, 4, np.array([0, 2]), np.array([1, 3]))
    >>> b"Items returned" in precision_by_number({"mine": figures})
    True
    """
    lines = {name: measures.precision_at for name, measures in curves.items()}
    return _by_number(curves, lines, "Mean precision (%)", "Precision by number of items returned")


def recall_by_number(curves: Curves) -> bytes:
    """Draw mean recall against the number of returned items.

    Parameters
    ----------
    curves : mapping of str to CodeFigures
        As in `precision_recall_by_radius`.

    Returns
    -------
    bytes
        One SVG file.

    Examples
    --------
    >>> import numpy as np
    >>> from rsir_fast.protocols import evaluate_codes
    >>> codes, labels = np.array([[0], [1], [15], [7]], np.uint8), np.array([0, 0, 1, 1])
    >>> figures = evaluate_codes(codes, labels, 4, np.array([0, 2]), np.array([1, 3]))
    >>> b"Mean recall (%)" in recall_by_number({"mine": figures})
    True
    """
    lines = {name: measures.recall_at for name, measures in curves.items()}
    return _by_number(curves, lines, "Mean recall (%)", "Recall by number of items returned")


def confusion_matrix_plot(confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> bytes:
    """Draw how many items of each true class (row) were given each label (column).

    Parameters
    ----------
    confusion : [c, c] int
        Counts, as of `rsir_fast.metrics.confusion_matrix`; a cell is as dark as its share of the row.
    classes : sequence of str
        c names.

    Returns
    -------
    bytes
        One SVG file that grows with the number of classes. Cells without items are empty.

    Examples
    --------
    >>> svg = confusion_matrix_plot([[3, 1], [0, 4]], ["beach", "river"])
    >>> b"true class" in svg, b">beach<" in svg
    (True, True)
    """
    rows = [[int(value) for value in row] for row in confusion]
    size, names = len(classes), [shorten(name, 26) for name in classes]
    side = 0.9 + 0.085 * max(map(len, names), default=0) + size * (0.26 if size > 8 else 0.4)
    with figure(max(side, 2.6), max(side, 2.2)) as (drawn, save):
        from matplotlib.colors import LinearSegmentedColormap

        axes = drawn.subplots()
        axes.set_title("Labels of the test images")
        if not size:
            note(axes, "no classes")
            return save()
        shares = [[value / max(1, sum(row)) for value in row] for row in rows]
        shades = LinearSegmentedColormap.from_list("shares", ["#ffffff", "#0b5394"])
        edges = [place - 0.5 for place in range(size + 1)]
        axes.pcolormesh(edges, edges, shares, cmap=shades, vmin=0, vmax=1, edgecolors="#e5e7eb", linewidth=0.6)
        for i, row in enumerate(rows):
            for j, value in enumerate(row):
                if value:
                    ink = "white" if shares[i][j] > 0.75 else INK
                    axes.text(j, i, count(value), ha="center", va="center", fontsize=7, color=ink)
        axes.set_xticks(range(size), names, rotation=90)
        axes.set_yticks(range(size), names)
        axes.set_xlabel("label given")
        axes.set_ylabel("true class")
        axes.set_ylim(size - 0.5, -0.5)
        axes.set_aspect("equal")
        axes.grid(visible=False)
        axes.tick_params(length=0)
        return save()


def class_bars(classes: Sequence[str], precision: Sequence[float | None], accuracy: Sequence[float | None]) -> bytes:
    """Draw expected mAP and the share of right labels of every class, best mAP first.

    Parameters
    ----------
    classes : [c] str
    precision, accuracy : [c] float or None
        Between 0 and 1; classes without a value come last, with a dash.

    Returns
    -------
    bytes
        One SVG file whose height grows with the number of classes.

    Examples
    --------
    >>> svg = class_bars(["beach", "forest"], [0.9, 0.95], [1.0, None])
    >>> svg.index(b"forest") < svg.index(b"beach")
    True
    """
    order = sorted(range(len(classes)), key=lambda place: (-number_or(precision[place], -1.0), classes[place]))
    panels = []
    for label, values in (("mAP (%), expected over ties", precision), ("right labels (%)", accuracy)):
        sorted_values = [values[place] for place in order]
        texts = [percent(value).removesuffix(" %") for value in sorted_values]
        panels.append(Panel(label, percents(sorted_values), texts, 100.0))
    return bars([classes[place] for place in order], panels, "By class, test images", "no classes")


def _by_number(curves: Curves, lines: Mapping[str, Sequence[float | None]], y_label: str, title: str) -> bytes:
    with figure(_width(curves), 3.9) as (drawn, save):
        axes = drawn.subplots()
        for name, measures, style in _styled(curves):
            if any(value is not None for value in lines[name]):
                axes.plot(measures.cutoffs, percents(lines[name]), label=shorten(name, 30), **style)
        percent_axes(axes, "Items returned", y_label)
        axes.set_xlim(left=0)
        axes.set_title(title)
        few = len(axes.lines) <= _NAMED_WITHIN
        legend_or_note(axes, "no query has another item of its class", within=few)
        return save()


def _styled(curves: Curves) -> Iterator[tuple[str, CodeFigures, dict[str, Any]]]:
    """Yield name, figures and the look of every curve."""
    for index, (name, measures) in enumerate(curves.items()):
        look = {
            "color": COLOURS[index % len(COLOURS)],
            "marker": MARKERS[index % len(MARKERS)],
            "linestyle": _LINES[index % len(_LINES)],
        }
        yield name, measures, {**look, "markersize": 4.5}


def _width(curves: Curves) -> float:
    return 4.8 if len(curves) <= _NAMED_WITHIN else 6.6


def _name_radii(axes: Axes, points: Sequence[tuple[int, float, float]]) -> None:
    placed: list[tuple[float, float]] = []
    for radius, x, y in points:
        if radius in _NAMED_RADII and all(max(abs(x - a), abs(y - b)) >= _ROOM for a, b in placed):
            placed.append((x, y))
            aside, side = ((7, 5), "left") if x < 85 else ((-7, -11), "right")
            axes.annotate(
                f"r = {radius}",
                (x, y),
                aside,
                textcoords="offset points",
                ha=side,
                fontsize=8,
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 0.8},
            )
