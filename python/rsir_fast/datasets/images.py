"""One image file to RGB, decoded in full or refused with a reason."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from PIL import Image, UnidentifiedImageError

from rsir_fast.base.faults import is_machine_fault
from rsir_fast.base.text import printable
from rsir_fast.datasets.doubt import Doubt
from rsir_fast.datasets.limits import Cost, LimitError, Limits, current_limits
from rsir_fast.datasets.pictures import (
    orientation_of,
    png_orientation,
    read_picture,
    samples_of,
    to_rgb,
    upright,
)
from rsir_fast.datasets.png_chunks import read_chunks, refuse_damaged_png
from rsir_fast.datasets.raster import read_raster
from rsir_fast.datasets.reader import Reader
from rsir_fast.datasets.source import Source, opened
from rsir_fast.errors import ImageError, MachineError

__all__ = ["DRIVERS", "IMAGE_SUFFIXES", "decoding", "foreign", "format_of", "read_image"]

T = TypeVar("T")

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".tif", ".tiff", ".gtiff", ".jp2", ".j2k", ".bmp", ".webp"}
)
"""File name endings, in lower case, that make a file an image of a data set."""

_DEFAULT = Reader()

DRIVERS = {"TIFF": "GTiff", "JPEG2000": "JP2OpenJPEG", "PNG of 16 bits": "PNG"}
"""Formats that GDAL reads, each by the one driver named; Pillow reads the others."""

_STARTS = {
    b"\xff\xd8\xff": "JPEG",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",  # BigTIFF
    b"MM\0+": "TIFF",
    b"\0\0\0\x0cjP  \r\n\x87\n": "JPEG2000",
    b"\xff\x4f\xff\x51": "JPEG2000",  # bare codestream
}

_FOREIGN = {
    b"GIF8": "a GIF image",
    b"%PDF": "a PDF document",
    b"\x89HDF": "an HDF5 or NetCDF file",
    b"CDF": "a NetCDF file",
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "a gzip file",
    b"<VRT": "a GDAL virtual raster",
    b"NITF": "a NITF file",
    b"\xff\x0a": "a JPEG XL image",
    b"\0\0\0\x0cJXL ": "a JPEG XL image",
    b"<": "XML or HTML",
}


def format_of(head: bytes) -> str | None:
    """Recognise a format by the first bytes of a file."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG of 16 bits" if head[12:16] == b"IHDR" and head[24:25] == b"\x10" else "PNG"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    return next((name for start, name in _STARTS.items() if head.startswith(start)), None)


def foreign(head: bytes) -> str:
    """Say what a file is that is none of ours."""
    if head[4:8] == b"ftyp":
        return "a HEIF, AVIF or video file"
    known = next((name for start, name in _FOREIGN.items() if head.startswith(start)), None)
    if known is None:
        text = all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in head)
        known = "text" if text else f"unknown content (it starts with {head[:8].hex(' ')})"
    return known


def read_image(
    path: Path, reader: Reader = _DEFAULT, *, max_pixels: int | None = None, limits: Limits | None = None
) -> Image.Image:
    """Read a JPEG, PNG, TIFF (GeoTIFF, COG, BigTIFF), JPEG2000, BMP or WebP file as RGB, decoded in full.

    The content decides the format, not the name, and nothing but the file itself is read: no side files, no network. Of
    files with several pages or pictures the first is read, at full resolution.

    Bands, unless `reader` names some: one becomes grey, three or four red, green and blue: those that the file calls
    so, else the first three, as the fourth is near infrared. Other numbers of bands are refused; a band of transparency
    does not count. Palettes, CMYK, YCbCr and CIELab become red, green and blue.

    Samples of other than 8 bits follow `rsir_fast.datasets.samples.to_eight_bits`, unless `reader` names a scale, each
    image by itself and all its bands alike.

    What is no data does not count for a scale and becomes 0: GDAL_NODATA, a mask inside the file, NaN, blocks that a
    sparse file leaves out, alpha of 0. Partial transparency of PNG and WebP is composited on black; in TIFF and
    JPEG2000 alpha above 0 leaves samples as they are.

    Orientation (EXIF in JPEG, PNG and WebP, the tag in TIFF) is applied, as viewers do, except to a georeferenced TIFF,
    whose georeference says how it lies.

    Parameters
    ----------
    path
        The image file.
    reader
        Bands and scale.
    max_pixels
        In place of that of `limits`.
    limits
        What the image may cost; one that would cost more is refused before it is decoded, and the thread waits until
        the memory for it is free. None: those of the process, see `rsir_fast.datasets.set_limits`.

    Returns
    -------
    PIL.Image.Image
        Mode RGB.

    Raises
    ------
    ImageError
        One line with the path and the reason: missing, not a regular file, empty, no image, truncated, damaged, too
        large, or with other bands.
    MachineError
        If the machine failed, not the image: permissions, disk, too many open files, too little memory granted or
        there: no MemoryError leaves, and a decoder that failed with too little memory proves nothing of the image.

    Examples
    --------
    >>> read_image(Path("nowhere.jpg"))
    Traceback (most recent call last):
    ...
    rsir_fast.errors.ImageError: nowhere.jpg: the file does not exist
    """
    limits = current_limits() if limits is None else limits
    if max_pixels is not None:
        limits = replace(limits, max_pixels=max_pixels)
    with opened(path) as source:
        return decoding(path, source, limits, lambda admit: _decoded(source, reader, admit))


