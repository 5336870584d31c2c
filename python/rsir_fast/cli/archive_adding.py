"""What ``rsir archive create`` and ``rsir archive add`` have in common."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsir_fast.cli import options as opt
from rsir_fast.cli.groups import EngineOptions
from rsir_fast.cli.progress import shown_progress
from rsir_fast.cli.session import note, plural, print_json

if TYPE_CHECKING:
    from rsir_fast.datasets import Dataset, Skipped
    from rsir_fast.encoders.encoder import Encoder
    from rsir_fast.retrieval.adding import Added

__all__ = ["AddingOptions", "Data", "Date", "add_and_print"]

Data = Annotated[
    list[str],
    typer.Argument(
        help="Rasters (GeoTIFF, JPEG2000; patterns in quotes, folders; also s3://BUCKET/KEY), or one folder of images."
    ),
]
Date = Annotated[
    str | None,
    typer.Option(
        "--date",
        help="When rasters were taken: 2024-05-01, an interval (its start counts), or a pattern of file names such as "
        "'*_%Y%m%d*'. Default: by their tags.",
        show_default=False,
    ),
]

_LISTED = 5


@dataclass(frozen=True)
class AddingOptions(EngineOptions):
    """How items are made."""

    decoder: opt.JpegDecoder = None
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell tiles, bytes and minutes (measured on a few), write nothing.")
    ] = False


def add_and_print(
    archive: Path,
    dataset: Dataset,
    encoder: Encoder,
    skipped: list[Skipped],
    *,
    making: AddingOptions,
    batch_size: int | None,
    mirror: bool,
    quiet: bool,
    json: bool,
) -> None:
    """Add a data set to an archive, or foretell it, and tell what came of it.

    Parameters
    ----------
    skipped
        Extended by what could not be read.
    """
    from rsir_fast.retrieval.adding import add, forecast

    for remark in dataset.notes:
        note(f"note: {remark}", quiet)
    decoder = None if making.decoder is None else making.decoder.value
    how: dict[str, Any] = {"workers": making.workers, "batch_size": batch_size, "device": making.device}
    how |= {"decoder": decoder, "engine": making.engine}
    if making.dry_run:
        skipped += dataset.unreadable
        told = forecast(archive, dataset, encoder, **how)
        if json:
            print_json({"archive": str(archive), "dry_run": True, **asdict(told)})
            return
        minutes = "" if told.seconds is None else f", {told.seconds / 60:.1f} minutes (measured on a few)"
        what = f"{plural(told.items, _noun(dataset))}, {told.new} of them new"
        typer.echo(f"dry run: {what}: {told.bytes / 1e6:.1f} MB{minutes}; nothing written to {archive}")
        return
    with shown_progress(quiet) as progress:
        _, added = add(archive, dataset, encoder, mirror=mirror, progress=progress, **how)
    skipped += added.skipped
    if added.empty:
        note(f"note: {plural(added.empty, 'tile')} left out, as too much of them has no data", quiet)
    if json:
        found = asdict(added)
        found["skipped"] = [entry._asdict() for entry in added.skipped]
        print_json({"archive": str(archive), **found})
        return
    _say_gone(archive, added, mirror)
    typer.echo(_line(archive, added, dataset))


def _say_gone(archive: Path, added: Added, mirror: bool) -> None:
    from rsir_fast.base.text import listed

    if added.gone:
        what = "removed, as they are gone" if mirror else "gone; --mirror removes them"
        note(f"{archive}: {plural(len(added.gone), 'item')} {what}: {listed(added.gone, _LISTED)}")


def _line(archive: Path, added: Added, dataset: Dataset) -> str:
    timing = added.timing
    rate = f" at {timing['images_per_s']:.1f} a second" if added.added and timing.get("images_per_s") else ""
    if not (added.added or added.removed):
        return f"{archive}: version {added.version}, nothing new; {added.items:,} items"
    took = f", {added.removed} removed" if added.removed else ""
    return (
        f"{archive}: version {added.version}, {plural(added.added, _noun(dataset))} added{rate}{took}; "
        f"{added.items:,} items"
    )


def _noun(dataset: Dataset) -> str:
    return "image" if dataset.tiling is None else "tile"
