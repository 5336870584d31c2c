"""``rsir archive add``: more rasters or images into an archive, as those that it has."""

from __future__ import annotations

from typing import Annotated

import typer

from rsir_fast.base.freed_memory import keep_freed_memory
from rsir_fast.cli import options as opt
from rsir_fast.cli.archive_adding import AddingOptions, Data, Date, add_and_print
from rsir_fast.cli.archive_options import ArchiveFolder
from rsir_fast.cli.groups import PrintOptions
from rsir_fast.cli.session import AGAIN, kept, reported_errors


def add(
    *,
    archive: ArchiveFolder,
    data: Data,
    mirror: Annotated[
        bool, typer.Option("--mirror", help="Remove items of the same folders whose file is gone.")
    ] = False,
    date: Date = None,
    weights: opt.Weights = None,
    batch_size: opt.BatchSize = None,
    making: AddingOptions,
    output: PrintOptions,
) -> None:
    """Add rasters or images to an archive.

    They are cut, read and encoded as those that it has: encoder, size, bands, scale and pattern of dates are the
    archive's. What it has as it is now is not encoded again; a file that was changed takes the place of what it was.
    What is gone is told, and removed with --mirror. Interrupted, the same command goes on.
    """
    with reported_errors(lambda: kept(archive, AGAIN)) as skipped:
        from rsir_fast.archive import Snapshot
        from rsir_fast.datasets.dates import Dating

        dating = None if date is None else Dating.parse(date)  # told before torch is imported
        version = Snapshot(archive)
        if making.device is not None:
            opt.check_device(making.device)
        from rsir_fast.retrieval.adding import dataset_for, encoder_of_archive, reader_of

        dataset = dataset_for(
            archive,
            data,
            tiling=version.version.tiling,
            reader=reader_of(version.spec),
            dating=dating,
        )
        keep_freed_memory()
        encoder = encoder_of_archive(archive, version.spec, weights)
        add_and_print(
            archive,
            dataset,
            encoder,
            skipped,
            making=making,
            batch_size=batch_size,
            mirror=mirror,
            quiet=output.quiet,
            json=output.json,
        )
