"""``rsir search``: query images against a feature matrix."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsir_fast.cli import options as opt
from rsir_fast.cli.archive_options import VersionNumber
from rsir_fast.cli.evaluating import placed
from rsir_fast.cli.groups import PrintOptions, ReaderOptions, SearchOptions
from rsir_fast.cli.search_filters import FilterOptions
from rsir_fast.cli.search_queries import AskedOptions
from rsir_fast.cli.search_table import search_tables
from rsir_fast.cli.session import note, plural, print_json, print_result, reported_errors
from rsir_fast.errors import FeaturesError

if TYPE_CHECKING:
    from rsir_fast.archive import Features
    from rsir_fast.retrieval import Hits

_CODES = "Features of a trained model"

_BESIDE_CODES = "expected no such option for features of a trained model, whose network and codes are fixed"
_BESIDE_FEATURES = "expected no such option for these features, which are of no trained model"


@dataclass(frozen=True)
class CodeOptions:
    """How hash codes are searched."""

    rerank_codes: Annotated[
        int | None,
        typer.Option(
            "--rerank-codes",
            min=1,
            help="Order that many nearest codes by Euclidean distance of u.",
            rich_help_panel=_CODES,
        ),
    ] = None
    same_label: Annotated[
        bool,
        typer.Option("--same-label", help="Only images of the query's predicted label.", rich_help_panel=_CODES),
    ] = False


@dataclass(frozen=True)
class _Machine(SearchOptions):
    engine: opt.NetworkEngine = None


@dataclass(frozen=True)
class _Archive(ReaderOptions):
    version: VersionNumber = None
    field: opt.FieldName = None
    weights: opt.Weights = None
    root: opt.Root = None


@dataclass(frozen=True)
class VectorOptions:
    """How vectors are searched."""

    normalize: Annotated[
        opt.Normalize | None,
        typer.Option(
            help="Gaussian normalisation: row (the paper), feature, none. Default: as the archive was made for, "
            "row, or none of imported vectors.",
            show_default=False,
        ),
    ] = None
    steps: opt.Steps = ""
    rerank: opt.Rerank = ""


@dataclass(frozen=True)
class _Output(PrintOptions):
    geojson: Annotated[
        bool,
        typer.Option(
            "--geojson", help="Print GeoJSON, a footprint a result, instead of a table.", rich_help_panel="Run"
        ),
    ] = False
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a page with pictures and a map, too.", rich_help_panel="Run"),
    ] = None


@dataclass(frozen=True)
class PageOptions:
    """How much of the answer."""

    k: Annotated[int, typer.Option("-k", min=1, help="Results a query.")] = 10
    offset: Annotated[int, typer.Option(min=0, help="Leave out so many before them.", show_default=False)] = 0
    min_distance: Annotated[float | None, typer.Option(min=0, help="Leave out what is nearer.")] = None
    max_distance: Annotated[float | None, typer.Option(min=0, help="Leave out what is farther.")] = None


def search(
    *,
    features: Annotated[Path, typer.Argument(help="An archive: folder written by `rsir features`.")],
    queries: Annotated[list[Path] | None, typer.Argument(help="Query images, or folders of them.")] = None,
    page: PageOptions,
    asked: AskedOptions,
    filters: FilterOptions,
    ranking: VectorOptions,
    codes: CodeOptions,
    archive: _Archive,
    machine: _Machine,
    output: _Output,
) -> None:
    """Find the images most similar to query images, to items of an archive, or to a place on Earth.

    The queries go through the same network, layer and preprocessing as the database, or the same descriptor with its
    vocabulary; other weights are refused. The network is run as for the database (batch size, precision, threads,
    engine, kind of device), so that an image of the database has a distance of exactly 0 to itself; a note says where
    it need not. They are read by the same bands and scale. Distances are Euclidean; equal distances are ordered by
    id. --steps are fitted on the database and applied to it and to the queries; --rerank expands queries by their
    neighbours there (augment: the database, too).

    Features that a trained model made (--weights names its file) are searched by hash code (Hamming distance), and
    every image comes with its predicted label and probability, where the model gives labels. Real values of metric
    learning are searched by --field u --steps l2.
    """
    quiet, k = output.quiet, page.k
    with reported_errors() as skipped:
        if output.json and output.geojson:
            raise ValueError("geojson: expected one form of the answer, got --json as well; leave one out")
        from rsir_fast.archive import Features
        from rsir_fast.archive.folders import learnt_file

        normalize = None if ranking.normalize is None else ranking.normalize.value
        beside_codes = {"normalize": normalize, "steps": ranking.steps or None, "rerank": ranking.rerank or None}
        query = asked.query(
            queries,
            k=k,
            offset=page.offset,
            min_distance=page.min_distance,
            max_distance=page.max_distance,
            field=archive.field,
            normalize=normalize,
            steps=ranking.steps,
            rerank=ranking.rerank,
            rerank_codes=codes.rerank_codes,
            same_label=codes.same_label,
        )
        database = _database(Features.load(features, version=archive.version, verify=False), archive.root, k, quiet)
        if "hash" in database.provenance and archive.field != "u":
            opt.refuse_given(_BESIDE_CODES, field=archive.field, **beside_codes)
        else:
            opt.refuse_given(_BESIDE_FEATURES, rerank_codes=codes.rerank_codes, same_label=codes.same_label or None)
        _check_reader(database, archive.bands, archive.scale)
        from rsir_fast.retrieval import search

        query = query.model_copy(update={"where": filters.tree(database)})
        hits = search(
            database,
            query,
            weights=learnt_file(features) if archive.weights is None else archive.weights,
            device=machine.device,
            engine=machine.engine,
            threads=machine.threads,
        )
        for remark in hits.notes:
            note(f"note: {remark}", quiet)
        skipped += hits.skipped
        _show(hits, features, output)


def _show(hits: Hits, features: Path, output: _Output) -> None:
    """Print what was found."""
    made = hits.database.provenance
    if output.html is not None:
        from rsir_fast.cli.evaluating import own_command
        from rsir_fast.report.search_page import write_search_page

        write_search_page(output.html, hits, command=own_command())
        note(f"page: {output.html.absolute()}", output.quiet)
    if output.geojson:
        print_json(hits.geojson())
    elif output.json:
        print_json(
            {
                "features": str(features),
                "backbone": made.get("description"),
                "layer": made.get("layer"),
                **hits.how,
                "queries": hits.as_json(),
                "skipped": [entry._asdict() for entry in hits.skipped],
            }
        )
    else:
        print_result(search_tables(hits.answers))


def _database(features: Features, root: Path | None, k: int, quiet: bool) -> Features:
    """Return features that can be searched, and whose images are where they say."""
    if not len(features):
        raise FeaturesError(
            f"{features.name}: expected features of one image or more to search, found none "
            f"({plural(len(features.skipped), 'image')} could not be read); make them of images that can be read"
        )
    if k > len(features):
        note(f"note: the features are of {plural(len(features), 'image')}, fewer than the {k} results asked for", quiet)
    return placed(features, root, quiet)


def _check_reader(database: Features, bands: str | None, scale: str | None) -> None:
    """Refuse to read queries otherwise than the images of the database were."""
    from rsir_fast.datasets import Reader

    made, asked = Reader.of(database.provenance), Reader.parse(bands, scale)
    for name, given in asked.describe().items():
        if getattr(asked, name) != getattr(made, name):
            was = made.describe().get(name)
            raise ValueError(
                f"{name}: expected the queries to be read as the images of the database, "
                f"{'by default' if was is None else f'{name} {_text(was)}'}, got {_text(given)}; leave it out, "
                f"or make the database anew: rsir features --{name} {_text(given)}"
            )


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
