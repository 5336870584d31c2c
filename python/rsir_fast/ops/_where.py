"""Which rows a search may answer with: whatever a caller names them by, as one bitmap."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsir_fast.base import compiled
from rsir_fast.base.numbers import as_integers, as_numbers

__all__ = ["PANEL", "AllowedRows", "Bitmap", "as_bitmap", "check_length"]

Bitmap = NDArray[np.uint8]
"""Shape [ceil(n / 8)], contiguous: bit i, least significant bit of a byte first, is row i; bits from n on are ignored.
One that begins with a part of a database is read by the kernels from any bit on (`csrc/kernels/allowed.h`)."""


PANEL = 16
"""Rows whose codes a certified search reads together, if one of them is allowed."""


@dataclass(frozen=True)
class AllowedRows:
    """The rows that a search in host memory may answer with.

    Attributes
    ----------
    bitmap : array of uint8 or None
        None: all rows.
    n : int
        Rows.
    """

    bitmap: Bitmap | None
    n: int

    @classmethod
    def of(cls, where: object, n: int) -> AllowedRows:
        """Read what a caller allows among n rows.

        Raises
        ------
        TypeError, ValueError
            As `as_bitmap`.
        """
        return cls(as_bitmap(where, n), n)

    @cached_property
    def count(self) -> int:
        """Rows that are allowed; on this thread, in the time of reading the bitmap."""
        return self.n if self.bitmap is None else compiled.cpu.count_allowed(self.bitmap, 0, self.n)

    @cached_property
    def passed(self) -> int:
        """Rows whose codes a certified search reads."""
        if self.bitmap is None or self.count == self.n:
            return self.n
        return min(self.n, PANEL * compiled.cpu.count_allowed_panels(self.bitmap, 0, self.n))

    @property
    def for_kernels(self) -> Bitmap | int:
        """As the kernels take them: 0 is all rows, so that no bitmap is looked at that excludes none."""
        return 0 if self.bitmap is None or self.count == self.n else self.bitmap


def as_bitmap(where: object, n: int) -> Bitmap | None:
    """Return the rows that `where` allows among n, in host memory; None where all are.

    Faces hand `where` on as the caller gave it: an engine reads it where it computes, this is how the host does.

    Parameters
    ----------
    where
        None; a bitmap (uint8, shape [ceil(n / 8)]), which is not copied; booleans, shape [n]; or ids, integers of any
        other type in any order. Arrays, tensors and DLPack arrays, or lists of booleans or ids.
    n : int

    Raises
    ------
    TypeError
        It is none of these.
    ValueError
        It is of another length, or there is no such row.
    """
    if where is None:
        return None
    array = as_numbers(where, "where")
    if array.ndim == 1 and array.dtype not in (np.uint8, np.bool_):
        allowed = np.zeros(n, np.bool_)
        allowed[_ids(array, n)] = True
        return np.packbits(allowed, bitorder="little")
    check_length(array, array.dtype == np.bool_, n)
    return np.ascontiguousarray(array) if array.dtype == np.uint8 else np.packbits(array, bitorder="little")


def check_length(array: Any, boolean: bool, n: int) -> None:
    """Raise ValueError unless booleans, or else a bitmap, an array or a tensor, are of n rows."""
    if array.ndim != 1:
        raise ValueError(f"where: expected one axis (a bitmap, booleans or ids), got shape {list(array.shape)}")
    if boolean and len(array) != n:
        raise ValueError(f"where: expected one boolean for each of {n} rows, got {len(array)}")
    if not boolean and len(array) != (n + 7) // 8:
        raise ValueError(
            f"where: expected a bitmap of {(n + 7) // 8} bytes for {n} rows, got {len(array)}; "
            "uint8 is always a bitmap, ids have another type, as int64"
        )


def _ids(array: NDArray[np.generic], n: int) -> NDArray[np.int64]:
    ids = as_integers(array, "where", kind="a bitmap (uint8), booleans or ids (integers)")
    if ids.size and (ids.min() < 0 or ids.max() >= n):
        bounds = f"ids of rows 0 to {n - 1}" if n else "no ids of a database without rows"
        raise ValueError(f"where: expected {bounds}, got {ids.min()} to {ids.max()}")
    return ids
