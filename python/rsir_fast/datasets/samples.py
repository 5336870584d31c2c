"""Samples of any kind to RGB of 8 bits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsir_fast.datasets.reader import Scale

__all__ = ["Samples", "known_samples", "to_eight_bits"]

_ROWS = 512
"""Rows brought to 8 bits at a time, which bounds the memory that float64 takes in between."""

_MANY = 1 << 17
"""Samples from which on it is faster to look up those of 16 bits."""

Conversion = Callable[[NDArray[Any]], NDArray[np.uint8]]


@dataclass(frozen=True)
class Samples:
    """One band or three, as a file holds them.

    Attributes
    ----------
    values
        [1 or 3, H, W], integers or floats.
    valid
        Bool, of the same shape or [1, H, W]: where there are data. None: everywhere.
    opacity
        Float32 [H, W], 0 to 1: by how much the picture covers the black behind it. None: opaque.
    bits
        Bits of an integer sample, where the file says so and its type has more.
    """

    values: NDArray[Any]
    valid: NDArray[np.bool_] | None = None
    opacity: NDArray[np.float32] | None = None
    bits: int | None = None

    def to_rgb(self, scale: Scale | None = None) -> NDArray[np.uint8]:
        """Return uint8 [H, W, 3]: scaled (see `to_eight_bits`), 0 where there are no data, laid on black."""
        count, height, width = self.values.shape
        rgb = np.empty((height, width, 3), np.uint8)
        for band, rows, made in self._converted(scale):
            if count == 1:
                rgb[rows] = made[:, :, None]
            else:
                rgb[rows, :, band] = made
        return rgb

    def to_planes(self, scale: Scale | None = None) -> NDArray[np.uint8]:
        """Return uint8 [1 or 3, H, W], the bands of `to_rgb`; without a copy where they are that already."""
        if self.values.dtype == np.uint8 and all(each is None for each in (scale, self.valid, self.opacity, self.bits)):
            return self.values
        planes = np.empty(self.values.shape, np.uint8)
        for band, rows, made in self._converted(scale):
            planes[band, rows] = made
        return planes

    def _converted(self, scale: Scale | None) -> Iterator[tuple[int, slice, NDArray[np.uint8]]]:
        """Yield some rows of a band, brought to 8 bits."""
        convert = _conversion(self.values, self.valid, self.bits, scale)
        count, height, _ = self.values.shape
        for first in range(0, height, _ROWS):
            rows = slice(first, first + _ROWS)
            for band in range(count):
                made = convert(self.values[band, rows])
                if self.valid is not None:
                    made = made * self.valid[band % len(self.valid), rows]
                if self.opacity is not None:
                    made = np.rint(made * self.opacity[rows]).astype(np.uint8)
                yield band, rows, made


def to_eight_bits(samples: NDArray[Any], *, bits: int | None = None, scale: Scale | None = None) -> NDArray[np.uint8]:
    """Bring samples to 8 bits.

    uint8 comes back as it is, and of booleans True becomes 255.
    Integers of more bits: with b their number of bits, or where nobody says it the number that the largest sample needs
    (at least 8), a sample v becomes ``v >> (b - 8)``, negative ones 0. So 12-bit sensor data in a 16-bit file comes out
    as bright as the sensor saw it, data that uses all 16 bits gives its high byte, and zero stays zero.
    Integers of b < 8 bits fill the range: v becomes 255 v / (2^b - 1), rounded.
    Floats: the smallest finite value goes to 0 and the largest to 255, linearly; NaN and -inf go to 0, +inf to 255.

    Parameters
    ----------
    samples
        Any shape, any integer or float dtype.
    bits
        Bits of an integer sample.
    scale
        A linear scale in place of these rules, for every dtype; what lies outside becomes 0 or 255.

    Returns
    -------
    ndarray of uint8
        The same shape.

    Examples
    --------
    >>> to_eight_bits(np.array([0, 2048, 4095], dtype=np.uint16))
    array([  0, 128, 255], dtype=uint8)
    >>> to_eight_bits(np.array([0, 1500, 9000], dtype=np.uint16), scale=Scale.parse("0:3000"))
    array([  0, 128, 255], dtype=uint8)
    """
    return _conversion(samples, None, bits, scale)(samples)


def _conversion(
    values: NDArray[Any], valid: NDArray[np.bool_] | None, bits: int | None, scale: Scale | None
) -> Conversion:
    """Choose how samples like these come to 8 bits; all that depends on the whole image is computed here."""
    if scale is not None:
        convert = _linear(*_limits(values, valid, scale))
        is_short = values.dtype.kind in "iu" and values.dtype.itemsize <= 2
        return _looked_up(convert, values.dtype) if is_short and values.size >= _MANY else convert
    if values.dtype == np.bool_:
        return _linear(0, 1)
    if np.issubdtype(values.dtype, np.integer):
        if bits is not None and bits < 8:
            return _linear(0, 2**bits - 1)
        if values.dtype == np.uint8:
            return lambda part: part
        if bits is None:
            largest = int(values.max(initial=0, where=True if valid is None else valid))
            bits = max(largest.bit_length(), 8)
        shift = bits - 8
        return lambda part: np.asarray(part.clip(0, None) >> shift).astype(np.uint8)
    return _linear(*_limits(values, valid, Scale("minmax")))


def _looked_up(convert: Conversion, kind: np.dtype[Any]) -> Conversion:
    """Convert every sample that there can be, once."""
    unsigned = np.dtype(f"u{kind.itemsize}")
    table = convert(np.arange(1 << 8 * kind.itemsize, dtype=unsigned).view(kind))
    return lambda part: table.take(part.view(unsigned))


def _linear(low: float, high: float) -> Conversion:
    factor = 255.0 / (high - low) if high > low else 0.0

    def convert(part: NDArray[Any]) -> NDArray[np.uint8]:
        finite = np.nan_to_num(part.astype(np.float64), nan=low, posinf=high, neginf=low).clip(low, high)
        return np.rint((finite - low) * factor).astype(np.uint8)

    return convert


def _limits(values: NDArray[Any], valid: NDArray[np.bool_] | None, scale: Scale) -> tuple[float, float]:
    if scale.kind == "range":
        return scale.low, scale.high
    known = known_samples(values, valid)
    if known.size == 0:
        return 0.0, 0.0
    if scale.kind == "minmax":
        return float(known.min()), float(known.max())
    low, high = np.percentile(known.astype(np.float64), [scale.low, scale.high])
    return float(low), float(high)


def known_samples(values: NDArray[Any], valid: NDArray[np.bool_] | None) -> NDArray[Any]:
    """Return what counts for a scale, [m]: finite samples where there are data."""
    used: Any = np.isfinite(values) if np.issubdtype(values.dtype, np.floating) else True
    if valid is not None:
        used = np.logical_and(used, valid)
    found: NDArray[Any] = values.ravel() if used is True else values[np.broadcast_to(used, values.shape)]
    return found
