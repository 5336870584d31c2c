"""Damage in the strips and tiles of a TIFF file that its decoder passes over."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from rsir_fast.datasets.jpeg_damage import jpeg_damage
from rsir_fast.datasets.jpeg_markers import read_markers
from rsir_fast.datasets.source import Source
from rsir_fast.datasets.tiff_directories import Blocks, read_blocks
from rsir_fast.errors import ImageError

__all__ = ["refuse_damaged_blocks", "refuse_damaged_tiff"]

_AT_ONCE = 1 << 20
_SCANS = 20
"""Twice those of an ordinary progressive JPEG."""


def refuse_damaged_tiff(source: Source, pixels: int, most: int) -> None:
    """Check the sums of deflated strips and tiles, and those of JPEG as JPEG files are checked.

    libtiff stops when it has all rows, and so looks neither at the sum of deflated data nor at what JPEG data are left.

    Parameters
    ----------
    source
        Its place is moved.
    pixels
        Of the image.
    most
        Bytes of all blocks decoded: more is not looked at.

    Raises
    ------
    ImageError
        Without the file's name.
    """
    blocks = read_blocks(source)
    if blocks is not None:
        refuse_damaged_blocks(source, blocks, np.arange(len(blocks.offsets)), pixels, most)


def refuse_damaged_blocks(source: Source, blocks: Blocks, which: NDArray[np.int64], pixels: int, most: int) -> None:
    """Check some strips and tiles; see `refuse_damaged_tiff`.

    Parameters
    ----------
    which
        Their numbers, from 0.
    """
    if not (blocks.is_jpeg or blocks.is_deflated):
        return
    checked: dict[tuple[int, int], str | None] = {}
    for at in which.tolist():
        number, place = at + 1, (int(blocks.offsets[at]), int(blocks.sizes[at]))
        if place not in checked:
            source.seek(place[0])
            content = source.read(place[1])
            if blocks.is_jpeg:
                checked[place] = _of_jpeg(blocks.tables, content, pixels)
            else:
                most, checked[place] = _of_deflated(content, most)
        damage = checked[place]
        if damage is not None:
            raise ImageError(
                f"damaged TIFF data (strip or tile {number} of {len(blocks.offsets)}: {damage}); copy the file again "
                "from where it came from"
            )


def _of_jpeg(tables: bytes, content: bytes, pixels: int) -> str | None:
    # The tables come as a JPEG file without an image: its end goes, and the start of the other.
    whole = tables[:-2] + content[2:] if tables else content
    markers = read_markers(whole)
    if markers is None or markers.width * markers.height > pixels:
        return None  # left out of a sparse file, or for libtiff to refuse
    if len(markers.scans) > _SCANS:
        return f"expected at most {_SCANS} scans, found {len(markers.scans)}"
    return jpeg_damage(whole, markers)


def _of_deflated(content: bytes, most: int) -> tuple[int, str | None]:
    """Return how many bytes more may be inflated, and what is wrong; nothing is kept of what is inflated."""
    if not content:
        return most, None  # left out of a sparse file
    inflater = zlib.decompressobj()
    try:
        while not inflater.eof and most >= 0:
            made = inflater.decompress(content, _AT_ONCE)
            most -= len(made)
            content = inflater.unconsumed_tail
            if not made and not content and not inflater.eof:
                return most, "the deflated data end early"
    except zlib.error as error:
        return most, str(error)
    return most, None
