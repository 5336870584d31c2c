"""How much of a ranking is left to the order of equal distances, and what mAP is then expected to be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsir_fast.metrics import expected_average_precision
from rsir_fast.protocols.galleries import without_own
from rsir_fast.protocols.ge2018_result import ExpectedOverTies, Ties
from rsir_fast.protocols.result import mean
from rsir_fast.retrieval import Ranking

__all__ = ["LARGE_SHARE", "describe_ties"]

LARGE_SHARE = 0.1
"""From this share on, the expectation stands beside the figures. float32 alone ties 2 % of 31,500 random vectors."""

LOOKED_AT = 64
"""Queries whose rankings are looked at for ties: evenly over all, every one where there are fewer."""

AT_ONCE = 1 << 22
"""Distances held at a time."""


def describe_ties(ranking: Ranking, labels: NDArray[np.int64]) -> Ties:
    """Return the share of tied distances and, where it is large, mAP expected over a random order of ties.

    A distance is tied if another image is at the same distance from the query, which itself is left out. NaN distances
    are tied with each other.

    Parameters
    ----------
    ranking
        Every item in turn a query, by distance.
    labels
        Class of every item, int64 [n].

    Returns
    -------
    Ties
        ``tied_share``, of the distances of ``queries_looked_at`` queries; ``map_expected_over_ties`` of all queries.

    Notes
    -----
    O(n dim) time for each of 64 queries; where the share is large O(n^2 (dim + log n)), in blocks of 4 million
    distances.
    """
    n = len(labels)
    some = np.unique(np.linspace(0, n - 1, min(n, LOOKED_AT)).round().astype(np.int64))
    tied = 0
    for queries, distances, ids in _blocks(ranking, some, n):
        tied += int(np.count_nonzero(_tied(*without_own(ids, queries, distances))))
    share = tied / max(1, some.size * (n - 1))
    expected = None
    if share >= LARGE_SHARE:
        expected = _expected(ranking, labels)
    return Ties(tied_share=share, queries_looked_at=int(some.size), map_expected_over_ties=expected)


def _expected(ranking: Ranking, labels: NDArray[np.int64]) -> ExpectedOverTies:
    n = len(labels)
    excluded, included = [], []
    for queries, distances, ids in _blocks(ranking, np.arange(n), n):
        relevant = labels[ids] == labels[queries, None]
        included.append(expected_average_precision(distances, relevant))
        apart, others = without_own(ids, queries, distances, relevant)
        excluded.append(expected_average_precision(apart, others))
    over_all = [mean(np.concatenate(parts)) for parts in (excluded, included)]
    return ExpectedOverTies(query_excluded=over_all[0], query_included=over_all[1])


def _blocks(ranking: Ranking, queries: NDArray[np.int64], n: int) -> Iterator[tuple[Any, Any, Any]]:
    """Yield queries, and distances and ids of all items [m, n] for them."""
    size = max(1, AT_ONCE // max(1, n))
    for start in range(0, len(queries), size):
        block = queries[start : start + size]
        yield block, *ranking.nearest(block, n)


def _tied(distances: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Tell which of sorted distances equal the one before or behind; by their bits, so that NaN equals NaN."""
    bits = np.ascontiguousarray(distances).view(np.int32)
    tied = np.zeros(bits.shape, dtype=np.bool_)
    equal = bits[:, 1:] == bits[:, :-1]
    tied[:, 1:] |= equal
    tied[:, :-1] |= equal
    return tied
