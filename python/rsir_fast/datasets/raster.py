"""TIFF, JPEG2000 and PNG of 16 bits, read by GDAL through rasterio: the samples as the file states them.

The only module that knows rasterio, and it imports it when the first such file comes.
"""

from __future__ import annotations

import contextlib
import logging
import re
import struct
import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rsir_fast.base.faults import is_machine_fault
from rsir_fast.base.text import printable
from rsir_fast.datasets.bands import chosen_bands
from rsir_fast.datasets.costs import raster_cost
from rsir_fast.datasets.jp2_boxes import refuse_bad_boxes
from rsir_fast.datasets.limits import Cost
from rsir_fast.datasets.samples import Samples
from rsir_fast.datasets.source import Source
from rsir_fast.datasets.strict import strict_decoders
from rsir_fast.datasets.tiff_damage import refuse_damaged_tiff
from rsir_fast.datasets.tiff_directories import refuse_many_pages
from rsir_fast.datasets.windows import Window
from rsir_fast.errors import ImageError, MachineError

__all__ = ["gdal", "heard_out", "opened_raster", "read_raster", "samples_of_raster", "tiff_orientation"]

T = TypeVar("T")
_Part = tuple[tuple[int, int], tuple[int, int]] | None
"""Rows and columns, from and to, as rasterio takes a window."""

_OPTIONS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # an image is one file: no .aux.xml, .msk, .ovr, world file beside it
    "GDAL_PAM_ENABLED": False,
    "GDAL_NUM_THREADS": "1",  # the loader has threads of its own
    "GDAL_CACHEMAX": 256,  # MiB, of all threads: every block is read once
    "GDAL_ERROR_ON_LIBJPEG_WARNING": True,
    "GTIFF_IGNORE_READ_ERRORS": False,
}

_ORIENTATION = 274
_ANY_NAME = r"[0-9a-f]{32}"

_OF_TAGS = re.compile(r"TIFF(Read\w*Directory|Fetch)")


def read_raster(
    source: Source,
    driver: str,
    bands: tuple[int, ...] | None,
    admit: Callable[[Cost], None],
) -> tuple[Samples, int]:
    """Read the bands of a file that make a picture.

    Parameters
    ----------
    source
        An open file.
    driver
        Of GDAL, the only one that may open it.
    bands
        Which, from 1; None: by the rules of `rsir_fast.datasets.read_image`.
    admit
        Called with the cost before anything is decoded; raises what is to be raised.

    Returns
    -------
    tuple
        Samples, and the orientation that a TIFF names, 1 to 8; 1 where its georeference says how it lies.

    Raises
    ------
    ImageError
        Without the file's name, if it has other bands or samples than those, or is damaged.
    MemoryError
        If GDAL found too little memory.
    """
    with opened_raster(source, driver) as (dataset, complaints):
        admit(raster_cost(dataset, bands, source.size))
        if driver == "GTiff":
            refuse_damaged_tiff(source.again(), dataset.width * dataset.height, _decoded_bytes(dataset))
        samples = heard_out(complaints, lambda: samples_of_raster(dataset, driver, bands))
        placed = dataset.crs is not None or not dataset.transform.is_identity or bool(dataset.gcps[0])
    return samples, tiff_orientation(source) if driver == "GTiff" and not placed else 1


@contextlib.contextmanager
def opened_raster(source: Source, driver: str) -> Iterator[tuple[Any, list[str]]]:
    """Open a raster, and read it within the block.

    Yields
    ------
    tuple
        The dataset of rasterio, and what GDAL complains of, which grows.

    Raises
    ------
    ImageError, MemoryError
        As `read_raster`.
    """
    import rasterio

    if driver == "GTiff":
        refuse_many_pages(source.again())
    elif driver == "JP2OpenJPEG":
        refuse_bad_boxes(source.again())
    name = uuid.uuid4().hex
    with (
        gdal(name) as complaints,
        rasterio.open(name, driver=driver, opener=lambda *_, **__: source.again()) as dataset,
    ):
        yield dataset, complaints


@contextlib.contextmanager
def gdal(name: str = _ANY_NAME) -> Iterator[list[str]]:
    """Have GDAL read as images are read, hear what it complains of, and turn its errors into ours.

    Parameters
    ----------
    name
        Under which it knows the file: a regular expression.
    """
    import rasterio
    from rasterio.session import DummySession

    try:
        with strict_decoders(), rasterio.Env(DummySession(), **_OPTIONS), _complaints() as complaints:
            yield complaints
    except (ImageError, MachineError, MemoryError):
        raise
    # What rasterio has no error of its own for comes as GDAL's, or as Python's.
    except Exception as error:
        if is_machine_fault(error):
            raise
        causes = _causes(error)
        if any(type(cause).__name__ == "CPLE_OutOfMemoryError" for cause in causes):
            raise MemoryError(_plain(str(causes[-1]), name)) from None
        raise ImageError(f"damaged or unsupported image ({_plain(str(causes[-1]), name)})") from None


