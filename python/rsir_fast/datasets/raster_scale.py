"""The scale to 8 bits of a whole raster, found part by part: a tile is as bright as the raster that it is cut from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsir_fast.datasets.limits import LimitError
from rsir_fast.datasets.reader import Scale
from rsir_fast.datasets.samples import Samples, known_samples

__all__ = ["Brightness", "brightness_of", "is_stated"]


@dataclass(frozen=True)
class Brightness:
    """How samples of any part of a raster come to 8 bits.

    Attributes
    ----------
    scale : Scale or None
        Linear, in numbers; None: by the number of bits.
    bits : int or None
        Of a sample; None: as the samples themselves say.
    """

    scale: Scale | None = None
    bits: int | None = None

    def planes(self, samples: Samples) -> NDArray[np.uint8]:
        """Return uint8 [1 or 3, H, W] of a part, as it is in the RGB of the whole."""
        return replace(samples, bits=samples.bits if self.bits is None else self.bits).to_planes(self.scale)


def is_stated(samples: Samples, scale: Scale | None) -> bool:
    """Whether it needs no look at all samples: numbers are given, or samples of 8 bits, or of so many as the file says.

    Parameters
    ----------
    samples
        Of any part.
    scale
        Asked for.
    """
    if scale is not None:
        return scale.kind == "range"
    kind = samples.values.dtype
    return bool(kind == np.uint8 or kind == np.bool_ or (np.issubdtype(kind, np.integer) and samples.bits is not None))


def brightness_of(parts: Iterable[Samples], scale: Scale | None, memory: int) -> Brightness:
    """Return what `Samples.to_rgb` of all parts together would do.

    Parameters
    ----------
    parts
        Of one raster, each pixel once.
    scale
        Asked for: ``minmax``, ``percentile`` or None.
    memory
        Bytes that samples of more than 16 bits may take: their percentiles need all of them.

    Raises
    ------
    LimitError
        If they take more.
    """
    if scale is not None and scale.kind == "percentile":
        return Brightness(Scale("range", *_percentiles(parts, (scale.low, scale.high), memory)))
    low, high, is_float = np.inf, -np.inf, False
    for part in parts:
        known = known_samples(part.values, part.valid)
        is_float = np.issubdtype(known.dtype, np.floating)
        if known.size:
            low, high = min(low, float(known.min())), max(high, float(known.max()))
    if scale is None and not is_float:
        return Brightness(bits=max(int(max(high, 0)).bit_length(), 8))
    return Brightness(Scale("range", low, high) if high >= low else Scale("range", 0.0, 0.0))


def _percentiles(parts: Iterable[Samples], wanted: tuple[float, float], memory: int) -> tuple[float, float]:
    """Return percentiles of all samples, as `numpy.percentile` does."""
    counts: NDArray[np.int64] | None = None
    lowest = 0
    kept: list[NDArray[Any]] = []
    for part in parts:
        known = known_samples(part.values, part.valid)
        if known.dtype.kind in "iu" and known.dtype.itemsize <= 2:
            lowest = int(np.iinfo(known.dtype).min)
            here = np.bincount(known.astype(np.int64) - lowest, minlength=1 << (8 * known.dtype.itemsize))
            counts = here if counts is None else counts + here
            continue
        kept.append(known)
        needed = 2 * 8 * sum(map(len, kept))
        if needed > memory:
            raise LimitError(
                f"percentiles of {known.dtype} samples need more than {memory >> 20} MiB of memory; name the scale in "
                "numbers, such as --scale 0:3000, or raise --image-memory"
            )
    if counts is None:
        known = np.concatenate([np.empty(0), *kept])
        low, high = np.percentile(known, wanted) if len(known) else (0.0, 0.0)
        return float(low), float(high)
    return _of_counts(counts, lowest, wanted[0]), _of_counts(counts, lowest, wanted[1])


def _of_counts(counts: NDArray[np.int64], lowest: int, percentile: float) -> float:
    """Return a percentile of samples that occur so often, between two of them by the formula of NumPy."""
    number = int(counts.sum())
    if not number:
        return 0.0
    place = (number - 1) * (percentile / 100)
    first = int(place)
    ends = np.cumsum(counts)
    low, high = (float(np.searchsorted(ends, min(at, number - 1), "right")) + lowest for at in (first, first + 1))
    share = place - first
    return high - (high - low) * (1 - share) if share >= 0.5 else low + (high - low) * share
