"""Which items are relevant to each query: what the engines rank without rankings."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rsir_fast.ops.engines.search import Labels

__all__ = ["RelevantItems", "relevant_items"]


class RelevantItems(NamedTuple):
    """The relevant items of every query: `counts` [q] of `items` from `first` [q] on, which are increasing."""

    items: NDArray[np.int64]
    first: NDArray[np.int64]
    counts: NDArray[np.int64]

    def of(self, rows: slice) -> RelevantItems:
        """Return those of some queries."""
        return RelevantItems(self.items, self.first[rows], self.counts[rows])

    def block(self, most: int) -> int:
        """Return how many queries have about so many relevant items, at least 1."""
        return max(1, most * len(self.counts) // max(1, int(self.counts.sum())))


def relevant_items(labels: Labels, allowed: NDArray[np.bool_] | None) -> tuple[RelevantItems, NDArray[np.int64] | None]:
    """Find them among the allowed items (None: all), and the queries' own items, -1 for those that are not allowed."""
    own = labels.own
    if allowed is not None and own is not None:
        own = np.where(allowed[own], own, -1)
    rows = None if allowed is None else np.flatnonzero(allowed)
    of_items = labels.of_items if rows is None else labels.of_items[rows]
    order = np.argsort(of_items, kind="stable").astype(np.int64, copy=False)
    by_label, items = of_items[order], order if rows is None else rows[order]
    first = np.searchsorted(by_label, labels.of_queries, side="left").astype(np.int64, copy=False)
    counts = np.searchsorted(by_label, labels.of_queries, side="right") - first
    return RelevantItems(items, first, counts), own
