"""``rsir search``: query images against a feature matrix."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsir_fast.cli import options as opt
from rsir_fast.cli.evaluating import placed
from rsir_fast.cli.groups import PrintOptions, ReaderOptions, SearchOptions
from rsir_fast.cli.search_table import search_tables
from rsir_fast.cli.session import note, plural, print_json, print_result, reported_errors
from rsir_fast.errors import FeaturesError

if TYPE_CHECKING:
    from rsir_fast.archive import Features
    from rsir_fast.datasets import Reader

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
class VectorOptions:
    """How vectors are searched."""

    normalize: Annotated[
        opt.Normalize | None,
        typer.Option(help="Gaussian normalisation: row (the paper; default), feature, none.", show_default=False),
    ] = None
    steps: opt.Steps = ""
    rerank: opt.Rerank = ""


def search(
    *,
    features: Annotated[Path, typer.Argument(help="Folder written by `rsir features`.")],
    queries: Annotated[list[Path], typer.Argument(help="Query images, or folders of them.")],
    k: Annotated[int, typer.Option("-k", min=1, help="Results a query.")] = 10,
    vectors: VectorOptions,
    weights: opt.Weights = None,
    field: opt.FieldName = None,
    codes: CodeOptions,
    reader: ReaderOptions,
    root: opt.Root = None,
    machine: _Machine,
    output: PrintOptions,
) -> None:
    """Find the images most similar to query images.

    The queries go through the same network, layer and preprocessing as the database, or the same descriptor with its
    vocabulary; other weights are refused. The network is run as for the database (batch size, precision, threads,
    engine, kind of device), so that an image of the database has a distance of exactly 0 to itself; a note says where
    it need not. They are read by the same bands and scale. Distances are Euclidean; equal distances are ordered by
    item. --steps are fitted on the database and applied to it and to the queries; --rerank expands queries by their
    neighbours there (augment: the database, too).

    Features that a trained model made (--weights names its file) are searched by hash code (Hamming distance), and
    every image comes with its predicted label and probability.
    """
    quiet, rerank_codes, same_label = output.quiet, codes.rerank_codes, codes.same_label
    normalize, steps, rerank = vectors.normalize, vectors.steps, vectors.rerank
    with reported_errors() as skipped:
        if rerank_codes is not None and rerank_codes < k:
            told = f"expected at least k ({k}) candidates to order, got {rerank_codes}"
            raise ValueError(f"--rerank-codes: {told}; raise it, or lower k")
        from rsir_fast.archive import Features
        from rsir_fast.archive.folders import learnt_file

        loaded = Features.load(features)
        database = _database(loaded if "hash" in loaded.provenance else loaded.field(field), root, k, quiet)
        made_by = database.provenance
        by_code = "hash" in made_by
        if by_code:
            opt.refuse_given(
                _BESIDE_CODES, field=field, normalize=normalize, steps=steps or None, rerank=rerank or None
            )
        else:
            opt.refuse_given(_BESIDE_FEATURES, rerank_codes=rerank_codes, same_label=same_label or None)
        from rsir_fast.retrieval import Search, find
        from rsir_fast.retrieval.search import query_files

        same = _same_reader(database, reader.bands, reader.scale)
        wanted = replace(query_files(queries), reader=same)
        for remark in wanted.notes:
            note(f"note: {remark}", quiet)
        file = learnt_file(features) if weights is None else weights
        from rsir_fast.extraction.again import encode_like, encoder_of

        encoder = encoder_of(database, file)
        found = encode_like(database, wanted, encoder, device=machine.device, engine=machine.engine)
        for remark in found.notes:
            note(f"note: {remark}", quiet)
        skipped += found.skipped
        asked = Search(
            k=min(k, len(database)),
            normalize=None if normalize is None else normalize.value,
            steps=steps,
            rerank=rerank,
            rerank_codes=rerank_codes and max(rerank_codes, min(k, len(database))),
            same_label=same_label,
        )
        hits = find(database, found, asked, threads=machine.threads)
        if by_code:
            how: dict[str, Any] = {
                "bits": made_by["hash"]["bits"],
                "distance": "hamming",
                "rerank_codes": rerank_codes,
                "same_label": same_label,
            }
            columns = ["distance", *(["euclidean"] if rerank_codes else []), "label", "probability", "class"]
        else:
            how = {"distance": "euclidean", "normalize": asked.normalized}
            how |= {name: chain for name, chain in (("steps", steps), ("rerank", rerank)) if chain}
            columns = ["distance", "class"]
        result = {
            "features": str(features),
            "backbone": encoder.provenance["description"],
            "layer": encoder.layer,
            **how,
            "queries": hits.as_json(),
            "skipped": [entry._asdict() for entry in found.skipped],
        }
        if output.json:
            print_json(result)
        else:
            print_result(search_tables(hits.answers, columns))


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


def _same_reader(database: Features, bands: str | None, scale: str | None) -> Reader:
    """Return how the images of the database were read, and refuse to read queries otherwise."""
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
    return made


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
