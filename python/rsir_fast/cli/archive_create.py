"""``rsir archive create``: from rasters, or a folder of images, to an archive."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from rsir_fast.cli import checked
from rsir_fast.cli import options as opt
from rsir_fast.cli.archive_adding import AddingOptions, Data, Date, add_and_print
from rsir_fast.cli.groups import NetworkOptions, PrintOptions, ReaderOptions
from rsir_fast.cli.session import AGAIN, kept, reported_errors

_PANEL = "Tiles"


class UnitName(str, Enum):
    """Of size and stride."""

    px = "px"
    m = "m"


@dataclass(frozen=True)
class TileOptions:
    """How rasters become tiles; kept with the archive."""

    size: Annotated[
        float | None,
        typer.Option("--size", callback=checked.number(above=0), help="Of a tile, each side.", rich_help_panel=_PANEL),
    ] = None
    stride: Annotated[
        float | None,
        typer.Option(
            "--stride",
            callback=checked.number(above=0),
            help="From a tile to the next. Default: its size.",
            rich_help_panel=_PANEL,
        ),
    ] = None
    unit: Annotated[
        UnitName, typer.Option("--unit", help="Pixels, or metres by each raster's CRS.", rich_help_panel=_PANEL)
    ] = UnitName.px
    nodata_max: Annotated[
        float,
        typer.Option(
            "--nodata-max",
            callback=checked.number(least=0, most=1),
            help="Share of a tile that may have no data; with more it is left out.",
            rich_help_panel=_PANEL,
        ),
    ] = 0.5
    date: Date = None


def create(
    *,
    archive: Annotated[Path, typer.Argument(help="Folder of the archive, new or empty.")],
    data: Data,
    tiles: TileOptions,
    network: NetworkOptions,
    reader: ReaderOptions,
    making: AddingOptions,
    output: PrintOptions,
) -> None:
    """Make an archive of rasters, cut into tiles, or of a folder of images.

    Tiles are windows of the rasters: no files are written, and the last ones of a row are moved inwards, so that all
    pixels are in one. What they are (size, bands, scale, pattern of dates) is kept with the archive: `rsir archive add`
    needs none of it again. Interrupted, the same command goes on. Rasters and images that cannot be read are left out,
    listed at the end, and make the exit code 3.
    """
    with reported_errors(lambda: kept(archive, AGAIN)) as skipped:
        from rsir_fast.archive.folders import check_folder

        check_folder(archive, resume=True)
        if making.device is not None:
            opt.check_device(making.device)
        if tiles.size is None:
            for name in ("stride", "date"):
                if getattr(tiles, name) is not None:
                    raise ValueError(f"{name}: expected --size to go with it, got none; name the size of the tiles")
        maker = network.run_as(making.workers, making.device, making.decoder, making.engine, output.quiet)
        from rsir_fast.datasets import Reader
        from rsir_fast.datasets.dates import Dating
        from rsir_fast.datasets.tiling import Tiling
        from rsir_fast.retrieval.adding import dataset_for, refuse_other_tiling

        dating = None if tiles.date is None else Dating.parse(tiles.date)
        tiling = None
        if tiles.size is not None:
            pattern = "" if dating is None else dating.pattern
            stride = tiles.size if tiles.stride is None else tiles.stride
            tiling = Tiling(tiles.size, stride, tiles.unit.value, tiles.nodata_max, pattern)
        refuse_other_tiling(archive, tiling)
        asked = Reader.parse(reader.bands, reader.scale)
        dataset = dataset_for(archive, data, tiling=tiling, reader=asked, dating=dating)  # before what takes long
        encoder = maker.load()
        add_and_print(
            archive,
            dataset,
            encoder,
            skipped,
            making=making,
            batch_size=network.batch_size,
            mirror=False,
            quiet=output.quiet,
            json=output.json,
        )
