"""What reading a file will cost, by its header: the memory at the peak, and the work beside that of a plain image.

Bytes a pixel were measured (`tests/datasets/test_bombs.py` keeps them true); they are upper bounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from rsir_fast.datasets.jpeg_markers import JpegMarkers
from rsir_fast.datasets.limits import Cost

__all__ = ["GDAL_CACHE", "picture_cost", "raster_cost"]

_RGB = 4  # Pillow keeps four bytes
_SCANS = 10
"""Scans of an ordinary progressive JPEG; so many take the time of a plain one, about."""

GDAL_CACHE = 16 << 20
"""Bytes of the blocks that GDAL keeps, of all threads: each is read once, and memory used again needs no new pages."""

_BLOCK = 200
"""Bytes that GDAL takes for a block in its cache, beside the samples."""

_CODECS = {"JPEG2000": 3.0, "LZMA": 3.0, "WEBP": 2.0, "JXL": 4.0}
"""Work of a pixel beside that of one deflated."""

_SCALING = 4.0
"""Work of a pixel of other than 8 bits, which is brought to 8, beside that of one of 8."""


def picture_cost(image: Image.Image, file_bytes: int, markers: JpegMarkers | None, *, plain: bool = True) -> Cost:
    """Return what Pillow will take for an image that it has opened, not decoded.

    Parameters
    ----------
    image
        As `PIL.Image.open` returns it.
    file_bytes
        Size of the file.
    markers
        Of a JPEG file.
    plain
        Whether bands and scale are the default ones.
    """
    own = 1 if image.mode in ("1", "L", "P") else _RGB
    clear = image.has_transparency_data or image.mode == "P"
    # The image itself, the finished one, and one that is turned; transparency takes two layers more.
    each = own + 2 * _RGB + (2 * _RGB if clear else 0)
    if not plain:
        each += 24
    work, why = (2.0 if clear else 1.0), ""
    if markers is not None:
        if len(markers.scans) > 1:
            each = max(each, own + 2 * len(markers.components) + _RGB)
        work = max(work, len(markers.scans) / _SCANS)
        why = f"{len(markers.scans)} scans" if len(markers.scans) > _SCANS else ""
        if markers.arithmetic:
            work, why = 4 * work, why or "arithmetic code"
    elif image.format == "WEBP":
        each, work = each + 3 * _RGB, 2 * work
    elif image.info.get("interlace"):
        work, why = 2 * work, "interlaced"
    width, height = image.size
    return Cost(width, height, file_bytes, each * width * height + 2 * file_bytes, work, why)


def raster_cost(
    dataset: Any, bands: Sequence[int] | None, file_bytes: int, size: tuple[int, int] | None = None
) -> Cost:
    """Return what GDAL will take for a file that it has opened, or for a part of it.

    Parameters
    ----------
    dataset
        Of rasterio.
    bands
        Those that are asked for.
    file_bytes
        Size of the file.
    size
        Width and height of the part; the whole by default.
    """
    width, height = (dataset.width, dataset.height) if size is None else size
    sample = max((np.dtype(kind).itemsize for kind in set(dataset.dtypes)), default=1)
    read = len(bands) if bands else min(dataset.count, 4)
    # Bands that lie together are decoded together, whichever are wanted.
    together = dataset.count if dataset.profile.get("interleave") == "pixel" else 1
    block_height, block_width = dataset.block_shapes[0]
    block = block_height * block_width * sample
    codec = dataset.tags(ns="IMAGE_STRUCTURE").get("COMPRESSION", "")
    if dataset.driver == "JP2OpenJPEG":
        codec, block = "JPEG2000", 4 * block * dataset.count
    # The samples, where they are valid, and between them and the finished image a copy of those to be scaled.
    each = read * (sample + 1 + (sample + 1 if sample > 1 else 0)) + 3 + 2 * _RGB
    blocks = -(-height // block_height) * -(-width // block_width)
    cached = min(GDAL_CACHE, (width * height * sample + blocks * _BLOCK) * dataset.count)
    memory = each * width * height + cached + 2 * block * together
    decoded = max(read, together) * sample
    work = max(1.0, decoded / 4) * _CODECS.get(codec.upper(), 1.0) * (_SCALING if sample > 1 else 1.0)
    # A block is decoded whole, however little of it the image has.
    work *= max(1.0, block_height * block_width / max(1, width * height))
    why = f"{dataset.count} bands of {dataset.dtypes[0]}" + (f", {codec}" if codec else "")
    return Cost(width, height, file_bytes, memory, work, why if work > 1 else "")
