"""``rsir archive verify``: whether every file of an archive is as it was written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rsir_fast.cli import options as opt
from rsir_fast.cli.archive_options import ArchiveFolder, VersionNumber
from rsir_fast.cli.groups import PrintOptions
from rsir_fast.cli.session import FAILED, plural, print_json, reported_errors


def verify(
    *,
    archive: ArchiveFolder,
    version: VersionNumber = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Make again what is damaged in the newest version, as far as that can be.")
    ] = False,
    weights: opt.Weights = None,
    output: PrintOptions,
) -> None:
    """Compare every file of all versions, or of one, with its digest, and name those that are damaged.

    All of them are read. Damage makes the exit code 1. --repair makes integer copies again, and takes rows from another
    segment that holds them, or encodes their images again (--weights as for `rsir features`); a new version has them
    under the same ids. What cannot be made again is named; older versions stay as they are.
    """
    with reported_errors():
        from rsir_fast.archive.verify import verify

        if repair:
            if version is not None:
                raise ValueError("version: expected none with --repair, which mends the newest; leave it out")
            _repair(archive, weights, output)
            return
        told = verify(archive, version)
        if output.json:
            print_json({"archive": str(archive), **told.model_dump()})
        else:
            which = plural(len(told.versions), "version") if version is None else f"version {version}"
            for damage in told.damaged:
                typer.echo(f"damaged: {damage.file} (version {_spans(damage.versions)}): {damage.problem}")
            found = plural(len(told.damaged), "file") + " damaged" if told.damaged else "all as they were written"
            typer.echo(f"{archive}: {plural(told.files, 'file')} of {which} read, {found}")
        if told.damaged:
            raise typer.Exit(FAILED)


def _repair(archive: Path, weights: str | None, output: PrintOptions) -> None:
    from rsir_fast.retrieval import Archive

    told = Archive.repair(archive, weights=weights)
    if output.json:
        print_json({"archive": str(archive), **told.model_dump()})
    else:
        for file in told.mended:
            typer.echo(f"mended: {file}")
        for damage in told.left:
            typer.echo(f"damaged: {damage.file}: {damage.problem}")
        for file in told.older:
            typer.echo(f"damaged, of older versions only: {file}")
        rows = f"{told.restored:,} rows restored, {told.encoded:,} encoded again"
        typer.echo(f"{archive}: version {told.version}, {plural(len(told.mended), 'file')} mended, {rows}")
    if told.left:
        raise typer.Exit(FAILED)


def _spans(numbers: tuple[int, ...]) -> str:
    """``3``, ``1 to 12``, ``1, 4 to 6``."""
    ends = [n for n in numbers if n + 1 not in numbers]
    starts = [n for n in numbers if n - 1 not in numbers]
    return ", ".join(str(a) if a == b else f"{a} to {b}" for a, b in zip(starts, ends, strict=True))