def decoding(path: Path, source: Source, limits: Limits, decode: Callable[[Callable[[Cost], None]], T]) -> T:
    """Decode an image, or a part of one, within limits.

    Parameters
    ----------
    path
        Of the file, for errors.
    source
        The file, open.
    limits
        See `read_image`.
    decode
        Given a function to be called with the cost before anything is decoded, returns what is decoded.

    Raises
    ------
    ImageError, MachineError
        As `read_image`, whatever `decode` raised.
    """
    with contextlib.ExitStack() as held:
        doubt = Doubt(source)

        def admit(cost: Cost) -> None:
            held.enter_context(limits.admitted(cost))
            doubt.admitted(cost)

        try:
            return decode(admit)
        except MachineError as fault:
            raise MachineError(f"{printable(path)}: {fault}") from None
        except LimitError as refused:
            raise LimitError(f"{printable(path)}: {refused}") from None
        except ImageError as refused:
            kind, reason = type(refused), str(refused)
        except UnidentifiedImageError:
            kind, reason = ImageError, "damaged or unsupported image (its header cannot be understood)"
        # Pillow's decoders raise whatever a damaged header leads them to (OSError, SyntaxError, struct.error, KeyError
        # ...); one bad file must never end an extraction.
        except Exception as error:
            if is_machine_fault(error):
                raise
            kind, reason = ImageError, f"damaged or unsupported image ({printable(error) or type(error).__name__})"
        # The frames of the decoder are gone by now, and what they held.
        doubt.settle()
        raise kind(f"{printable(path)}: {reason}")


def _decoded(source: Source, reader: Reader, admit: Callable[[Cost], None]) -> Image.Image:
    head = source.read(32)
    source.seek(0)
    kind = format_of(head)
    if kind is None:
        raise ImageError(
            f"expected a JPEG, PNG, TIFF, JPEG2000, BMP or WebP image, found {foreign(head)}; convert it, for example "
            "to PNG or GeoTIFF"
        )
    if kind.startswith("PNG"):
        admit = _admitting_png(source.again(), admit)
    if kind in DRIVERS:
        samples, orientation = read_raster(source, DRIVERS[kind], reader.bands, admit)
        if kind == "PNG of 16 bits":
            orientation = png_orientation(source)
        return upright(Image.fromarray(samples.to_rgb(reader.scale)), orientation)
    image = read_picture(source, admit, plain=reader == _DEFAULT)
    if reader == _DEFAULT:
        return upright(to_rgb(image), orientation_of(image))
    samples = samples_of(image, reader.bands)
    return upright(Image.fromarray(samples.to_rgb(reader.scale)), orientation_of(image))


def _admitting_png(source: Source, admit: Callable[[Cost], None]) -> Callable[[Cost], None]:
    chunks = read_chunks(source)  # before a decoder goes through them, however many there are

    def admit_whole(cost: Cost) -> None:
        admit(cost)
        refuse_damaged_png(source, chunks)

    return admit_whole
