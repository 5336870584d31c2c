"""Pairs of items that are nearly the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive import Features
from rsir_fast.archive.all_rows import AllRows
from rsir_fast.base.shown import Shown, counted
from rsir_fast.ops import Database, euclidean_topk, prepare
from rsir_fast.ops.nearest import EuclideanTopK, HammingTopK
from rsir_fast.retrieval.archive import Archive
from rsir_fast.retrieval.query import searched_by
from rsir_fast.retrieval.searched import Searched
from rsir_fast.retrieval.where import Where

__all__ = ["Pairs", "near_duplicates", "within_distance"]

_QUERIES, _FIRST, _DEEPER = 1024, 8, 8
"""Rows asked for together; neighbours looked at first, and how many times more where these are too few."""

_COPY, _ANSWERS = 1 << 30, 1 << 26
"""Bytes of normalised rows, and neighbours of all, up to which all rows are asked for together, each pair once."""

Normalize = Literal["row", "none"]


@dataclass(frozen=True, eq=False, repr=False)
class Pairs(Shown):
    """Pairs of items, the nearest first; of equal distances the smaller ids.

    Attributes
    ----------
    ids : array, int64 [m, 2]
        The smaller one first; each pair once.
    squared : array, float32 [m]
        **Squared** Euclidean distances.
    """

    ids: NDArray[np.int64]
    squared: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.ids)

    def _facts(self) -> dict[str, str]:
        return {"pairs": counted(len(self), "pair", "pairs")}


def near_duplicates(
    database: Features | Archive,
    *,
    max_distance: float | None = None,
    k: int | None = None,
    where: Where | None = None,
    field: str | None = None,
    normalize: Normalize | None = None,
    threads: int | None = None,
) -> Pairs:
    """Return the pairs of items that are nearer than a distance, or each item with its k nearest others.

    Parameters
    ----------
    database : Features or Archive
    max_distance : float, optional
        Euclidean, as searches tell it; 0 is the same vector, once normalised.
    k : int, optional
        In place of it.
    where : Where, optional
        Among which items.
    field : str, optional
        Of vectors. Default: the only one.
    normalize : {"row", "none"}, optional
        As of a search.
    threads : int, optional
        Never changes the answer.

    Raises
    ------
    ValueError
        If neither or both of `max_distance` and `k` are given, or one is below 0.

    Notes
    -----
    A search of each item: O(n^2 dim), of a database made ready once. Where all items count and lie in one block, they
    are asked for together, and each pair of long vectors is multiplied once; normalised ones are held meanwhile, at
    most 1 GiB. Items with a NaN are in no pair.

    Examples
    --------
    >>> x = np.array([[0, 1, 2], [0, 2, 4], [5, 0, 1]], np.float32)
    >>> near_duplicates(Features(x, ("a", "b", "c"), None, (), "demo"), max_distance=0).ids.tolist()
    [[0, 1]]
    """
    if (max_distance is None) == (k is None) or (max_distance or k or 0) < 0:
        raise ValueError(f"max_distance, k: expected one of the two, at least 0, got {max_distance} and {k}")
    features = database.features() if isinstance(database, Archive) else database
    searched, name = Searched(features), features.searched_field(field)
    normalize = normalize or searched_by(features)
    rows, allowed = searched.rows, searched.allowed(where)
    asked = np.arange(len(rows)) if allowed is None else np.flatnonzero(allowed)
    if max_distance is not None:
        found = within_distance(rows, name, asked, allowed, max_distance, normalize, threads=threads)
    else:
        found = _nearest_others(rows, name, asked, allowed, k or 0, normalize, threads)
    ones, others, squared = found
    ids = np.sort(np.stack([rows.ids[ones], rows.ids[others]], axis=1), axis=1)
    keep = ids[:, 0] < ids[:, 1]
    ids, first = np.unique(ids[keep], axis=0, return_index=True)
    squared = squared[keep][first]
    order = np.lexsort((ids[:, 1], ids[:, 0], squared))
    return Pairs(ids[order], squared[order])


Found = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]


def within_distance(
    rows: AllRows,
    field: str,
    asked: NDArray[np.int64],
    allowed: NDArray[np.bool_] | None,
    max_distance: float,
    normalize: Normalize,
    *,
    threads: int | None = None,
) -> Found:
    """Return places of rows that are asked for, of rows within a distance of them, and squared distances."""
    neighbours = _Neighbours(rows, field, len(asked), allowed, normalize, threads)
    count = len(rows) if allowed is None else int(allowed.sum())
    depth, parts = min(count, _FIRST), [_NONE]
    while len(asked) and depth:
        left = []
        for some, (squared, places) in neighbours.of(asked, depth):
            near = np.sqrt(squared.astype(np.float64)) <= max_distance
            done = ~near[:, -1] if depth < count else np.ones(len(some), bool)
            which, at = np.nonzero(near & done[:, None])
            parts.append((some[which], places[which, at], squared[which, at]))
            left.append(some[~done])
        asked, depth = np.concatenate(left), min(count, depth * _DEEPER)
    return _joined(parts)


def _nearest_others(
    rows: AllRows,
    field: str,
    asked: NDArray[np.int64],
    allowed: NDArray[np.bool_] | None,
    k: int,
    normalize: Normalize,
    threads: int | None,
) -> Found:
    """Return each row with its k nearest others."""
    neighbours, parts = _Neighbours(rows, field, len(asked), allowed, normalize, threads), [_NONE]
    for some, (squared, places) in neighbours.of(asked, k + 1):
        other = (places != some[:, None]) & (places >= 0) & ~np.isnan(squared)
        other &= other.cumsum(axis=1) <= k
        which, at = np.nonzero(other)
        parts.append((some[which], places[which, at], squared[which, at]))
    return _joined(parts)


class _Neighbours:
    """Searches of rows among rows, made ready once where they are many."""

    def __init__(
        self,
        rows: AllRows,
        field: str,
        asked: int,
        allowed: NDArray[np.bool_] | None,
        normalize: Normalize,
        threads: int | None,
    ) -> None:
        self._vectors = rows.fields[field]
        self._database = rows.searched(field, normalize)
        if asked > _QUERIES and not isinstance(self._database, Database):
            self._database = prepare(self._database, normalize, copy=False, threads=threads)
        n, width = self._vectors.shape
        copied = 4 * n * width if normalize == "row" else 0
        self._at_once = allowed is None and len(self._vectors.blocks) == 1 and copied <= _COPY
        self._where, self._normalize, self._threads = allowed, normalize, threads

    def of(self, asked: NDArray[np.int64], k: int) -> Iterator[tuple[NDArray[np.int64], EuclideanTopK | HammingTopK]]:
        """Yield some rows of those asked for, ascending, and their neighbours."""
        database = self._database
        every = self._at_once and len(asked) == len(self._vectors) and len(asked) * k <= _ANSWERS
        if every and isinstance(database, Database):
            yield asked, database.topk(database, k, threads=self._threads)
            return
        for start in range(0, len(asked), _QUERIES):
            some = asked[start : start + _QUERIES]
            queries = self._vectors[some]
            yield (
                some,
                euclidean_topk(queries, database, k, self._normalize, where=self._where, threads=self._threads),
            )


_NONE: Found = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))


def _joined(parts: list[Found]) -> Found:
    ones, others, distances = (np.concatenate(part) for part in zip(*parts, strict=True))
    return ones, others, distances
