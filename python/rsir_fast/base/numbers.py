"""Array-likes of a caller, lists as well, as NumPy arrays of numbers that have been looked at before they are cast."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsir_fast.base.arrays import Array, as_host, float_kind, is_torch
from rsir_fast.base.text import printable

__all__ = ["MOST", "as_integers", "as_numbers"]

MOST = 2**53
"""Counts and ranks beyond are no longer exact in float64, and sums of a few of them overflow int64."""

WAYS = ("__array__", "__dlpack__", "__array_interface__", "__array_struct__")


def as_numbers(x: object, name: str) -> Array:
    """Return an array, a tensor or nested lists of numbers as a NumPy array; bfloat16 is widened exactly.

    Raises
    ------
    TypeError
        It is masked, or cannot be read as one array.
    """
    if isinstance(x, (list, tuple)) and any(isinstance(part, np.ma.MaskedArray) or is_torch(part) for part in x):
        host = np.asarray([as_host(part, name)[0] if hasattr(part, "shape") else part for part in x])
    elif is_torch(x) or any(hasattr(x, way) for way in WAYS):
        host = as_host(x, name)[0]
    else:
        try:
            host = np.asarray(x)
        except (TypeError, ValueError, RuntimeError, OverflowError) as error:
            raise TypeError(
                f"{name}: expected numbers in rows of one length, got {type(x).__name__} "
                f"({printable(str(error)[:80])}); make an array of them first"
            ) from None
    return host.astype(np.float32) if float_kind(host.dtype) == "bf2" else host


def as_integers(
    x: object,
    name: str,
    what: str = "integers",
    *,
    kind: str = "integers",
    fix: str = "",
    least: int = -(2**63),
    most: int = 2**63 - 1,
) -> NDArray[np.int64]:
    """Return `x` as int64, every number from `least` to `most`; nothing is cast before it is checked.

    Parameters
    ----------
    what, kind, fix
        For the errors: what is out of range, what is of the wrong type, and what to do.

    Raises
    ------
    TypeError
        They are no integers.
    ValueError
        One is out of range.
    """
    array = as_numbers(x, name)
    if array.size == 0:
        return array.astype(np.int64)
    remedy = f"; {fix}" if fix else ""
    if array.dtype.kind == "O" and all(type(value) is int for value in array.flat):  # beyond 64 bits
        low, high = min(array.flat), max(array.flat)
    elif array.dtype.kind in "iu":
        low, high = int(array.min()), int(array.max())
    else:
        raise TypeError(f"{name}: expected {kind}, got {array.dtype}{remedy}")
    if low < least:
        raise ValueError(f"{name}: expected {what} of {least} or more, got {_shown(low)}{remedy}")
    if high > most:
        raise ValueError(f"{name}: expected {what} of at most {most}, got {_shown(high)}{remedy}")
    return array.astype(np.int64)


def _shown(number: Any) -> str:
    return str(number) if abs(number) < 2**70 else f"a number of {number.bit_length()} bits"
