"""SVGs made of results: `python benchmarks/plots.py RESULT.json OUT.svg` (or .png)."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("agg")
# Text stays text: a fifth of the size of outlines.
mpl.rcParams.update({"svg.hashsalt": "rsir_fast", "svg.fonttype": "none", "font.size": 9})

import numpy as np  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.ticker import NullLocator  # noqa: E402

from tables import LABELS  # noqa: E402

Result = dict[str, Any]

# Okabe and Ito: told apart by colour-blind readers too.
COLOURS = {
    "faiss": "#56B4E9",
    "faiss-best": "#0072B2",
    "torch": "#E69F00",
    "torch-layer_norm": "#F0E442",
    "numpy": "#009E73",
    "sklearn": "#CC79A7",
    "usearch": "#D55E00",
    "rsir_fast-plain": "#999999",
}
SIZES = ["#56B4E9", "#0072B2", "#009E73", "#D55E00"]


def draw(result: Result, path: Path) -> bool:
    """Draw a result; return whether its kind has a plot."""
    if result["kind"] == "bench" and any(case["pairs"] for case in result["cases"]):
        _save(_bars(result), path)
    elif result["kind"] == "sweep" and result["cells"]:
        _save(_curves(result), path)
    else:
        return False
    return True


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=110)


def _bars(result: Result) -> Figure:
    """Ratio to every peer, a panel for every case; the target is a black tick."""
    shown = [case for case in result["cases"] if case["pairs"]]
    columns = 3
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(12.5, 1.0 + 1.9 * rows), layout="constrained")
    every = [pair["ratio"] for case in shown for pair in case["pairs"]]
    every += [target for case in shown for target in case["targets"].values()]
    limits = (min(0.5, min(every) / 1.5), 4 * max(2.0, *every))
    for number, case in enumerate(shown, 1):
        axes = figure.add_subplot(rows, columns, number)
        _panel(axes, case, limits)
    machine = result["machine"]
    figure.suptitle(
        f"How many times as long as rsir_fast: {machine['cpu']}, {machine['cores']} cores. "
        "Thin lines: quartiles of paired turns; black ticks: targets",
        fontsize=10,
    )
    return figure


def _panel(axes: Axes, case: Result, limits: tuple[float, float]) -> None:
    pairs = case["pairs"]
    for place, pair in enumerate(pairs):
        low, high = pair["ratio_quartiles"]
        middle = pair["ratio"]
        error = [[max(0.0, middle - low)], [max(0.0, high - middle)]]
        axes.barh(place, middle - 1, left=1, color=COLOURS.get(pair["peer"], "#999999"), height=0.7)
        axes.errorbar(middle, place, xerr=error, color="0.3", linewidth=1)
        target = case["targets"].get(pair["peer"], 0)
        if target:
            axes.plot([target, target], [place - 0.42, place + 0.42], color="black", linewidth=2)
        right = max(middle, high, target, 1)
        axes.annotate(
            f"{middle:.3g}x", (right, place), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8
        )
    axes.axvline(1, color="0.5", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_xlim(*limits)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}x")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_yticks(range(len(pairs)), [LABELS.get(pair["peer"], pair["peer"]) for pair in pairs])
    axes.invert_yaxis()
    axes.set_title(f"{case['name']}\nours {pairs[0]['ours_ms']:.3g} ms", fontsize=8.5, loc="left")
    axes.spines[["top", "right"]].set_visible(False)


def _curves(result: Result) -> Figure:
    """Ratio of the fastest peer over the query count, a panel for every d, a line for every n."""
    cells = result["cells"]
    dims = sorted({cell["d"] for cell in cells})
    sizes = sorted({cell["n"] for cell in cells})
    figure = Figure(figsize=(11, 3.6 * -(-len(dims) // 2)), layout="constrained")
    first = None
    for number, d in enumerate(dims, 1):
        axes = figure.add_subplot(-(-len(dims) // 2), min(2, len(dims)), number, sharex=first, sharey=first)
        first = first or axes
        for place, n in enumerate(sizes):
            here = [cell for cell in cells if (cell["n"], cell["d"]) == (n, d)]
            counts = sorted({cell["q"] for cell in here})
            if not counts:
                continue
            least = [min(cell["ratio"] for cell in here if cell["q"] == q) for q in counts]
            axes.plot(counts, least, marker="o", markersize=3, color=SIZES[place % len(SIZES)],
                      linestyle=["-", "--", "-.", ":"][place // len(SIZES) % 4], label=f"n = {n:,}")  # fmt: skip
        axes.axhline(1, color="black", linewidth=1)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log", base=2)
        axes.set_title(f"d = {d}")
        axes.grid(alpha=0.3)
        axes.set_xlabel("queries")
        axes.set_ylabel("fastest peer / ours")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}x")
        axes.set_xticks(2.0 ** np.arange(0, 13, 2))
    lines = {str(line.get_label()): line for axes in figure.axes for line in axes.lines[:-1]}
    figure.legend(handles=list(lines.values()), loc="outside lower center", ncols=len(lines))
    ks = result["k"] if isinstance(result["k"], int) else " or ".join(map(str, result["k"])) + ", the smaller ratio"
    figure.suptitle(f"How many times as long the fastest peer takes, k = {ks}, {result['machine']['cpu']}")
    return figure


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("result", type=Path)
    options.add_argument("out", type=Path)
    chosen = options.parse_args()
    draw(json.loads(chosen.result.read_text()), chosen.out)


if __name__ == "__main__":
    main()
