"""``rsir archive duplicates``: items that are nearly the same."""

from __future__ import annotations

from typing import Annotated

import typer

from rsir_fast.cli import options as opt
from rsir_fast.cli.archive_options import ArchiveFolder, VersionNumber
from rsir_fast.cli.groups import PrintOptions
from rsir_fast.cli.session import plural, print_json, reported_errors


def duplicates(
    *,
    archive: ArchiveFolder,
    max_distance: Annotated[
        float | None,
        typer.Option(min=0, help="Pairs as near as this. Default: 0, the same features.", show_default=False),
    ] = None,
    k: Annotated[int | None, typer.Option("-k", min=1, help="Instead: each item with its k nearest others.")] = None,
    version: VersionNumber = None,
    field: opt.FieldName = None,
    threads: opt.Threads = None,
    output: PrintOptions,
) -> None:
    """List pairs of items whose features are the same, or nearly so, the nearest first."""
    with reported_errors():
        import numpy as np

        from rsir_fast.archive import Features
        from rsir_fast.base.text import printable
        from rsir_fast.retrieval import near_duplicates

        features = Features.load(archive, version=version, verify=False)
        most = 0.0 if max_distance is None and k is None else max_distance
        pairs = near_duplicates(features, max_distance=most, k=k, field=field, threads=threads)
        rows = features.rows_of(pairs.ids)
        names = {row: features.items[row] for row in np.unique(rows).tolist()}
        distances = np.sqrt(pairs.squared.astype(np.float64)).tolist()
        told = [
            {"distance": distance, "ids": ids, "items": [names[row] for row in at]}
            for distance, ids, at in zip(distances, pairs.ids.tolist(), rows.tolist(), strict=True)
        ]
        if output.json:
            print_json({"archive": str(archive), "pairs": told})
            return
        for distance, (one, other) in zip(distances, rows.tolist(), strict=True):
            typer.echo(printable(f"{distance:.4f}  {names[one]}  {names[other]}"))
        typer.echo(plural(len(pairs), "pair"))