def heard_out(complaints: list[str], read: Callable[[], T]) -> T:
    """Read samples; what GDAL complains of meanwhile is said of them, unless it is about tags, which are read again.

    Raises
    ------
    ImageError
        If it complains.
    """
    of_tags = set(complaints)
    found = read()
    damage = [text for text in complaints if text not in of_tags and not _OF_TAGS.search(text)]
    if damage:
        raise ImageError(f"damaged image ({_plain(damage[0])})")
    return found


def _decoded_bytes(dataset: Any) -> int:
    """Return the bytes of all blocks, of 16 bands at most where each band has its own."""
    height, width = dataset.block_shapes[0]
    pixels = -(-dataset.height // height) * height * -(-dataset.width // width) * width
    together = dataset.profile.get("interleave") == "pixel"
    bands = dataset.count if together else min(dataset.count, 16)
    return int(pixels * np.dtype(dataset.dtypes[0]).itemsize * bands)


def _causes(error: BaseException) -> list[BaseException]:
    """Return an error and what led to it, first things last."""
    found: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in found:
        found.append(cause)
        cause = cause.__cause__
    return found


def _plain(message: str, name: str = _ANY_NAME) -> str:
    """Leave out of GDAL's message the name under which it knows the file."""
    message = message.removeprefix("CPLE_AppDefined").removeprefix(" in ").removeprefix(":")
    without = re.sub(rf"'?(/vsi\w+/)?{name}'?(, |:\s?| )?", "", message)
    return printable(" ".join(without.split()) or "unknown format")


# ---- what GDAL says on the side ---------------------------------------------------------------------------------


class _Listener:
    """Keeps GDAL's warnings of this thread from the logs while it reads an image, and remembers them.

    In front of the loggers' own methods: whatever an application sets (``logging.disable``, or ``dictConfig``, which
    turns off the loggers that it does not know), damage must not pass unheard.
    """

    def __init__(self) -> None:
        self.of_thread = threading.local()

    def stand_before(self, logger: logging.Logger) -> None:
        """Hear what a logger is told."""
        enabled, handle = logger.isEnabledFor, logger.handle

        def is_enabled(level: int) -> bool:
            return level >= logging.WARNING if self.heard is not None else enabled(level)

        def heard(record: logging.LogRecord) -> None:
            if self.heard is None:
                handle(record)
            else:
                self.heard.append(record.getMessage())

        logger.isEnabledFor, logger.handle = is_enabled, heard  # type: ignore[method-assign]

    @property
    def heard(self) -> list[str] | None:
        """What this thread has heard since it began to read an image; None if it reads none."""
        return getattr(self.of_thread, "heard", None)


_listener = _Listener()
for _name in ("_env", "_err", "_io", "_base", "_vsiopener"):
    _listener.stand_before(logging.getLogger(f"rasterio.{_name}"))


@contextlib.contextmanager
def _complaints() -> Iterator[list[str]]:
    heard: list[str] = []
    _listener.of_thread.heard = heard
    try:
        yield heard
    finally:
        _listener.of_thread.heard = None


# ---- bands ------------------------------------------------------------------------------------------------------


def samples_of_raster(
    dataset: Any, driver: str, bands: tuple[int, ...] | None, window: Window | None = None
) -> Samples:
    """Read the bands that make a picture, of a window or of the whole raster; see `read_raster`."""
    part = None if window is None else ((window.row, window.bottom), (window.column, window.right))
    meanings = [meaning.name for meaning in dataset.colorinterp]
    structure = dataset.tags(ns="IMAGE_STRUCTURE")
    inverted = structure.get("MINISWHITE") == "YES"
    if meanings == ["palette"] or (inverted and dataset.count == 1 and dataset.dtypes[0] == "uint8"):
        return _coloured(dataset, bands, part)
    alpha = meanings.index("alpha") + 1 if meanings.count("alpha") == 1 else None
    chosen = chosen_bands(meanings, alpha, bands)
    if alpha in chosen:
        alpha = None  # who names it takes it for data, as the near infrared under a wrong name often is
    types = {dataset.dtypes[band - 1] for band in chosen}
    if any(kind.startswith("complex") for kind in types):
        raise ImageError(
            f"has samples of {types.pop()}: expected real ones; write amplitudes, or real parts, into the file"
        )
    distinct = list(dict.fromkeys(chosen))
    values = dataset.read(distinct, window=part)
    valid = _valid(dataset, distinct, values, part)
    opacity = None
    if alpha is not None:
        cover = dataset.read(alpha, window=part)
        shown = (cover > 0)[None]
        valid = shown if valid is None else valid & shown
        if driver == "PNG":
            opacity = (cover / np.float32(np.iinfo(cover.dtype).max)).astype(np.float32)
    bits = _bits(dataset, distinct)
    if inverted:
        values = _negative(values, bits)
    if distinct != list(chosen):
        order = [distinct.index(band) for band in chosen]
        values, valid = values[order], valid[order] if valid is not None and len(valid) > 1 else valid
    return Samples(values, valid, opacity, bits)


def _valid(dataset: Any, bands: list[int], values: NDArray[Any], part: _Part) -> NDArray[np.bool_] | None:
    """Return where there are data, bool [bands, H, W], by GDAL_NODATA, mask and NaN; None: everywhere."""
    flags = {flag.name for band in bands for flag in dataset.mask_flag_enums[band - 1]}
    valid = None
    if flags - {"all_valid"} and "alpha" not in flags:
        valid = dataset.read_masks(bands, window=part) > 0
    if np.issubdtype(values.dtype, np.floating):
        missing = np.isnan(values)
        if missing.any():
            valid = ~missing if valid is None else valid & ~missing
    return valid


def _bits(dataset: Any, bands: list[int]) -> int | None:
    """Return the bits of a sample where the file has fewer than its type, as a sensor of 12 bits in 16."""
    if not np.issubdtype(np.dtype(dataset.dtypes[bands[0] - 1]), np.unsignedinteger):
        return None
    stated = {dataset.tags(band, ns="IMAGE_STRUCTURE").get("NBITS") for band in bands}
    bits = stated.pop() if len(stated) == 1 else None
    return None if bits is None else int(bits)


def _negative(values: NDArray[Any], bits: int | None) -> NDArray[Any]:
    """Return samples whose 0 is black, of those whose 0 is white."""
    if not np.issubdtype(values.dtype, np.unsignedinteger):
        raise ImageError(
            f"has samples of {values.dtype} whose 0 is white: expected unsigned integers; write it with 0 as black"
        )
    white = np.iinfo(values.dtype).max if bits is None else 2**bits - 1
    return np.asarray(values.dtype.type(white) - values)


def _coloured(dataset: Any, bands: tuple[int, ...] | None, part: _Part) -> Samples:
    """Read a palette as its colours."""
    table = dataset.colormap(1)
    entries = np.zeros((max(table) + 1, 4), np.uint8)
    for index, colour in table.items():
        entries[index] = colour
    index = dataset.read(1, window=part)
    if index.size and int(index.max()) >= len(entries):
        raise ImageError(f"damaged image (palette of {len(entries)} colours, sample of {int(index.max())})")
    chosen = chosen_bands(["red", "green", "blue"], None, bands)
    layer = entries[index]
    masks = _valid(dataset, [1], index[None], part)
    shown = (layer[:, :, 3] > 0)[None]
    valid = shown if masks is None else masks & shown
    return Samples(layer[:, :, [band - 1 for band in chosen]].transpose(2, 0, 1), None if valid.all() else valid)


# ---- orientation ------------------------------------------------------------------------------------------------


def tiff_orientation(source: Source) -> int:
    """Return the orientation, 1 to 8, that the first directory of a TIFF names; GDAL does not tell it.

    Read by itself rather than by Pillow, which loads every tag first, as large as a damaged file says they are.
    """
    try:
        source.seek(0)
        head = source.read(16)
        order = "<" if head[:2] == b"II" else ">"
        big = struct.unpack(f"{order}H", head[2:4])[0] == 43
        source.seek(struct.unpack(order + "Q" if big else order + "I", head[8:16] if big else head[4:8])[0])
        count = struct.unpack(order + "Q" if big else order + "H", source.read(8 if big else 2))[0]
        size = 20 if big else 12
        entries = source.read(size * min(count, 65535))
        for at in range(0, len(entries) - size + 1, size):
            if struct.unpack_from(f"{order}H", entries, at)[0] == _ORIENTATION:
                value = struct.unpack_from(f"{order}H", entries, at + size - (8 if big else 4))[0]
                return value if 1 <= value <= 8 else 1
    except (struct.error, OSError, ValueError, OverflowError):
        pass  # GDAL says what is wrong with it
    return 1
