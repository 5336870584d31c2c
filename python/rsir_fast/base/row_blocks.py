"""Rows that lie in several arrays, as the segments of an archive do."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from rsir_fast.base.shown import Shown, counted

__all__ = ["RowBlocks"]


class RowBlocks(Shown):
    """Rows in one array or in several, one after the other; often mapped from files, and read where they lie.

    `rsir_fast.prepare`, `rsir_fast.euclidean_topk`, `rsir_fast.rank_database` and `rsir_fast.relevant_ranks` take it as
    their database, and copy nothing. NumPy takes it for an array: ``numpy.asarray`` gives the one array, or copies
    several together, once. ``rows[3]``, ``rows[10:20]`` and ``rows[[5, 2]]`` are plain arrays.

    Parameters
    ----------
    blocks : iterable of array
        At least one; [rows, width] each, of one width and dtype. They must not be changed.

    Attributes
    ----------
    blocks : tuple of ndarray
    shape : tuple of int
        Rows of all, and width.
    dtype : numpy.dtype

    Raises
    ------
    ValueError
        If the blocks do not fit together.

    Examples
    --------
    >>> rows = RowBlocks([np.zeros((2, 3), np.float32), np.ones((1, 3), np.float32)])
    >>> rows, len(rows), rows[2].tolist()
    (RowBlocks(3 x 3 float32, 2 blocks), 3, [1.0, 1.0, 1.0])
    >>> np.asarray(rows).sum(axis=1).tolist()
    [0.0, 0.0, 3.0]
    """

    def __init__(self, blocks: Iterable[NDArray[Any]]) -> None:
        self.blocks = tuple(blocks)
        kinds = {(block.shape[1:], block.dtype) for block in self.blocks}
        if len(kinds) != 1 or self.blocks[0].ndim != 2:
            found = ", ".join(f"{block.dtype} {list(block.shape)}" for block in self.blocks[:4]) or "none"
            raise ValueError(f"blocks: expected arrays [rows, width] of one width and dtype, got {found}")
        self._starts = np.cumsum([0, *(len(block) for block in self.blocks)]).tolist()

    @classmethod
    def of(cls, rows: NDArray[Any] | RowBlocks) -> RowBlocks:
        """Return rows as they are, or an array as the one block."""
        return rows if isinstance(rows, cls) else cls([np.asarray(rows)])

    @property
    def shape(self) -> tuple[int, int]:
        """Rows of all blocks, and their width."""
        return self._starts[-1], self.blocks[0].shape[1]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of every block."""
        return self.blocks[0].dtype

    @property
    def ndim(self) -> int:
        """Two."""
        return 2

    def __len__(self) -> int:
        return self.shape[0]

    def _facts(self) -> dict[str, str]:
        n, width = self.shape
        many = counted(len(self.blocks), "block", "blocks") if len(self.blocks) > 1 else ""
        return {"rows": f"{n} x {width} {self.dtype}", "blocks": many}

    def columns(self, place: slice) -> RowBlocks:
        """Return some columns of all rows, nothing copied."""
        return RowBlocks(block[:, place] for block in self.blocks)

    def __getitem__(self, rows: Any) -> NDArray[Any]:
        """Return a row, some consecutive rows (not copied where they lie in one block), or rows by their numbers."""
        if isinstance(rows, int | np.integer):
            (row,) = self._numbers(np.array([rows]))
            block = bisect_right(self._starts, row) - 1
            found: NDArray[Any] = self.blocks[block][row - self._starts[block]]
            return found
        if isinstance(rows, slice):
            first, last, step = rows.indices(len(self))
            if step == 1:
                return self._between(first, last)
            rows = np.arange(first, last, step)
        if isinstance(rows, tuple):
            raise TypeError("rows: expected a number, a slice or numbers of rows; numpy.asarray(...) has columns, too")
        return self._gathered(self._numbers(np.asarray(rows)))

    def _between(self, first: int, last: int) -> NDArray[Any]:
        parts = []
        for block, start in zip(self.blocks, self._starts, strict=False):
            if start < last and start + len(block) > first:
                parts.append(block[max(0, first - start) : last - start])
        if not parts:
            return self.blocks[0][:0]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _numbers(self, rows: NDArray[Any]) -> NDArray[np.int64]:
        if rows.dtype == np.bool_ and rows.shape == (len(self),):
            return np.flatnonzero(rows)
        if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
            raise IndexError(f"rows: expected numbers of rows, got {rows.dtype} {list(rows.shape)}")
        numbers = rows.astype(np.int64)
        numbers[numbers < 0] += len(self)
        if numbers.size and (numbers.min() < 0 or numbers.max() >= len(self)):
            raise IndexError(f"rows: expected numbers of the {len(self)} rows, got {rows.min()} to {rows.max()}")
        return numbers

    def _gathered(self, numbers: NDArray[np.int64]) -> NDArray[Any]:
        if len(self.blocks) == 1:
            return self.blocks[0][numbers]
        found = np.empty((len(numbers), self.shape[1]), self.dtype)
        of = np.searchsorted(self._starts, numbers, side="right") - 1
        for block in np.unique(of).tolist():
            mine = of == block
            found[mine] = self.blocks[block][numbers[mine] - self._starts[block]]
        return found

    @cached_property
    def _whole(self) -> NDArray[Any]:
        return self.blocks[0] if len(self.blocks) == 1 else np.concatenate(self.blocks)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False and len(self.blocks) > 1:
            raise ValueError(f"copy: expected rows in one block to take without a copy, got {len(self.blocks)} blocks")
        whole = self._whole if dtype is None else self._whole.astype(dtype, copy=False)
        return whole.copy() if copy and whole is self._whole else whole

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            raise AttributeError(f"RowBlocks has no attribute {name!r}: numpy.asarray(...) makes one array of it")
