"""The reproduction of Ge et al. 2018 for readers: every form of table, plots, one HTML page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType

from rsir_fast.base.result_json import result_json
from rsir_fast.report import ge2018
from rsir_fast.report.compact import compacted
from rsir_fast.report.describe import Citation, Row, citations, provenance_rows
from rsir_fast.report.format import count
from rsir_fast.report.ge2018_plots import left_out, map_by_class, precision_by_returned, precision_recall
from rsir_fast.report.ge2018_tables import anmrr_grid, map_grid, short
from rsir_fast.report.grid import Grid, escape_markdown, to_csv, to_latex, to_markdown, to_terminal
from rsir_fast.report.page import inline_svg
from rsir_fast.report.templating import template
from rsir_fast.report.write import write_texts

__all__ = ["reproduction_tables", "write_reproduction"]

_PLOTS = {
    "map_by_class": (map_by_class, "mAP by class; query excluded."),
    "precision_recall": (precision_recall, "Macro-averaged over the queries."),
    "precision_by_number": (precision_by_returned, "Mean over the queries."),
}
_OF_ALL = ("Data set", "rsir_fast")
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
)


def reproduction_tables(result: Mapping[str, Any], *, all_rows: bool = False) -> RenderableType:
    """Lay the tables out for a terminal: their chief columns; without what holds nothing, unless `all_rows`."""
    kept = _kept(all_rows)
    grids = [*(map_grid(entry, result["settings"]) for entry in result["datasets"]), anmrr_grid(result)]
    return Group(*(to_terminal(kept(short(grid))) for grid in grids))


def write_reproduction(
    folder: str | Path, result: Mapping[str, Any], *, command: str | None = None, all_rows: bool = False
) -> dict[str, Path]:
    """Write ``result.json``, the tables in every form, the plots and ``report.html`` into a folder.

    The same result and command give the same bytes; no file is ever half there.

    Parameters
    ----------
    folder : path
        Made if missing; files of the same names are replaced.
    result : dict
        Of `rsir_fast.protocols.reproduce_ge2018`.
    command : str, optional
        The command line that gives it again, for the page.
    all_rows : bool
        Keep rows and columns of the tables that hold no figure; ``result.json`` has all of them in any case.

    Returns
    -------
    dict of str to Path
        By file name: ``map-DATA`` and ``anmrr`` as .md, .csv and .tex, ``map_by_class-DATA.svg``,
        ``precision_recall-DATA.svg``, ``precision_by_number-DATA.svg``, ``report.html``, ``result.json``.
    """
    kept = _kept(all_rows)
    texts, sections = {"result.json": result_json(result)}, []
    for entry in result["datasets"]:
        grid, place = kept(map_grid(entry, result["settings"])), entry["folder"]
        plots = {name: draw(entry) for name, (draw, _) in _PLOTS.items()}
        texts |= _forms(f"map-{place}", grid)
        texts |= {f"{name}-{place}.svg": svg.decode() for name, svg in plots.items()}
        missing = left_out(entry)
        rest = f" Not drawn: {'; '.join(missing)}." if missing else ""
        drawn = [(inline_svg(svg, f"{place}-{name}"), _PLOTS[name][1] + rest) for name, svg in plots.items()]
        sections.append(
            {"name": entry["name"], "place": place, "grid": grid, "plots": drawn, "sources": _sources(entry)}
        )
    last = kept(anmrr_grid(result))
    texts |= _forms("anmrr", last)
    skipped = [
        {**one, "item": f"{entry['name']}: {one['item']}"}
        for entry in result["datasets"]
        for one in entry["dataset"]["skipped"]
    ]
    names = ", ".join(entry["name"] for entry in result["datasets"])
    texts["report.html"] = template("reproduction.html.j2").render(
        title=f"Ge et al. 2018 on {names}",
        result=result,
        notes=[
            f"{entry['name']}: {text}" for entry in result["datasets"] for text in entry["dataset"].get("notes", ())
        ],
        sections=sections,
        anmrr=last,
        method=_method_rows(result["settings"]),
        provenance=_provenance(result),
        skipped=skipped,
        skipped_count=len(skipped),
        timing=[],
        citations=[*_cited(result), *_CITED],
        command=command,
    )
    return write_texts(folder, texts)


def _kept(all_rows: bool) -> Callable[[Grid], Grid]:
    """Return what a table goes through before it is shown."""
    return (lambda grid: grid) if all_rows else compacted


def _forms(stem: str, grid: Grid) -> dict[str, str]:
    """Write a table in every form; where a form has no title of its own, one stands above it."""
    title = " ".join(grid.title.split())
    return {
        f"{stem}.md": f"### {escape_markdown(title)}\n\n{to_markdown(grid)}",
        f"{stem}.csv": to_csv(grid),
        f"{stem}.tex": f"% {title}\n{to_latex(grid)}",
    }


def _method_rows(settings: Mapping[str, Any]) -> list[Row]:
    """State how all rows were measured; what differs between them stands under their sources."""
    shared = {key: settings[key] for key in ("distance", "anmrr_k", "query", "ties")}
    rows = [row for row in ge2018.method_rows({"settings": shared}) if row.label != "Normalisation"]
    return [
        Row(
            "Normalisation",
            "Gaussian, over the elements of each vector, as in the paper (equation 2); of morphological texture each "
            "value over the database; none where rows have post-processing of their own",
        ),
        *rows,
        Row(
            "Intervals",
            f"{100 * settings['level']:g} %, percentile bootstrap: {count(settings['resamples'])} draws of the queries "
            "with replacement; they speak of other queries to this database, not of other data sets",
        ),
        Row(
            "Comparison",
            "of AP on the queries that both rows have, the query excluded: bootstrap interval of the mean difference; "
            f"p: share of {count(settings['resamples'])} draws of signs whose sum is at least as far from 0",
        ),
    ]


def _sources(entry: Mapping[str, Any]) -> list[tuple[str, list[Row]]]:
    """Say of every row what its features were made of, and every choice in making them."""
    found = []
    for row in entry["rows"]:
        if row["missing"] is None:
            rows = provenance_rows({"features": row["features"], "dataset": entry["dataset"]})
            normalized = Row("Gaussian normalisation", row["settings"]["normalize"])
            found.append((row["method"], [normalized, *(each for each in rows if each.label not in _OF_ALL)]))
    return found


def _provenance(result: Mapping[str, Any]) -> list[Row]:
    names = [Row(entry["name"], entry["dataset"]["name"]) for entry in result["datasets"]]
    return [*names, Row("rsir_fast", str(result["rsir_fast"]))]


def _cited(result: Mapping[str, Any]) -> list[Citation]:
    """Name the publications behind all rows, each once."""
    found: dict[Citation, None] = {}
    for entry in result["datasets"]:
        for row in entry["rows"]:
            features = row.get("features", {})
            found |= dict.fromkeys(citations({"protocol": "ge2018", "dataset": entry["dataset"], "features": features}))
    return list(found)
