"""What all figures share: their look, and how one becomes the bytes of an SVG file."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from rsir_fast.report.format import shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">")
GREY, INK = "#6b7280", "#1f2937"
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "rsir_fast",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#e5e7eb",
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "figure.constrained_layout.h_pad": 0.08,
    "figure.constrained_layout.w_pad": 0.08,
}


class Panel(NamedTuple):
    """One measure of every class: what stands under it, the bars' lengths, their texts, and the longest possible."""

    label: str
    values: Sequence[float | None]
    texts: Sequence[str]
    largest: float


@contextmanager
def figure(width: float, height: float) -> Iterator[tuple[Figure, Callable[[], bytes]]]:
    """Yield a figure (inches) and the function that turns it into bytes; matplotlib is loaded here and nowhere else."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(), warnings.catch_warnings():
        # The defaults first: a setting of the user's that the style does not name would change the file.
        warnings.simplefilter("ignore", mpl.MatplotlibDeprecationWarning)
        mpl.rcParams.update({k: v for k, v in mpl.rcParamsDefault.items() if not k.startswith("backend")})
        mpl.rcParams.update(STYLE)
        # Text is left to the viewer's fonts, so a glyph that DejaVu lacks only makes a width estimate inexact.
        warnings.filterwarnings("ignore", message=r"(?s).*Glyph .* missing from", category=UserWarning)
        drawn = Figure(figsize=(width, height), layout="constrained")

        def save() -> bytes:
            target = io.BytesIO()
            nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
            drawn.savefig(target, format="svg", metadata=nothing)
            return target.getvalue()

        yield drawn, save


def bars(names: Sequence[str], panels: Sequence[Panel], title: str, reason: str) -> bytes:
    """Draw measures of every class side by side, a bar a class, and say why if there is none."""
    with figure(6.6, 1.25 + 0.235 * max(len(names), 2)) as (drawn, save):
        places = range(len(names))
        sides = drawn.subplots(1, len(panels), sharey=True)
        for axes, panel, colour in zip(sides, panels, COLOURS, strict=False):
            values = [number_or(value, 0.0) for value in panel.values]
            axes.barh(places, values, height=0.66, color=colour)
            for place, (value, text) in enumerate(zip(values, panel.texts, strict=True)):
                axes.text(value + 0.015 * panel.largest, place, text, va="center", fontsize=8)
            axes.set_xlim(0, 1.16 * panel.largest)
            axes.set_xticks([tick * panel.largest / 4 for tick in range(5)])
            axes.set_xlabel(panel.label)
            axes.grid(visible=False, axis="y")
            axes.tick_params(axis="y", length=0)
        sides[0].set_yticks(places, [shorten(name, 26) for name in names])
        sides[0].set_title(title)
        sides[0].set_ylim(max(len(names), 2) - 0.4, -0.6)
        if not names:
            note(sides[0], reason)
        return save()


def percent_axes(axes: Axes, x_label: str, y_label: str) -> None:
    """Make the vertical axis one of percent."""
    axes.set_ylim(0, 102)
    axes.set_yticks(range(0, 101, 20))
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)


def legend_or_note(axes: Axes, reason: str, *, within: bool = True) -> None:
    """Name the lines, within the axes or beside them, or say why there are none."""
    if axes.lines and not within:
        axes.figure.legend(loc="outside right upper", fontsize=8)
    elif axes.lines:
        axes.legend(loc="best", fontsize=8)
    else:
        note(axes, reason)


def note(axes: Axes, text: str) -> None:
    """Say something in the middle of an empty figure."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=GREY)


def number_or(value: float | None, missing: float) -> float:
    """Return a finite number, or what stands for a missing one."""
    return missing if value is None or not math.isfinite(value) else float(value)


def percents(values: Sequence[float | None]) -> list[float]:
    """Return percent, NaN where a value is missing."""
    return [100 * number_or(value, math.nan) for value in values]
