"""Whether deflated strips and tiles were decoded as they were written, by their sums: without inflating them again.

libtiff looks at the sum at the end of deflated data in some of its builds, and there not where damaged data would give
more than a block takes. That sum, an Adler-32, is computed here of the samples that came out.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rsir_fast.datasets.source import Source
from rsir_fast.datasets.tiff_directories import Blocks
from rsir_fast.datasets.windows import Window

__all__ = ["unproven"]

_MODULUS = 65521


def unproven(
    source: Source, blocks: Blocks, which: NDArray[np.int64], window: Window, seen: Mapping[int, NDArray[Any]]
) -> NDArray[np.int64]:
    """Return those of some strips or tiles of which nothing is proven: damaged, cut by the image's edge, or odd.

    Parameters
    ----------
    source
        Its place is moved.
    blocks, which
        Deflated ones, and the numbers, from 0, of those in question.
    window
        Pixels that were decoded.
    seen
        Number of a band, from 1, to its samples [H, W] there. A block of all bands needs all.
    """
    bands = [seen[band] for band in sorted(seen)]
    left = []
    for at in which.tolist():
        if blocks.is_planar:
            band = seen.get(1 + at // (blocks.across * blocks.down))
            bands = [] if band is None else [band]
        place = blocks.window(at).within(window)
        source.seek(max(0, int(blocks.offsets[at]) + int(blocks.sizes[at]) - 4))
        stated = source.read(4)
        is_there = bands and min(place[:2]) >= 0
        if not is_there or stated != _sum([_as_written(band[place.pixels], blocks) for band in bands], blocks.order):
            left.append(at)
    return np.array(left, np.int64)


def _as_written(samples: NDArray[Any], blocks: Blocks) -> NDArray[Any]:
    """Return samples [h, w] of a band as they were before they were deflated."""
    values = samples.view(f"u{samples.dtype.itemsize}")
    if blocks.predictor == 2:
        differences = np.empty_like(values)
        differences[:, 0] = values[:, 0]
        np.subtract(values[:, 1:], values[:, :-1], out=differences[:, 1:])
        values = differences
    return np.ascontiguousarray(values)


def _sum(bands: Sequence[NDArray[Any]], order: Literal["<", ">"]) -> bytes:
    """Return the Adler-32 of bands [h, w], sample beside sample, as it is written."""
    if bands[0].dtype.itemsize > 1:
        together = np.stack(bands, axis=-1)
        return zlib.adler32(together.astype(together.dtype.newbyteorder(order), copy=False).data).to_bytes(4, "big")
    # With n bytes d, the sum is made of 1 + sum d[i] and n + sum (n - i) d[i]. Of the bytes of a band alone it says
    # as much, and a band's byte j is byte i = len(bands) * j + band of all.
    number = bands[0].size
    low, high = 1, number * len(bands)
    for band, samples in enumerate(bands):
        of_band = zlib.adler32(samples.data)
        total = (of_band & 0xFFFF) - 1
        placed = number * total - ((of_band >> 16) - number)  # sum j d[j]
        low += total
        high += (number * len(bands) - band) * total - len(bands) * placed
    return (high % _MODULUS << 16 | low % _MODULUS).to_bytes(4, "big")
