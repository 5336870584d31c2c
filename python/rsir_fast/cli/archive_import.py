"""``rsir archive import``: embeddings that others published, into an archive."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsir_fast.cli import checked
from rsir_fast.cli import options as opt
from rsir_fast.cli.groups import PrintOptions
from rsir_fast.cli.session import AGAIN, note, plural, print_json, reported_errors

if TYPE_CHECKING:
    from rsir_fast.encoders.spec import Spec

_META = "The file"


@dataclass(frozen=True)
class _FileOptions:
    """What a file does not say, or says wrongly."""

    table: Annotated[
        Path | None,
        typer.Option(help="Parquet or CSV, a row a vector of a matrix in .npy.", rich_help_panel=_META),
    ] = None
    column: Annotated[
        list[str] | None,
        typer.Option(
            help="ROLE=NAME, repeat: a column for vector, id, geometry, longitude, latitude, time or class; ROLE= for "
            "none. Default: guessed, and printed.",
            rich_help_panel=_META,
        ),
    ] = None
    crs: Annotated[
        str | None,
        typer.Option(help="Of the geometry, in place of the stated one: EPSG:4326.", rich_help_panel=_META),
    ] = None
    dequantize: Annotated[
        str | None,
        typer.Option(
            help="What whole numbers stand for: none, linear:SCALE[,OFFSET], alphaearth. Default: as the file states.",
            rich_help_panel=_META,
        ),
    ] = None


def import_(
    *,
    archive: Annotated[Path, typer.Argument(help="Folder of an archive, or a new one.")],
    file: Annotated[Path, typer.Argument(help="Parquet, GeoParquet, or a matrix in .npy.")],
    content: _FileOptions,
    encoder: Annotated[
        str | None,
        typer.Option(
            "--encoder",
            "-e",
            callback=checked.encoder,
            help="What made the vectors, so that images can be queries: a word as for `rsir features`.",
            show_default=False,
        ),
    ] = None,
    weights: opt.Weights = None,
    output: PrintOptions,
) -> None:
    """Add the vectors of a file, with names, classes, times, places and other columns, where it has them.

    Sound rows are kept: others (no vector, another length, a value that is no number) are listed, and the exit code is
    3. The archive is made where there is none; the same file again adds nothing, a changed one what changed. Without
    --encoder, ids and vectors can be queries, images cannot.
    """
    quiet = output.quiet
    with reported_errors(lambda: AGAIN, noun="row") as skipped:
        from rsir_fast.archive.exchange.importing import import_vectors
        from rsir_fast.cli.progress import shown_progress

        spec, made = _encoder(encoder, weights)
        with shown_progress(quiet) as progress:
            done = import_vectors(
                archive,
                file,
                table=content.table,
                columns=dict(map(_role, content.column or [])),
                crs=content.crs,
                dequantize=content.dequantize,
                encoder=spec,
                made=made,
                progress=progress,
            )
        skipped += done.skipped
        note(f"columns: {done.roles}", quiet)
        if output.json:
            told = {"archive": str(archive), "version": done.version, "rows": done.rows, "width": done.width}
            told |= {"encoder": done.encoder, "columns": done.roles.model_dump()}
            print_json({**told, "skipped": [entry._asdict() for entry in done.skipped]})
        else:
            typer.echo(
                f"{archive}: version {done.version}, {plural(done.rows, 'row')} of {file.name}, {done.width} numbers "
                f"each, by {done.encoder}"
            )


def _role(text: str) -> tuple[str, str]:
    from rsir_fast.archive.exchange.roles import ROLES

    role, equals, name = text.partition("=")
    if not equals or role not in ROLES:
        raise ValueError(f"column: expected ROLE=NAME with a role out of {', '.join(ROLES)}, got {text!r}")
    return role, name


def _encoder(word: str | None, weights: str | None) -> tuple[Spec | None, dict[str, Any]]:
    if word is None:
        opt.refuse_given("expected no such option without --encoder, whose file it names", weights=weights)
        return None, {}
    from rsir_fast.encoders.load import load_encoder

    found = load_encoder(word, weights=weights)
    return found.spec, found.provenance
