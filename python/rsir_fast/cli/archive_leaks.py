"""``rsir archive leaks``: what a split has in both parts."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from rsir_fast.cli import options as opt
from rsir_fast.cli.archive_options import ArchiveFolder, VersionNumber
from rsir_fast.cli.groups import PrintOptions
from rsir_fast.cli.session import note, plural, print_json, reported_errors


def leaks(
    *,
    archive: ArchiveFolder,
    split: Annotated[Path, typer.Argument(help="A split in JSON, as `rsir train` writes it.")],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the repaired split.")] = None,
    max_distance: Annotated[float, typer.Option(min=0, help="Of features that count as the same.")] = 0.0,
    version: VersionNumber = None,
    field: opt.FieldName = None,
    output: PrintOptions,
) -> None:
    """Find training and test items that show the same: equal files, equal features, or footprints that overlap.

    The repaired split leaves out the training items that leak; its test part is as it was.
    """
    with reported_errors():
        from rsir_fast.archive import Features
        from rsir_fast.base.text import printable
        from rsir_fast.datasets import Split
        from rsir_fast.retrieval import leaks

        given = Split.load(split)
        features = Features.load(archive, version=version, verify=False)
        found = leaks(features, given, max_distance=max_distance, field=field)
        if out is not None:
            found.repaired.save(out)
            note(f"repaired split: {out.absolute()}", output.quiet)
        gone = len(given.train) - len(found.repaired.train)
        if output.json:
            told = {"archive": str(archive), "split": str(split), "leaks": [asdict(leak) for leak in found.found]}
            print_json({**told, "train_left_out": gone})
            return
        for leak in found.found:
            why = ["equal files"] if leak.content else []
            why += [] if leak.distance is None else [f"distance {leak.distance:.4f}"]
            why += [] if leak.overlap is None else [f"{leak.overlap:.1%} overlap"]
            typer.echo(printable(f"{leak.train}  {leak.test}  {', '.join(why)}"))
        typer.echo(f"{plural(len(found), 'leak')}; {gone} of {plural(len(given.train), 'training item')} to leave out")
