"""``rsir archive compact``: an archive in fewer segments, without what is hidden."""

from __future__ import annotations

import typer

from rsir_fast.cli import options as opt
from rsir_fast.cli.archive_options import ArchiveFolder
from rsir_fast.cli.groups import PrintOptions
from rsir_fast.cli.session import plural, print_json, reported_errors


def compact(*, archive: ArchiveFolder, dry_run: opt.DryRun = False, output: PrintOptions) -> None:
    """Merge adjacent segments and leave out removed items, in one step; ids and answers stay.

    What is copied is compared with its SHA-256 first. Others may read, add and remove meanwhile. Older versions keep
    their files: `rsir archive vacuum` erases what no version needs.
    """
    with reported_errors():
        from rsir_fast.archive.compact import compact

        told = compact(archive, dry_run=dry_run)
        if output.json:
            print_json({"archive": str(archive), **told.model_dump(), "dry_run": dry_run})
        elif not told.segments_before - told.segments + told.dropped:
            typer.echo(f"{archive}: nothing to compact in {plural(told.segments, 'segment')}")
        else:
            begin = "dry run: would have" if dry_run else f"{archive}: version {told.version},"
            left_out = f", {plural(told.dropped, 'removed item')} left out" if told.dropped else ""
            typer.echo(
                f"{begin} {plural(told.segments, 'segment')} in place of {told.segments_before}, "
                f"{told.written:,} rows copied{left_out}"
            )
