"""One image file to RGB, decoded in full or refused with a reason."""

from __future__ import annotations

import contextlib
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError

from rsir_fast.base.text import printable
from rsir_fast.datasets.jpeg_damage import refuse_damaged_jpeg
from rsir_fast.errors import ImageError

__all__ = ["IMAGE_SUFFIXES", "MAX_PIXELS", "read_image", "to_eight_bits", "to_rgb"]

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".tif", ".tiff", ".bmp"})
"""File name endings, in lower case, that make a file an image of a data set."""

MAX_PIXELS = 2**28
"""Largest image read, in pixels: 16384 x 16384, more than a Sentinel-2 tile, and 1 GiB in Pillow's four bytes each."""

MAX_SIDE = 2**18
"""Longest side read, in pixels: the filter that shrinks a side needs memory in proportion to it."""

_FORMATS = ("JPEG", "PNG", "TIFF", "BMP")


class _StrictPillow:
    """Pillow's process-wide switches, held at this module's values while any thread decodes.

    ``LOAD_TRUNCATED_IMAGES`` would turn a damaged file into a half-grey image without a word, and
    ``MAX_IMAGE_PIXELS`` would refuse whole satellite scenes; this module has a limit of its own.
    A counter, not a lock around the decoding, so that threads still decode side by side.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._saved: tuple[bool, int | None] = (False, None)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        with self._lock:
            if self._users == 0:
                self._saved = (ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS)
                ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS = False, None
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if self._users == 0:
                    ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS = self._saved


strict_pillow = _StrictPillow().held


def to_eight_bits(samples: NDArray[Any]) -> NDArray[np.uint8]:
    """Bring samples of more than 8 bits to 8 bits by the range they use.

    Integers: with b the number of bits of the largest sample (at least 8), a sample v becomes
    ``v >> (b - 8)``, negative ones 0. So 12-bit sensor data in a 16-bit file comes out as bright as the
    sensor saw it, data that uses all 16 bits gives its high byte, and zero stays zero.
    Floats: the smallest finite value goes to 0 and the largest to 255, linearly; NaN and -inf go to 0, +inf to 255.

    Parameters
    ----------
    samples
        Any shape, any integer or float dtype.

    Returns
    -------
    ndarray of uint8
        The same shape. uint8 input comes back as it is.

    Examples
    --------
    >>> to_eight_bits(np.array([0, 2048, 4095], dtype=np.uint16))
    array([  0, 128, 255], dtype=uint8)
    """
    if samples.dtype == np.uint8:
        return samples
    if samples.dtype == np.bool_:
        return samples.astype(np.uint8) * np.uint8(255)
    if np.issubdtype(samples.dtype, np.integer):
        bits = max(int(samples.max(initial=0)).bit_length(), 8)
        return np.asarray(samples.clip(0, None) >> (bits - 8)).astype(np.uint8)
    values = samples.astype(np.float64)
    finite = np.isfinite(values)
    low, high = (values[finite].min(), values[finite].max()) if finite.any() else (0.0, 0.0)
    values = np.nan_to_num(values, nan=low, posinf=high, neginf=low)
    span = high - low
    return np.rint((values - low) * (255.0 / span if span > 0 else 0.0)).astype(np.uint8)


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


def read_image(path: Path, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Read a JPEG, PNG, TIFF or BMP file as RGB, decoded in full.

    The content decides the format, not the name. Of files with several pages the first is read. Pixels come as they
    are stored: an EXIF orientation is not applied, as the rows of a remote sensing file are the rows of the scene.
    Of a TIFF with four bands the first three are taken: the fourth is near infrared more often than transparency.

    Parameters
    ----------
    path
        The image file.
    max_pixels
        Larger images are refused before they are decoded.

    Returns
    -------
    PIL.Image.Image
        Mode RGB; see `to_rgb` for what becomes of transparency and of more than 8 bits.

    Raises
    ------
    ImageError
        One line with the path and the reason: missing, not a regular file, empty, no permission, no image, truncated,
        damaged, or too large.

    Examples
    --------
    >>> read_image(Path("nowhere.jpg"))
    Traceback (most recent call last):
    ...
    rsir_fast.errors.ImageError: nowhere.jpg: the file does not exist
    """
    try:
        found = path.stat()
        # A named pipe would block for ever, so only regular files are opened.
        if not stat.S_ISREG(found.st_mode):
            raise ImageError(f"{printable(path)}: expected an image file, found a folder or special file")
        if found.st_size == 0:
            raise ImageError(f"{printable(path)}: the file is empty (0 bytes)")
        with path.open("rb") as file, strict_pillow(), Image.open(file, formats=_FORMATS) as image:
            width, height = image.size
            if width * height > max_pixels or max(width, height) > MAX_SIDE:
                raise ImageError(
                    f"{printable(path)}: {width} x {height} pixels are more than the limit of {max_pixels}, or of "
                    f"{MAX_SIDE} a side; cut it into tiles"
                )
            if image.format in ("JPEG", "MPO"):
                file.seek(0)
                refuse_damaged_jpeg(path, file.read())
            # The fourth band of a remote sensing TIFF is near infrared more often than transparency.
            return to_rgb(image.convert("RGB") if image.format == "TIFF" and image.mode == "RGBA" else image)
    except ImageError:
        raise
    except FileNotFoundError:
        reason = "the file does not exist"
    except PermissionError:
        reason = "no permission to read the file"
    except UnidentifiedImageError:
        reason = "not a JPEG, PNG, TIFF or BMP image, or a TIFF with bands other than grey, RGB or RGBA"
    # Pillow's decoders raise whatever a damaged header leads them to (OSError, SyntaxError, struct.error, KeyError,
    # MemoryError ...); one bad file must never end an extraction.
    except Exception as error:
        reason = f"damaged or unsupported image ({printable(error) or type(error).__name__})"
    raise ImageError(f"{printable(path)}: {reason}") from None
