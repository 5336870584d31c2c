"""All rows there are, hidden ones among them, where they lie and in the order of their ids: what a search reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive.items import Items
from rsir_fast.base.row_blocks import RowBlocks

__all__ = ["AllRows"]


@dataclass(frozen=True, eq=False)
class AllRows:
    """Rows of a version, or of features in memory.

    Nothing is copied to leave hidden rows out, however many there are and wherever they lie: the kernels skip them.

    Attributes
    ----------
    ids : ndarray of int64 [n]
        Ascending, so that equal distances, which kernels order by place, are ordered by id.
    live : ndarray of bool [n], or None
        Which rows count; None: all.
    fields : mapping of RowBlocks
        By name, [n, width] each.
    items : Items
        What they are of.
    """

    ids: NDArray[np.int64]
    live: NDArray[np.bool_] | None
    fields: Mapping[str, RowBlocks]
    items: Items

    def __len__(self) -> int:
        return len(self.ids)

    def places(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return where rows that count lie; -1 for ids that no such row has.

        Examples
        --------
        >>> rows = AllRows(np.array([2, 5, 7]), np.array([True, False, True]), {}, Items([]))
        >>> rows.places(np.array([7, 5, 9])).tolist()
        [2, -1, -1]
        """
        if not len(self):
            return np.full(ids.shape, -1, np.int64)
        at = np.minimum(np.searchsorted(self.ids, ids), len(self) - 1)
        there = self.ids[at] == ids
        if self.live is not None:
            there &= self.live[at]
        return np.where(there, at, -1)

    def ids_at(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the ids of rows; -1 for places that are none (-1)."""
        return np.append(self.ids, -1)[places]

    @cached_property
    def counted(self) -> NDArray[np.int64]:
        """Places of the rows that count."""
        return np.arange(len(self)) if self.live is None else np.flatnonzero(self.live)

    def only_live(self, rows: Any) -> Any:
        """Return what is known of every row of the rows that count alone."""
        return rows if self.live is None else rows[self.live]
