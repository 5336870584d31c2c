"""``rsir archive info``: what an archive holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from rsir_fast.cli.archive_options import ArchiveFolder, VersionNumber
from rsir_fast.cli.groups import PrintOptions
from rsir_fast.cli.session import note, plural, print_json, reported_errors

if TYPE_CHECKING:
    from rsir_fast.archive.info import Info

_SHOWN = 8
"""Classes, roots and columns that are listed; `--json` has all."""


def info(*, archive: ArchiveFolder, version: VersionNumber = None, output: PrintOptions) -> None:
    """Tell what an archive holds: encoder, items, classes, extent, time span, fields, bytes on disk.

    Its tables are read and checked; vectors are not (`rsir archive verify`).
    """
    with reported_errors():
        from rsir_fast.archive import Snapshot
        from rsir_fast.archive.info import describe

        found = describe(Snapshot(archive, version))
        for problem in found.problems:
            note(f"note: {problem}", output.quiet)
        if output.json:
            print_json(found.model_dump())
        else:
            typer.echo("\n".join(f"{name:<10}{text}" for name, text in _lines(found) if text))


def _lines(found: Info) -> Iterator[tuple[str, str]]:
    from rsir_fast.base.text import listed, printable

    yield "archive", f"{printable(found.folder)}: {printable(found.data_set)}"
    yield "encoder", f"{found.encoder}, SHA-256 {found.digest[:16]}..., normalize {found.normalize}"
    yield "version", f"{found.version} of {found.created}; {plural(found.versions, 'version')} on the disk"
    hidden = f", {found.hidden:,} more hidden" if found.hidden else ""
    yield "items", f"{found.items:,} in {plural(found.segments, 'segment')}{hidden}"
    yield "classes", listed([f"{name} {count:,}" for name, count in found.classes.items()], _SHOWN)
    yield "roots", listed([f"{name}={folder}" for name, folder in found.roots.items()], _SHOWN)
    if found.bounds is not None:
        west, south, east, north = found.bounds
        yield "extent", f"west {west:.6f}, south {south:.6f}, east {east:.6f}, north {north:.6f} (degrees, WGS 84)"
    if found.times is not None:
        yield "time", f"{found.times[0]} to {found.times[1]}"
    yield "columns", listed(found.columns, _SHOWN)
    yield "fields", "; ".join(f"{field.name} ({field.kind}, {field.width} {field.dtype})" for field in found.fields)
    yield "on disk", f"{found.bytes:,} bytes, {found.overhead:.1%} more than the fields of the items"
    yield "runs", plural(len(found.runs), "run") if len(found.runs) > 1 else ""
    yield "skipped", f"{plural(found.skipped, 'input')} could not be read" if found.skipped else ""
    yield "empty", f"{plural(found.empty, 'input')} without data" if found.empty else ""
