"""The tables of `reproduce_dhcnn2021` and `reproduce_hashing` for readers: every form of table, plots, one page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType

from rsir_fast.base.renamed import former_names
from rsir_fast.base.shown import counted
from rsir_fast.report._figure import COLOURS, GREY, MARKERS, figure, legend_or_note, number_or, percent_axes
from rsir_fast.report.compact import BRACKETS, compacted, without_intervals
from rsir_fast.report.content import Content, Options, Page
from rsir_fast.report.describe import Citation, Row, citations, network_text, notes, provenance_rows
from rsir_fast.report.format import count, shorten
from rsir_fast.report.grid import Cell, Column, Grid, GridRow, table_files, to_csv, to_terminal
from rsir_fast.report.hash_plots import precision_by_number, precision_recall_by_radius, recall_by_number
from rsir_fast.report.hashing_citations import METHODS_CITED
from rsir_fast.report.page import inline_svg
from rsir_fast.report.published import deviation, is_uc_merced
from rsir_fast.report.published_hashing import PUBLISHED, RIVALS
from rsir_fast.report.rules import rules_rows, wrong_labels

if TYPE_CHECKING:
    from rsir_fast.protocols.intervals import UnitInterval
    from rsir_fast.protocols.reproduce_dhcnn2021_result import (
        Dhcnn2021TableSettings,
        HashRow,
        HashTableResult,
        SeedRun,
    )

__all__ = ["comparison_grid", "content", "map_by_bits", "runs_grid", "table"]

_TRAIN = "mAP (%), test vs train"
_PARTS = ("spread", "runs", "low", "high")
COLUMNS = (
    Column("map_expected", "expected", _TRAIN, parts=_PARTS),
    Column("map_by_index", "by index", _TRAIN, parts=_PARTS),
    Column("map_worst", "worst", _TRAIN, parts=_PARTS),
    Column("map_best", "best", _TRAIN, parts=_PARTS),
    Column("test_map_expected", "expected", "test vs test", parts=_PARTS),
    Column("overall_accuracy", "OA (%)", "labels", parts=_PARTS),
    Column("kappa", "kappa", "labels", scale=1, decimals=3, parts=_PARTS),
)
QUOTED = Column("quoted", "as quoted", "mAP (%), not comparable")
"""Published figures whose cut-off or split is not known."""

_SHORT = ("map_expected", "map_by_index", "test_map_expected", "overall_accuracy")
"""Measures that find room in a terminal."""

_PLACES = {"map_expected": "test vs train", "test_map_expected": "unseen classes among themselves"}

_CITED = (
    Citation(
        "Gong Y., Lazebnik S., Gordo A., Perronnin F. (2013). Iterative quantization: a Procrustean approach to "
        "learning binary codes for large-scale image retrieval. IEEE TPAMI 35(12). (ITQ)",
        "https://doi.org/10.1109/TPAMI.2012.193",
    ),
    Citation(
        "Nadeau C., Bengio Y. (2003). Inference for the generalization error. Machine Learning 52, 239-281. (intervals "
        "over splits)",
        "https://doi.org/10.1023/A:1024068626366",
    ),
    Citation(
        "Charikar M. S. (2002). Similarity estimation techniques from rounding algorithms. STOC. (random projection)",
        "https://doi.org/10.1145/509907.509965",
    ),
    Citation(
        "Sablayrolles A., Douze M., Usunier N., Jégou H. (2017). How should we evaluate supervised hashing? ICASSP. "
        "(labels as codes, products of probabilities)",
        "https://arxiv.org/abs/1609.06753",
    ),
)


def comparison_grid(result: HashTableResult) -> Grid:
    """Lay the result out as a table, with the published numbers under it where the data set is theirs."""
    rows = [
        GridRow(
            row.method,
            {key: _cell(row, key) for key in row.measures},
            _group(row),
            remark=row.remark or ("" if row.bits else _uncoded(result)),
        )
        for row in result.rows
    ]
    stated, columns = [_headline(result), _spread(result), *_interval(result)], _columns(result)
    if result.settings.on_unseen_classes:
        stated.append(
            "The drawn classes are not trained on: their images are ranked among themselves, each left out of its own "
            "ranking."
        )
    elif is_uc_merced(result.dataset.name):
        for method in (*PUBLISHED, *(RIVALS if result.protocol == "reproduce hashing" else ())):
            cells = {"quoted" if method.unknown else "map_expected": Cell(method.map, remark=method.remark)}
            if method.overall_accuracy is not None:
                cells["overall_accuracy"] = Cell(method.overall_accuracy, remark=method.remark)
            rows.append(GridRow(method.method, cells, "published"))
        stated.append("How ties were ordered in the published numbers is not stated.")
        columns.append(QUOTED)
        stated.append("mAP as quoted stands apart: its cut-off or its split is not known.")
        if differs := deviation(result.dataset, 21, 100):
            stated.append(f"The published numbers are of other images: {differs}.")
        if not _as_published(result.settings):
            stated.append("The published numbers are of 80 % of each class and true labels to train on: no comparison.")
    return Grid(_title(result), "method", columns, rows, stated)


def runs_grid(result: HashTableResult) -> Grid:
    """Lay out the single runs behind `comparison_grid`: a row for each method, length and seed."""
    rows = [
        GridRow(
            f"seed {run.seed}",
            {key: _cell_of_run(run, key, measured.missing or "") for key, measured in row.measures.items()},
            f"{row.method}, {_group(row)}",
        )
        for row in result.rows
        for run in row.runs
    ]
    return Grid(f"{_title(result)}: single runs", "run", _columns(result), rows, _interval_of_runs(result))


def table(result: HashTableResult, _: bool, all_rows: bool) -> RenderableType:
    """Lay the table out for a terminal: its chief measures; without what holds nothing, unless `all_rows`."""
    grid = without_intervals(comparison_grid(result))
    columns = [column for column in grid.columns if column.key in _SHORT]
    return to_terminal(compacted(replace(grid, columns=columns), all_rows))


def map_by_bits(result: HashTableResult) -> bytes:
    """Draw mAP (test against train or on unseen classes, expected over ties) against hash length.

    Returns
    -------
    bytes
        One SVG file, a line for each method. Bars: one sample standard deviation over the seeds up and down; the
        dashed line is the ranking by features, without codes.
    """
    measure = "test_map_expected" if result.settings.on_unseen_classes else "map_expected"
    with figure(6.6, 3.9) as (drawn, save):
        axes = drawn.subplots()
        lengths = sorted(result.settings.lengths)
        methods = dict.fromkeys(row.method for row in result.rows if row.bits)
        for index, method in enumerate(methods):
            rows = [(row.bits, row.measures[measure]) for row in result.rows if row.method == method]
            found = [
                (lengths.index(bits), 100 * measured.mean, 100 * number_or(measured.deviation, 0.0))
                for bits, measured in rows
                if bits is not None and measured.mean is not None
            ]
            if found:
                places, means, deviations = zip(*found, strict=True)
                axes.errorbar(
                    # Beside one another, so that bars at one length can be told apart.
                    [place + 0.05 * (index - (len(methods) - 1) / 2) for place in places],
                    means,
                    deviations,
                    color=COLOURS[index % len(COLOURS)],
                    marker=MARKERS[index % len(MARKERS)],
                    markersize=4.5,
                    capsize=3,
                    label=shorten(method, 40),
                )
        for row in result.rows:
            mean = row.measures[measure].mean
            if row.bits is None and mean is not None:
                label = f"{row.method} (no codes)"
                axes.axhline(100 * mean, color=GREY, linestyle="--", linewidth=1.2, label=label)
        percent_axes(axes, "Hash length (bits)", f"mAP, {_PLACES[measure]} (%)")
        axes.set_xticks(range(len(lengths)), [str(bits) for bits in lengths])
        axes.set_xlim(-0.4, len(lengths) - 0.6)
        axes.set_title("mAP by hash length")
        legend_or_note(axes, "no query has a relevant image", within=False)
        return save()


def content(result: HashTableResult, options: Options) -> Content:
    """Put the report together.

    Its files: ``table`` as .md, .csv and .tex, ``runs.csv``, ``map_by_bits.svg``, ``pr_by_radius.svg``,
    ``precision_by_number.svg``, ``recall_by_number.svg``.
    """
    grid, runs = (compacted(each, options.all_rows) for each in (comparison_grid(result), runs_grid(result)))
    curves = result.curves.methods
    plots = {
        "map_by_bits": map_by_bits(result),
        "pr_by_radius": precision_recall_by_radius(curves),
        "precision_by_number": precision_by_number(curves),
        "recall_by_number": recall_by_number(curves),
    }
    page = Page(
        template="comparison.html.j2",
        title=_title(result),
        notes=notes(result),
        method=_setting_rows(result.settings),
        provenance=provenance_rows(result, network_text(result.features)),
        skipped=result.dataset.skipped,
        citations=_cited(result),
        particular={
            "grid": grid,
            "runs": runs,
            "ranked": "unseen classes among themselves" if result.settings.on_unseen_classes else "test against train",
            "plots": {name: inline_svg(svg, name) for name, svg in plots.items()},
        },
    )
    files = {**table_files("table", grid), "runs.csv": to_csv(runs)}
    return Content(page, {**files, **{f"{name}.svg": svg for name, svg in plots.items()}})


def _cited(result: HashTableResult) -> list[Citation]:
    """Name the publications behind the data set and every method."""
    names = [recipe.get("loss", {}).get("method", "dhcnn") for recipe in result.settings.recipes.values()]
    protocol = "dhcnn2021" if "dhcnn" in names else ""
    own = [METHODS_CITED[name] for name in names if name in METHODS_CITED]
    return [*citations(protocol, result.dataset, result.features), *own, *_CITED]


def _title(result: HashTableResult) -> str:
    return f"{result.dataset.name}: {result.features.title}, {result.features.layer}"


def _columns(result: HashTableResult) -> list[Column]:
    """Return the columns; what is ranked among themselves by its name."""
    if not result.settings.on_unseen_classes:
        return list(COLUMNS)
    return [
        replace(each, group="mAP (%), unseen classes") if each.key == "test_map_expected" else each for each in COLUMNS
    ]


def _uncoded(result: HashTableResult) -> str:
    return f"row-normalised, {count(result.features.dim)} float32 values an image"


def _group(row: HashRow) -> str:
    return f"{row.bits} bits" if row.bits else "no codes"


def _cell(row: HashRow, key: str) -> Cell:
    """Return a mean with its interval over splits, or, of a single run, that by class."""
    measured = row.measures[key]
    sure = _by_class(row.runs[0], key) if measured.interval is None and len(row.runs) == 1 else measured.interval
    low, high = (None, None) if sure is None else (sure.low, sure.high)
    return Cell(measured.mean, measured.deviation, measured.seeds or None, measured.missing or "", low, high)


def _cell_of_run(run: SeedRun, key: str, missing: str) -> Cell:
    """Return a figure of a single run, with the interval by class that its own test images give."""
    sure = _by_class(run, key)
    low, high = (None, None) if sure is None else (sure.low, sure.high)
    return Cell(getattr(run, key), runs=1, remark=missing, low=low, high=high)


def _by_class(run: SeedRun, key: str) -> UnitInterval | None:
    found = run.intervals.get(key)
    return None if found is None else found.by_class


def _spread(result: HashTableResult) -> str:
    seeds = result.settings.seeds
    rules = result.settings.rules
    given = rules is not None and rules.split.kind == "given"
    what = "classes, " if result.settings.on_unseen_classes else "" if given else "split, "
    drawn = f"a seed draws {what}new weights, order and the directions of the baselines"
    if len(seeds) == 1:
        return f"One seed ({seeds[0]}), no spread: {drawn}."
    listed = ", ".join(map(str, seeds))
    return f"Mean ± sample standard deviation over {len(seeds)} seeds ({listed}): {drawn}."


def _as_published(settings: Dhcnn2021TableSettings) -> bool:
    """Tell whether the network was taught as much as those of the published figures."""
    split = None if settings.rules is None else settings.rules.split
    drawn = split is None or (split.kind == "drawn" and split.shots is None)
    share = settings.train if split is None or split.train is None else split.train
    return drawn and share == 0.8 and not settings.label_noise


def _headline(result: HashTableResult) -> str:
    """Say in a line what the figures are of: network, recipe, gallery."""
    settings = result.settings
    trained = "frozen" if settings.freeze_backbone else "trained end to end"
    recipes = dict.fromkeys(str(recipe.get("name") or "unnamed") for recipe in settings.recipes.values())
    galleries = (
        "gallery: the other images of these classes"
        if settings.on_unseen_classes
        else "gallery of test vs train: the training images, whose labels the model has seen; of test vs test: the "
        "other test images"
    )
    shots = None if settings.rules is None else settings.rules.split.shots
    taught = [] if shots is None else [f"{counted(shots, 'training image', 'training images')} of each class"]
    if settings.label_noise:
        taught.append(wrong_labels(settings.label_noise, settings.noise))
    said = [f"{network_text(result.features)}, {trained}", f"recipe: {', '.join(recipes)}", *taught, galleries]
    return f"{'; '.join(said)}."


def _interval(result: HashTableResult) -> list[str]:
    """Say what the brackets of means over seeds are, or why there are none; nothing for a result of before."""
    of_runs = _interval_of_runs(result)
    if all(measured.interval is None for row in result.rows for measured in row.measures.values()):
        if len(result.settings.seeds) == 1 or not any(run.intervals for row in result.rows for run in row.runs):
            return of_runs
        said = "No interval of the means: all seeds have one split."
        return [f"{said} Single runs have intervals over its test images." if of_runs else said]
    drawn = "draws" if result.settings.on_unseen_classes else "splits"
    return [
        f"{BRACKETS} 95 % interval of the mean over {len(result.settings.seeds)} {drawn}, Student's t with the "
        f"variance of Nadeau and Bengio (2003), as {drawn} share images."
    ]


def _interval_of_runs(result: HashTableResult) -> list[str]:
    """Say what the brackets of single runs are; nothing where there are none, of a few classes or of before."""
    measures = [(run, key) for row in result.rows for run in row.runs for key in run.intervals]
    found = next((sure for run, key in measures if (sure := _by_class(run, key)) is not None), None)
    if found is None:
        return []
    said = (
        f"{BRACKETS} 95 % interval by class: the {found.units} classes are drawn with all their test images, "
        f"{count(found.resamples)} times; it speaks of other classes, not of other splits or trainings."
    )
    if not result.settings.on_unseen_classes:
        said += (
            " Other columns are the same rankings with ties by other rules, and kappa is of the same labels: no "
            "interval of their own."
        )
    return [said]


def _setting_rows(settings: Dhcnn2021TableSettings) -> list[Row]:
    """State the settings, the recipe of each method in a line."""
    apart = ("recipes", "rules", "unseen_classes")
    rows = [
        Row(key.replace("_", " "), _said(value)) for key, value in settings if key not in apart and value is not None
    ]
    drawn = zip(settings.seeds, settings.unseen_classes or (), strict=settings.on_unseen_classes)
    return [
        *rules_rows(settings.rules),
        *rows,
        *(Row(f"classes not trained on, seed {seed}", ", ".join(classes)) for seed, classes in drawn),
        *(Row(f"recipe of {method}", _said(recipe)) for method, recipe in settings.recipes.items()),
    ]


def _said(value: Any) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{key.replace('_', ' ')}: {_said(entry)}" for key, entry in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


__getattr__ = former_names(
    __name__,
    {"comparison_table": "rsir_fast.report.result_table", "write_comparison": "rsir_fast.report.write_report"},
)
