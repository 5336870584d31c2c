"""What the header of a raster says: its size, where on Earth it lies, when it was taken. Nothing is decoded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rsir_fast.datasets.bands import chosen_bands
from rsir_fast.datasets.cells import Cells, limits_of_parts
from rsir_fast.datasets.dates import time_of_tags
from rsir_fast.datasets.images import DRIVERS, decoding, foreign, format_of
from rsir_fast.datasets.limits import FREE_PIXELS, Limits, current_limits
from rsir_fast.datasets.raster import opened_raster
from rsir_fast.datasets.source import Source, opened
from rsir_fast.datasets.tiff_directories import read_blocks
from rsir_fast.datasets.windows import Place
from rsir_fast.errors import ImageError

__all__ = ["GCPS_ONLY", "RPCS_ONLY", "RasterHeader", "driver_of", "read_header"]

GCPS_ONLY, RPCS_ONLY = "ground control points only", "RPCs only"
"""Why a raster has no place, though something is known of it."""


@dataclass(frozen=True)
class RasterHeader:
    """A raster that can be cut into tiles.

    Attributes
    ----------
    width, height : int
        In pixels.
    dtype : str
        Of the bands that are read.
    place : Place or None
    unplaced : str
        Why there is no place: ``no CRS``.
    time : int or None
        Of its tags, microseconds since 1970 (UTC).
    """

    width: int
    height: int
    dtype: str
    place: Place | None
    unplaced: str
    time: int | None


def read_header(path: Path, bands: tuple[int, ...] | None) -> RasterHeader:
    """Read the header of a raster.

    Parameters
    ----------
    path
        Of a TIFF or JPEG2000 file.
    bands
        That will be asked for; None: by the rules of `rsir_fast.datasets.read_image`.

    Raises
    ------
    ImageError, MachineError
        As `rsir_fast.datasets.read_image`, with the path and the reason; also if a TIFF file ends before its data do.
    """
    limits = current_limits()
    with opened(path) as source:
        return decoding(path, source, limits, lambda _: _header(source, bands, limits))


def driver_of(source: Source) -> str:
    """Return GDAL's driver of a raster.

    Raises
    ------
    ImageError
        For what is no TIFF and no JPEG2000 file.
    """
    head = source.again().read(32)
    kind = format_of(head)
    if kind not in ("TIFF", "JPEG2000"):
        found = foreign(head) if kind is None else f"a {kind} image"
        raise ImageError(
            f"expected a GeoTIFF or JPEG2000 file to cut into tiles, found {found}; convert it, for example by "
            "`rio convert IN OUT.tif`"
        )
    return DRIVERS[kind]


def _header(source: Source, bands: tuple[int, ...] | None, limits: Limits) -> RasterHeader:
    driver = driver_of(source)
    if driver == "GTiff":
        _refuse_truncated(source)
    with opened_raster(source, driver) as (dataset, _):
        meanings = [meaning.name for meaning in dataset.colorinterp]
        if meanings != ["palette"]:
            alpha = meanings.index("alpha") + 1 if meanings.count("alpha") == 1 else None
            chosen = chosen_bands(meanings, alpha, bands)
        else:
            chosen = (1,)
        pixels = dataset.width * dataset.height
        if pixels > max(FREE_PIXELS, limits.max_pixels_per_byte * source.size):
            raise ImageError(
                f"{dataset.width} x {dataset.height} pixels in {source.size} bytes are more than the limit of "
                f"{limits.max_pixels_per_byte:g} each, as in an empty raster or one made to exhaust the machine; leave "
                "it out, or raise --max-pixels-per-byte"
            )
        with limits_of_parts(limits).admitted(Cells.of(dataset).cost(dataset, bands, source.size)):
            pass  # refused here, once, not for every tile
        place, unplaced = _place(dataset)
        tags = {**dataset.tags(), **dataset.tags(ns="IMAGERY")}
        return RasterHeader(
            dataset.width, dataset.height, dataset.dtypes[chosen[0] - 1], place, unplaced, time_of_tags(tags)
        )


def _refuse_truncated(source: Source) -> None:
    blocks = read_blocks(source.again())
    if blocks is None or not len(blocks.offsets):
        return
    end = int((blocks.offsets + blocks.sizes).max())
    if end > source.size:
        raise ImageError(
            f"truncated image (expected {end} bytes of the file, found {source.size}); copy it again from where it "
            "came from"
        )


def _place(dataset: Any) -> tuple[Place | None, str]:
    from rasterio.crs import CRS

    if dataset.crs is not None and not dataset.transform.is_identity:
        authority = dataset.crs.to_authority()
        # A code only where it says the same: GDAL gives that of a similar CRS, too.
        is_same = authority is not None and CRS.from_authority(*authority) == dataset.crs
        name = ":".join(authority) if is_same else dataset.crs.to_wkt()
        return Place(name, tuple(dataset.transform)[:6]), ""
    if dataset.gcps[0]:
        return None, GCPS_ONLY
    if dataset.rpcs is not None:
        return None, RPCS_ONLY
    return None, "no CRS" if dataset.crs is None else "a CRS, but no transform"
