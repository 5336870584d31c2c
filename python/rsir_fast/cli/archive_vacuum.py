"""``rsir archive vacuum``: erase what no version of an archive needs any more."""

from __future__ import annotations

from typing import Annotated

import typer

from rsir_fast.cli import options as opt
from rsir_fast.cli.archive_options import ArchiveFolder
from rsir_fast.cli.checked import number
from rsir_fast.cli.groups import PrintOptions
from rsir_fast.cli.session import note, plural, print_json, reported_errors


def vacuum(
    *,
    archive: ArchiveFolder,
    keep: Annotated[int, typer.Option("--keep", min=1, help="So many of the newest versions stay.")] = 10,
    days: Annotated[
        float, typer.Option("--days", callback=number(least=0), help="All versions younger than that stay.")
    ] = 7.0,
    dry_run: opt.DryRun = False,
    output: PrintOptions,
) -> None:
    """Erase old versions of an archive, then the files that only they needed, and what killed writers left.

    What no version ever named stays for 24 hours, as its writer may only be slow. An erased version is refused by its
    number. Interrupted, the next vacuum ends what was begun.
    """
    with reported_errors(lambda: "run the same command again to end it"):
        from rsir_fast.archive.vacuum import vacuum

        told = vacuum(archive, keep=keep, days=days, dry_run=dry_run)
        if output.json:
            print_json({"archive": str(archive), **told.model_dump(), "dry_run": dry_run})
            return
        for path in told.files if dry_run else ():
            note(f"  {path}", output.quiet)
        counts = f"{plural(len(told.versions), 'version')} and {plural(len(told.files), 'file')}"
        would = "dry run: would erase" if dry_run else f"{archive}: erased"
        typer.echo(f"{would} {counts}, {told.bytes:,} bytes")
