"""``rsir archive verify``: whether every file of an archive is as it was written."""

from __future__ import annotations

import typer

from rsir_fast.cli.archive_options import ArchiveFolder, VersionNumber
from rsir_fast.cli.groups import PrintOptions
from rsir_fast.cli.session import FAILED, plural, print_json, reported_errors


def verify(*, archive: ArchiveFolder, version: VersionNumber = None, output: PrintOptions) -> None:
    """Compare every file of all versions, or of one, with its digest, and name those that are damaged.

    All of them are read. Damage makes the exit code 1.
    """
    with reported_errors():
        from rsir_fast.archive.verify import verify

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


def _spans(numbers: tuple[int, ...]) -> str:
    """``3``, ``1 to 12``, ``1, 4 to 6``."""
    ends = [n for n in numbers if n + 1 not in numbers]
    starts = [n for n in numbers if n - 1 not in numbers]
    return ", ".join(str(a) if a == b else f"{a} to {b}" for a, b in zip(starts, ends, strict=True))
