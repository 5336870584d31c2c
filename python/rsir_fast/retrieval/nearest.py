"""The nearest rows by vectors, as they lie or post-processed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive.all_rows import AllRows
from rsir_fast.ops import euclidean_topk, gaussian_normalize, gaussian_statistics
from rsir_fast.retrieval.diffusion import Diffusion
from rsir_fast.retrieval.expansion import Expansion
from rsir_fast.retrieval.query import Search
from rsir_fast.retrieval.rerank import parse_rerank
from rsir_fast.retrieval.steps import fit_steps

__all__ = ["nearest"]

Matrix = NDArray[np.float32]
Found = tuple[NDArray[np.float32], NDArray[np.int64]]


def nearest(
    rows: AllRows,
    field: str,
    queries: Matrix,
    search: Search,
    allowed: NDArray[np.bool_] | None,
    own: NDArray[np.int64] | None,
    *,
    order: NDArray[np.int64] | None = None,
    threads: int | None = None,
) -> Found:
    """Return squared distances and places of rows [q, k], ordered by (distance, id).

    Parameters
    ----------
    rows : AllRows
    field : str
        Of vectors.
    queries : array, float32 [q, dim]
    search : Search
    allowed : array, bool [n], or None
        Which rows may be found; None: all.
    own : array, int64 [q], or None
        Ids of the rows that the queries are.
    order : array, int64 [live rows], or None
        Ids in the order of the data set, in which steps and statistics are fitted; None: ascending.
    threads : int, optional

    Notes
    -----
    Rows are read where they lie. Statistics of features, steps and re-ranking take a copy of those that count: what is
    fitted never depends on hidden rows.
    """
    normalize, stages, vectors = search.normalized, parse_rerank(search.rerank), rows.fields[field]
    places = None if own is None else rows.places(own)
    is_all = (
        places is not None
        and rows.live is None
        and queries.dtype == vectors.dtype
        and np.array_equal(places, np.arange(len(rows)))
    )
    if normalize != "feature" and not (search.steps or stages):
        items = queries if is_all else rows.searched(field, normalize)  # one array as both sides is faster
        return euclidean_topk(queries, items, search.k, normalize=normalize, where=allowed, threads=threads)
    changing = _Changing(queries if is_all else rows.only_live(np.asarray(vectors)), queries)
    told = slice(None) if order is None else np.searchsorted(rows.ids[rows.counted], order)
    if normalize == "feature":
        statistics = gaussian_statistics(changing.items[told], threads=threads)
        changing.by(lambda x: gaussian_normalize(x, "feature", statistics=statistics, threads=threads))
    elif normalize == "row":
        changing.by(lambda x: gaussian_normalize(x, threads=threads))
    if search.steps:
        changing.by(fit_steps(search.steps, changing.items[told]).transform)
    allowed = None if allowed is None else rows.only_live(allowed)
    itself = None if places is None else np.searchsorted(rows.counted, places)
    squared, found = _among(changing.queries, changing.items, stages, search.k, allowed, itself, threads)
    return squared, np.append(rows.counted, -1)[found]


class _Changing:
    """Both sides of a search, changed alike; one array where they are one."""

    def __init__(self, items: Matrix, queries: Matrix) -> None:
        self.items, self.queries = items, queries

    def by(self, change: Callable[[Matrix], Matrix]) -> None:
        is_one = self.queries is self.items
        self.items = change(self.items)
        self.queries = self.items if is_one else change(self.queries)


def _among(
    queries: Matrix,
    items: Matrix,
    stages: tuple[Expansion | Diffusion, ...],
    k: int,
    allowed: NDArray[np.bool_] | None,
    own: NDArray[np.int64] | None,
    threads: int | None,
) -> Found:
    """Search rows that all count, re-ranked by their neighbours."""
    for stage in stages:
        if isinstance(stage, Expansion):
            queries, items = stage.apply(queries, items, own, threads=threads)
        else:
            return _diffused(stage, items, k, allowed, own, threads)
    return euclidean_topk(queries, items, k, where=allowed, threads=threads)


def _diffused(
    stage: Diffusion,
    items: NDArray[np.float32],
    k: int,
    allowed: NDArray[np.bool_] | None,
    own: NDArray[np.int64] | None,
    threads: int | None,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    if own is None:
        raise ValueError(
            f"{stage}: expected queries that are rows of the database (ids), whose graph it walks; or expand, augment"
        )
    squared = np.full((len(own), k), np.inf, np.float32)
    ids = np.full((len(own), k), -1, np.int64)
    graph = stage.graph(items, threads=threads)
    for start, distances, found in stage.rankings(graph, items, own, threads=threads):
        for row, (near, each) in enumerate(zip(distances, found, strict=True), start=start):
            kept = np.flatnonzero(allowed[each])[:k] if allowed is not None else np.arange(min(k, len(each)))
            squared[row, : len(kept)], ids[row, : len(kept)] = near[kept], each[kept]
    return squared, ids
