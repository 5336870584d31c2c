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

from rsir_fast.base.faults import is_machine_fault
from rsir_fast.base.text import printable
from rsir_fast.datasets.costs import GDAL_CACHE, raster_cost
from rsir_fast.datasets.jp2_boxes import refuse_bad_boxes
from rsir_fast.datasets.limits import Cost
from rsir_fast.datasets.raster_bands import BandReader, samples_of_raster
from rsir_fast.datasets.samples import Samples
from rsir_fast.datasets.source import Source
from rsir_fast.datasets.strict import Held, strict_decoders
from rsir_fast.datasets.tiff_damage import refuse_damaged_tiff
from rsir_fast.datasets.tiff_directories import refuse_many_pages
from rsir_fast.errors import ImageError, MachineError

__all__ = ["gdal", "heard_out", "opened_raster", "read_raster", "tiff_orientation"]

T = TypeVar("T")

_OPTIONS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # an image is one file: no .aux.xml, .msk, .ovr, world file beside it
    "GDAL_PAM_ENABLED": False,
    "GDAL_NUM_THREADS": "1",  # the loader has threads of its own
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
        samples = heard_out(complaints, lambda: samples_of_raster(BandReader(dataset), driver, bands))
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
        with strict_decoders(), _small_cache(), rasterio.Env(DummySession(), **_OPTIONS), _complaints() as complaints:
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


@contextlib.contextmanager
def _of_small_cache() -> Iterator[None]:
    from rasterio.env import get_gdal_config, set_gdal_config

    before = get_gdal_config("GDAL_CACHEMAX")
    set_gdal_config("GDAL_CACHEMAX", GDAL_CACHE)
    try:
        yield
    finally:
        if get_gdal_config("GDAL_CACHEMAX") == GDAL_CACHE:  # else an environment of the application says otherwise now
            set_gdal_config("GDAL_CACHEMAX", before)


# One for the process, which `rasterio.Env` would leave behind where two threads have it.
_small_cache = Held(_of_small_cache)


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
