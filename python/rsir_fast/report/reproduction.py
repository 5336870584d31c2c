"""The reproduction of Ge et al. 2018 for readers: every form of table, plots, one HTML page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType

from rsir_fast.base.renamed import former_names
from rsir_fast.protocols.facts import SkippedInput
from rsir_fast.report import ge2018
from rsir_fast.report.compact import compacted
from rsir_fast.report.content import Content, Options, Page
from rsir_fast.report.describe import Citation, Row, citations, features_rows, network_text
from rsir_fast.report.format import count
from rsir_fast.report.ge2018_plots import left_out, map_by_class, precision_by_returned, precision_recall
from rsir_fast.report.ge2018_tables import anmrr_grid, map_grid, short
from rsir_fast.report.grid import table_files, to_terminal
from rsir_fast.report.page import inline_svg
from rsir_fast.report.rules import rules_rows

if TYPE_CHECKING:
    from rsir_fast.protocols.reproduce_ge2018_result import DatasetTable, Ge2018TableResult, Ge2018TableSettings

__all__ = ["content", "table"]

_PLOTS = {
    "map_by_class": (map_by_class, "mAP by class; query excluded."),
    "precision_recall": (precision_recall, "Macro-averaged over the queries."),
    "precision_by_number": (precision_by_returned, "Mean over the queries."),
}
_CITED = (
    Citation(
        "Efron B. (1979). Bootstrap methods: another look at the jackknife. The Annals of Statistics 7(1), 1-26.",
        "https://doi.org/10.1214/aos/1176344552",
    ),
    Citation(
        "Smucker M. D., Allan J., Carterette B. (2007). A comparison of statistical significance tests for information "
        "retrieval evaluation. CIKM.",
        "https://doi.org/10.1145/1321440.1321528",
    ),
    Citation(
        "Holm S. (1979). A simple sequentially rejective multiple test procedure. Scandinavian Journal of Statistics "
        "6(2), 65-70."
    ),
)


def table(result: Ge2018TableResult, _: bool, all_rows: bool) -> RenderableType:
    """Lay the tables out for a terminal: their chief columns; without what holds nothing, unless `all_rows`."""
    grids = [*(map_grid(entry, result.settings) for entry in result.datasets), anmrr_grid(result)]
    return Group(*(to_terminal(compacted(short(grid), all_rows)) for grid in grids))


def content(result: Ge2018TableResult, options: Options) -> Content:
    """Put the report together.

    Its files: ``map-DATA`` and ``anmrr`` as .md, .csv and .tex, ``map_by_class-DATA.svg``,
    ``precision_recall-DATA.svg``, ``precision_by_number-DATA.svg``.
    """
    files: dict[str, str | bytes] = {}
    sections = []
    for entry in result.datasets:
        grid, place = compacted(map_grid(entry, result.settings), options.all_rows), entry.folder
        plots = {name: draw(entry) for name, (draw, _) in _PLOTS.items()}
        files |= table_files(f"map-{place}", grid, title=True)
        files |= {f"{name}-{place}.svg": svg for name, svg in plots.items()}
        missing = left_out(entry)
        rest = f" Not drawn: {'; '.join(missing)}." if missing else ""
        drawn = [(inline_svg(svg, f"{place}-{name}"), _PLOTS[name][1] + rest) for name, svg in plots.items()]
        sections.append({"name": entry.name, "place": place, "grid": grid, "plots": drawn, "sources": _sources(entry)})
    last = compacted(anmrr_grid(result), options.all_rows)
    files |= table_files("anmrr", last, title=True)
    page = Page(
        template="reproduction.html.j2",
        title=f"Ge et al. 2018 on {', '.join(entry.name for entry in result.datasets)}",
        notes=[f"{entry.name}: {text}" for entry in result.datasets for text in entry.dataset.notes],
        method=_method_rows(result.settings),
        provenance=[
            *(Row(entry.name, entry.dataset.name) for entry in result.datasets),
            Row("rsir_fast", result.rsir_fast),
        ],
        skipped=[
            SkippedInput(item=f"{entry.name}: {one.item}", reason=one.reason)
            for entry in result.datasets
            for one in entry.dataset.skipped
        ],
        citations=[*_cited(result), *_CITED],
        particular={"sections": sections, "anmrr": last},
    )
    return Content(page, files)


def _method_rows(settings: Ge2018TableSettings) -> list[Row]:
    """State how all rows were measured; what differs between them stands under their sources."""
    return [
        *rules_rows(settings.rules),
        Row(
            "Normalisation",
            "Gaussian, over the elements of each vector, as in the paper (equation 2); of morphological texture each "
            "value over the database; none where rows have post-processing of their own; otherwise where a row says so",
        ),
        *ge2018.ranking_rows(settings, settings.rules),
        Row(
            "Intervals",
            f"{100 * settings.level:g} %, percentile bootstrap: {count(settings.resamples)} draws of the queries "
            "with replacement, which speak of other queries to this database; by class 50,000 draws of the classes, "
            "each with all its queries, which speak of other classes; neither speaks of other data sets",
        ),
        Row(
            "Comparison",
            "of AP on the queries that both rows have, the query excluded: bootstrap interval of the mean difference; "
            f"p: share of {count(settings.resamples)} draws of signs of the queries, or of the classes (of up to 21 "
            "all ways), whose sum is at least as far from 0; corrected for the number of rows by Holm's steps",
        ),
    ]


def _sources(entry: DatasetTable) -> list[tuple[str, list[Row]]]:
    """Say of every row what its features were made of, and every choice in making them."""
    return [
        (
            row.method,
            [
                Row("Normalisation", row.settings.normalize),
                Row("Distance", row.settings.distance),
                *features_rows(row.features, network_text(row.features)),
            ],
        )
        for row in entry.measured
    ]


def _cited(result: Ge2018TableResult) -> list[Citation]:
    """Name the publications behind all rows, each once."""
    found: dict[Citation, None] = {}
    for entry in result.datasets:
        for row in entry.rows:
            features = None if row.measured is None else row.measured.features
            found |= dict.fromkeys(citations("ge2018", entry.dataset, features))
    return list(found)


__getattr__ = former_names(
    __name__,
    {"reproduction_tables": "rsir_fast.report.result_table", "write_reproduction": "rsir_fast.report.write_report"},
)
