"""The rows that a search on CUDA devices may answer with."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsir_fast.base import compiled
from rsir_fast.ops._where import as_bitmap, check_length
from rsir_fast.ops.engines.search import ALL, Search
from rsir_fast.ops.engines.tensors import device_serves, dtype_name

__all__ = ["AllowedRows", "Gathered", "allowed_rows", "where_of"]

FEW_ROWS, FEW_SHARE = 1024, 256
"""So many allowed rows, or one of so many, are copied and searched alone: a guess, to be measured."""


@dataclass(frozen=True)
class AllowedRows:
    """Some consecutive rows of a database, a bit for each.

    Attributes
    ----------
    bitmap : numpy.ndarray or torch.Tensor, shape [bytes], uint8
        A tensor lies on a CUDA device; what it holds is not known here, as nothing waits for the device.
    first : int
        The bit of the first row.
    n : int
    """

    bitmap: Any
    first: int
    n: int

    def part(self, first: int, n: int) -> AllowedRows:
        """Return those of rows first, ..., first + n - 1, of which the bitmap then holds hardly more."""
        begin = self.first + first
        return AllowedRows(self.bitmap[begin // 8 : (begin + n + 7) // 8], begin % 8, n)

    def on(self, device: Any) -> AllowedRows:
        """Return the same on a device."""
        held = self.bitmap
        if isinstance(held, np.ndarray):
            held = sys.modules["torch"].from_numpy(held if held.flags.writeable else held.copy())
        return replace(self, bitmap=held.to(device))

    def in_host_memory(self) -> AllowedRows:
        """Return the same there; waits for the device if the bitmap lies on one."""
        held = self.bitmap
        return self if isinstance(held, np.ndarray) else replace(self, bitmap=held.cpu().numpy())

    def may_hold_any(self) -> bool:
        """Tell whether there is an allowed row; True where that is not known."""
        return not isinstance(self.bitmap, np.ndarray) or self.count() > 0

    def count(self) -> int:
        """Return how many rows are allowed; waits for the device if the bitmap lies there."""
        if isinstance(self.bitmap, np.ndarray):
            return compiled.cpu.count_allowed(self.bitmap, self.first, self.n)
        torch = sys.modules["torch"]
        bits = self.bitmap[:, None] >> torch.arange(8, dtype=torch.uint8, device=self.bitmap.device) & 1
        return int(bits.view(-1)[self.first : self.first + self.n].sum())

    def booleans(self) -> NDArray[np.bool_]:
        """Return whether each row is allowed, in host memory; waits for the device if the bitmap lies there."""
        bits = np.unpackbits(self.in_host_memory().bitmap, bitorder="little")
        return bits[self.first : self.first + self.n].view(np.bool_)

    def few(self, device: Any) -> Any | None:
        """Return the ids of the allowed rows on a device if they are known and few, else None."""
        if not isinstance(self.bitmap, np.ndarray):
            return None
        count = self.count()
        if count > max(FEW_ROWS, self.n // FEW_SHARE):
            return None
        return sys.modules["torch"].from_numpy(np.flatnonzero(self.booleans())).to(device)


class Gathered:
    """A search of some rows alone, which names them by their ids in the whole database."""

    def __init__(self, search: Search, ids: Any, n: int) -> None:
        self.distances = search.distances
        self.n = n
        self.restore = search.restore
        self.direct = search.direct
        self.ids = ids
        self._search = search
        self._names = sys.modules["torch"].nn.functional.pad(ids, (0, 1), value=-1)  # no row is -1, and is last

    @property
    def q(self) -> int:
        """Queries."""
        return self._search.q

    @property
    def allowed(self) -> int:
        """Items that can be answers."""
        return self._search.n

    def topk(self, k: int, out: tuple[Any, Any] | None = None, rows: slice = ALL) -> tuple[Any, Any]:
        """Search for some consecutive queries."""
        distances, ids = self._search.topk(k, out, rows=rows)
        return distances, ids.copy_(self._names[ids])


def allowed_rows(where: Any, n: int) -> AllowedRows | None:
    """Read what a caller allows among n rows; None where that is all of them.

    A bitmap or booleans on a CUDA device stay there, and nothing waits for it. All else is read in host memory.

    Raises
    ------
    TypeError, ValueError
        As `rsir_fast.ops._where.as_bitmap`.
    """
    if device_serves(where) and dtype_name(where) in ("uint8", "bool"):
        check_length(where, dtype_name(where) == "bool", n)
        return AllowedRows(where.contiguous() if dtype_name(where) == "uint8" else _packed(where), 0, n)
    bitmap = as_bitmap(where, n)
    rows = None if bitmap is None else AllowedRows(bitmap, 0, n)
    return None if rows is None or rows.count() == n else rows


def where_of(rows: AllowedRows | None) -> tuple[int, int]:
    """Return the address of a bitmap on a device and the bit of the first row, as kernels take them."""
    return (0, 0) if rows is None else (rows.bitmap.data_ptr(), rows.first)


def _packed(allowed: Any) -> Any:
    torch = sys.modules["torch"]
    bits = torch.nn.functional.pad(allowed.to(torch.uint8), (0, -len(allowed) % 8)).view(-1, 8)
    return (bits << torch.arange(8, dtype=torch.uint8, device=bits.device)).sum(dim=1, dtype=torch.uint8)
