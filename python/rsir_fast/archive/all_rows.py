"""All rows there are, hidden ones among them, where they lie and in the order of their ids: what a search reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive.items import Items
from rsir_fast.base.row_blocks import RowBlocks
from rsir_fast.ops import Sidecar, prepare
from rsir_fast.ops.database import Database

__all__ = ["AllRows"]

Normalize: TypeAlias = Literal["none", "row"]


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
    saved : callable, optional
        Field and normalisation to the integer copies that were saved, one a block of its rows or None.
    """

    ids: NDArray[np.int64]
    live: NDArray[np.bool_] | None
    fields: Mapping[str, RowBlocks]
    items: Items
    saved: Callable[[str, Normalize], Sequence[Sidecar | None]] | None = None
    _databases: dict[tuple[str, Normalize], Database | None] = field(default_factory=dict, init=False, repr=False)

    def __len__(self) -> int:
        return len(self.ids)

    def searched(self, name: str, normalize: Normalize) -> RowBlocks | Database:
        """Return what a search of a field reads, kept for the next one.

        That is a database, ready at once, of saved integer copies; without them the rows as they lie, and from the
        second search on a database whose copies are made in memory.
        """
        rows = self.fields[name]
        if self.saved is None:
            return rows
        key = name, normalize
        found = self._databases.get(key)
        if found is None:
            copies = self.saved(name, normalize)
            if key in self._databases or any(copies):
                copy = copies if len(rows.blocks) > 1 else copies[0]
                found = prepare(rows, normalize, copy=False, sidecar=copy)
            self._databases[key] = found
        return rows if found is None else found

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
