"""JPEG, PNG of 8 bits, BMP and WebP, decoded in full by Pillow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import ExifTags, Image

from rsir_fast.base.faults import is_machine_fault
from rsir_fast.datasets.bands import chosen_bands
from rsir_fast.datasets.costs import picture_cost
from rsir_fast.datasets.jpeg_damage import refuse_damaged_jpeg
from rsir_fast.datasets.jpeg_markers import read_markers
from rsir_fast.datasets.limits import Cost
from rsir_fast.datasets.samples import Samples, to_eight_bits
from rsir_fast.datasets.source import Source
from rsir_fast.datasets.strict import strict_decoders

__all__ = ["orientation_of", "png_orientation", "read_picture", "samples_of", "to_rgb", "upright"]

_FORMATS = ("JPEG", "PNG", "BMP", "WEBP")

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes an image upright, by its orientation as EXIF and TIFF number it; 1 is upright."""


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert an image of any Pillow mode to RGB.

    Transparent pixels (an alpha channel, or a palette or colour marked transparent) are composited on black, so that
    "no data" looks the same whatever colour hides under it. Grey of more than 8 bits follows `to_eight_bits`;
    Pillow itself keeps the high byte of 16-bit colour. CMYK is converted without colour management.

    Parameters
    ----------
    image
        Any mode; decoded by this call if it is not yet.

    Returns
    -------
    PIL.Image.Image
        Mode RGB, a copy that holds no file open.

    Examples
    --------
    >>> to_rgb(Image.new("RGBA", (1, 1), (200, 100, 50, 0))).getpixel((0, 0))
    (0, 0, 0)
    """
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return Image.fromarray(to_eight_bits(np.asarray(image))).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, (0, 0, 0, 255)), layer).convert("RGB")
    return image.convert("RGB")


def orientation_of(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8; 1 where there is none, or none that makes sense, as viewers do."""
    # EXIF is written by every camera its own way; damage in it is no damage to the image.
    try:
        found = image.getexif().get(ExifTags.Base.Orientation)
    except Exception as error:
        if is_machine_fault(error):
            raise  # else the image would lie otherwise, for want of memory
        return 1
    return found if found in _TURNS else 1


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """Turn and mirror an image as its orientation says."""
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


def read_picture(source: Source, admit: Callable[[Cost], None], *, plain: bool = True) -> Image.Image:
    """Decode a file in full; the mode is the file's.

    Parameters
    ----------
    source
        An open file.
    admit
        Called with the cost before anything is decoded; raises what is to be raised.
    plain
        Whether bands and scale are the default ones, which takes less memory.

    Returns
    -------
    PIL.Image.Image

    Raises
    ------
    Exception
        Whatever a damaged file leads Pillow to.
    """
    jpeg = source.again().read() if source.again().read(2) == b"\xff\xd8" else None
    markers = None if jpeg is None else read_markers(jpeg)
    with strict_decoders():
        image: Any = Image.open(source, formats=_FORMATS)  # type: ignore[arg-type]
        admit(picture_cost(image, source.size, markers, plain=plain))
        if jpeg is not None:
            refuse_damaged_jpeg(jpeg, markers)
            # By default Pillow feeds libjpeg bit by bit, which may go back to where it was each time.
            image.decodermaxblock = max(len(jpeg), image.decodermaxblock)
        image.load()
        return image  # type: ignore[no-any-return]


def png_orientation(source: Source) -> int:
    """Return the EXIF orientation of a PNG that another decoder reads."""
    source.seek(0)
    with strict_decoders():
        try:
            return orientation_of(Image.open(source, formats=("PNG",)))  # type: ignore[arg-type]
        except Exception as error:
            if is_machine_fault(error):
                raise
            return 1


def samples_of(image: Image.Image, bands: tuple[int, ...] | None) -> Samples:
    """Return bands of an image that has one if it is grey, else red, green and blue."""
    grey = image.mode in ("1", "L", "LA", "La")
    chosen = [band - 1 for band in chosen_bands(["gray"] if grey else ["red", "green", "blue"], None, bands)]
    clear = image.has_transparency_data
    layer = np.asarray(image.convert("RGBA" if clear else "RGB")).transpose(2, 0, 1)
    if not clear:
        return Samples(layer[chosen])
    alpha = layer[3]
    return Samples(layer[chosen], (alpha > 0)[None], (alpha / np.float32(255)).astype(np.float32))
