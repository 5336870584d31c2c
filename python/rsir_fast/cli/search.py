"""``rsir search``: query images against a feature matrix."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsir_fast.cli import options as opt
from rsir_fast.cli.session import FAILED, SKIPPED, end_with_skipped, print_json, print_result, reported_errors
from rsir_fast.errors import FeaturesError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from rsir_fast.backbones import Backbone
    from rsir_fast.extraction import Features


def search(
    features: Annotated[Path, typer.Argument(help="Folder written by `rsir features`.")],
    queries: Annotated[list[Path], typer.Argument(help="Query images, or folders of them.")],
    k: Annotated[int, typer.Option("-k", min=1, help="Results a query.")] = 10,
    normalize: Annotated[
        opt.Normalize, typer.Option(help="Gaussian normalisation: row (the paper), feature, none.")
    ] = opt.Normalize.row,
    weights: opt.Weights = None,
    threads: opt.Threads = None,
    device: opt.Device = None,
    json: opt.Json = False,
) -> None:
    """Find the images most similar to query images.

    The queries go through the same network, layer and preprocessing as the database; other weights are refused.
    Distances are Euclidean; equal distances are ordered by item.
    """
    with reported_errors():
        from rsir_fast.extraction import Features, extract

        database = Features.load(features)
        backbone = _same_backbone(database, weights)
        wanted = _query_files(queries)
        run = database.provenance.get("extraction", {})
        precision = run.get("precision", "float32")
        found = extract(wanted, backbone, batch_size=1, workers=0, device=device, precision=precision)
        result = {
            "features": str(features),
            "backbone": backbone.provenance["description"],
            "layer": backbone.layer,
            "normalize": normalize.value,
            "distance": "euclidean",
            "queries": _rank(database, found, k, normalize.value, threads),
            "skipped": [entry._asdict() for entry in found.skipped],
        }
        if json:
            print_json(result)
        else:
            print_result(_tables(result))
        end_with_skipped(found.skipped, SKIPPED if len(found) else FAILED)


def _same_backbone(database: Features, weights: str | None) -> Backbone:
    """Load the network that made the database, and refuse other weights."""
    from rsir_fast.backbones import load_backbone

    made = database.provenance
    try:
        name, layer, sha256 = made["name"], made["layer"], made["weights"]["sha256"]
        file, resize = made["weights"]["file"], made["preprocessing"]["resize"]
    except KeyError as error:
        raise FeaturesError(
            f"the features of {database.name} do not say by which network they were made ({error} is missing); "
            "make them with `rsir features`"
        ) from None
    wanted = weights or (file if str(file).startswith("random:") else None)
    backbone = load_backbone(name, layer, wanted, resize=resize)
    found: Any = backbone.provenance["weights"]
    if found["sha256"] != sha256:
        raise FeaturesError(
            f"expected the weights of the database, {file} (SHA-256 {sha256[:16]}...), found {found['file']} "
            f"(SHA-256 {found['sha256'][:16]}...); give the right file with --weights"
        )
    return backbone


def _query_files(paths: list[Path]) -> Any:
    """Make one data set of the query images, named as given."""
    from rsir_fast.datasets import Dataset, open_dataset

    files: list[str] = []
    for path in paths:
        if path.is_dir():
            folder = open_dataset(path, all_items=True)
            files += [str(Path(folder.root or path) / item) for item in folder.items]
        else:
            files.append(str(path))
    return Dataset("queries", Path(), tuple(dict.fromkeys(files)))


def _rank(database: Features, found: Features, k: int, normalize: str, threads: int | None) -> list[dict[str, Any]]:
    import numpy as np

    from rsir_fast.ops import euclidean_topk, gaussian_normalize, gaussian_statistics

    items, queries = database.matrix, found.matrix
    if normalize == "feature":
        statistics = gaussian_statistics(items, threads=threads)
        items = gaussian_normalize(items, "feature", statistics=statistics, threads=threads)
        queries = gaussian_normalize(queries, "feature", statistics=statistics, threads=threads)
    squared, ids = euclidean_topk(
        queries, items, min(k, len(items)), normalize="row" if normalize == "row" else "none", threads=threads
    )
    distances = np.sqrt(squared.astype(np.float64))
    return [
        {
            "query": query,
            "results": [
                _result(database, rank, int(item), float(distance))
                for rank, (item, distance) in enumerate(zip(row_ids, row, strict=True), start=1)
            ],
        }
        for query, row_ids, row in zip(found.items, ids, distances, strict=True)
    ]


def _result(database: Features, rank: int, item: int, distance: float) -> dict[str, Any]:
    name = database.items[item]
    return {
        "rank": rank,
        "item": name,
        "path": name if database.root is None else str(database.root / name),
        "class": None if database.labels is None else database.classes[database.labels[item]],
        "distance": distance,
    }


def _tables(result: dict[str, Any]) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    tables = []
    for query in result["queries"]:
        table = Table(title=Text(f"query {query['query']}"), title_justify="left", title_style="bold", box=None)
        table.add_column("rank", justify="right")
        table.add_column("distance", justify="right")
        table.add_column("class")
        table.add_column("image", overflow="fold")
        for entry in query["results"]:
            row = (str(entry["rank"]), f"{entry['distance']:.4f}", entry["class"] or "", entry["path"])
            table.add_row(*(Text(cell) for cell in row))
        tables.append(table)
    return Group(*tables)
