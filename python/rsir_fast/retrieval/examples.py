"""Search by several examples at once, liked ones and unliked ones."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive.all_rows import AllRows
from rsir_fast.ops import euclidean_topk, gaussian_normalize
from rsir_fast.retrieval.query import Query, Search

__all__ = ["FORMULAS", "best", "mean_query"]

Matrix = NDArray[np.float32]

FORMULAS = {
    "mean": "nearest to 2 m(liked) - m(unliked), or m(liked) without unliked, m the mean of vectors as searched",
    "best": "by the distance to the nearest liked; as near or nearer to an unliked: last, the nearest to it at the end",
}


def mean_query(liked: Matrix, unliked: Matrix, query: Query, *, threads: int | None = None) -> Matrix:
    """Return the one vector [1, dim] that stands for examples; whatever their order, the same bits."""
    if not (np.isfinite(liked).all() and np.isfinite(unliked).all()):
        raise ValueError("liked, unliked: expected finite vectors, got NaN or infinity; leave those examples out")
    sides = [
        gaussian_normalize(side, threads=threads) if query.normalized == "row" and len(side) else side
        for side in (liked, unliked)
    ]
    good, bad = (np.array([math.fsum(column) / max(len(side), 1) for column in side.T.tolist()]) for side in sides)
    return (2 * good - bad if len(unliked) else good).astype(np.float32)[None]


def best(
    rows: AllRows,
    field: str,
    liked: Matrix,
    unliked: Matrix,
    query: Search,
    allowed: NDArray[np.bool_] | None,
    *,
    threads: int | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return squared distances to the nearest liked example and places of rows, [1, k], best first.

    Notes
    -----
    Looks at so many of the nearest rows as it takes to find k that are nearer to a liked one; at all where there are no
    k such rows.
    """
    vectors = rows.fields[field]
    normalize: Literal["row", "none"] = "row" if query.normalized == "row" else "none"
    count = len(rows) if allowed is None else int(allowed.sum())
    depth = min(count, 4 * query.k + len(liked))
    while True:
        squared, places = euclidean_topk(liked, vectors, depth, normalize, where=allowed, threads=threads)
        near, at = _nearest_of(squared, places, depth)
        far = np.full(len(at), np.inf, np.float32)
        if len(unliked):
            items = vectors[at]
            each, found = euclidean_topk(unliked, items, len(items), normalize, threads=threads)
            by_row = np.empty_like(each)
            np.put_along_axis(by_row, found, each, axis=1)
            far = by_row.min(axis=0)
        good = near < far
        if good.sum() >= query.k or depth >= count:
            break
        depth = min(count, 4 * depth)
    bad = np.flatnonzero(~good)
    bad = bad[np.lexsort((at[bad], -far[bad]))]
    order = np.concatenate([np.flatnonzero(good), bad])[: query.k]
    ids = np.full((1, query.k), -1, np.int64)
    distances = np.full((1, query.k), np.inf, np.float32)
    ids[0, : len(order)], distances[0, : len(order)] = at[order], near[order]
    return distances, ids


def _nearest_of(
    squared: NDArray[np.float32], places: NDArray[np.int64], depth: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the rows that are nearest to any of several queries, in the order of (distance, id)."""
    order = np.lexsort((places.ravel(), squared.ravel()))
    at = places.ravel()[order]
    first = np.sort(np.unique(at, return_index=True)[1])
    first = first[at[first] >= 0][:depth]
    return squared.ravel()[order][first], at[first]
