"""``rsir archive remove``: items that an archive shall not show any more."""

from __future__ import annotations

from typing import Annotated

import typer

from rsir_fast.cli import options as opt
from rsir_fast.cli.archive_options import ArchiveFolder
from rsir_fast.cli.groups import PrintOptions
from rsir_fast.cli.session import plural, print_json, reported_errors


def remove(
    *,
    archive: ArchiveFolder,
    items: Annotated[
        list[str] | None,
        typer.Argument(
            help="Items, as `rsir search` calls them, or their files; a raster's name stands for all its windows."
        ),
    ] = None,
    ids: Annotated[
        list[int] | None, typer.Option("--id", min=0, max=(1 << 63) - 1, help="Id of an item; repeat.")
    ] = None,
    dry_run: opt.DryRun = False,
    output: PrintOptions,
) -> None:
    """Remove items from the next version on, all of them in one step.

    They are hidden, not erased: older versions still show them. Their bytes go with `rsir archive compact`, which
    copies what counts, and `rsir archive vacuum`, which erases versions that nobody needs any more.
    """
    with reported_errors():
        import numpy as np

        from rsir_fast.archive import Snapshot
        from rsir_fast.archive.remove import ids_of_items, remove

        if not (items or ids):
            raise ValueError("items: expected names of items or --id, got neither; say what shall be removed")
        before = Snapshot(archive)
        wanted = np.union1d(ids_of_items(before, items or []), np.array(ids or [], np.int64))
        after = remove(archive, wanted, before=before, dry_run=dry_run)
        told = {"archive": str(archive), "version": after.version.number, "removed": len(wanted), "items": len(after)}
        if output.json:
            print_json({**told, "dry_run": dry_run})
        elif dry_run:
            typer.echo(f"dry run: {plural(len(wanted), 'item')} would be removed from {archive}")
        else:
            typer.echo(
                f"{archive}: version {after.version.number}, {plural(len(wanted), 'item')} removed, {len(after):,} stay"
            )
