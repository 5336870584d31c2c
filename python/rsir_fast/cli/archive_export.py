"""``rsir archive export``: an archive for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rsir_fast.cli import options as opt
from rsir_fast.cli.archive_options import ArchiveFolder, VersionNumber
from rsir_fast.cli.groups import PrintOptions
from rsir_fast.cli.session import plural, print_json, reported_errors


def export(
    *,
    archive: ArchiveFolder,
    file: Annotated[Path, typer.Argument(help="What to write: .parquet, .geojson or .npy.")],
    version: VersionNumber = None,
    field: opt.FieldName = None,
    force: opt.Force = False,
    output: PrintOptions,
) -> None:
    """Write a version for other programs, by the ending of the file.

    .parquet: GeoParquet with every vector, place, time and column, and an Item of STAC beside it (.stac.json); `rsir
    archive import` takes it back to the same bits. .geojson: footprints, times and columns, for a map. .npy: the
    vectors or codes of one field, and the items beside them (.items.parquet).
    """
    with reported_errors():
        from rsir_fast.archive.exchange.exporting import export

        done = export(archive, file, version=version, field=field, force=force)
        if output.json:
            told = {"archive": str(archive), "version": done.version, "rows": done.rows, "placed": done.placed}
            print_json({**told, "files": [str(place) for place in done.files]})
        else:
            names = " and ".join(map(str, done.files))
            typer.echo(f"{names}: {plural(done.rows, 'item')} of version {done.version}, {done.placed:,} with a place")
