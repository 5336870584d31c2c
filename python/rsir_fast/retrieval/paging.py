"""Pages of an answer, and answers between two distances: a search that goes as deep as they take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsir_fast.retrieval.hits import Hits, Labels
from rsir_fast.retrieval.query import Search

__all__ = ["paged"]

_DEEPER = 4


def paged(search: Search, rows: int, find: Callable[[Search], Hits]) -> Hits:
    """Return the page that a search asks for.

    Parameters
    ----------
    search : Search
    rows : int
        How many there are.
    find : callable
        Answers a search without a page and distances.
    """
    bounded = search.min_distance is not None or search.max_distance is not None
    if not (search.offset or bounded):
        return find(search)
    most = search.k + search.offset
    plain = {"offset": 0, "min_distance": None, "max_distance": None}
    depth = most
    while True:
        hits = find(search.model_copy(update={**plain, "k": depth}))
        kept = hits.ids >= 0
        if search.min_distance is not None:
            kept &= hits.distances >= search.min_distance
        enough = depth >= rows or search.min_distance is None or bool((kept.sum(axis=1) >= most).all())
        if enough:
            break
        depth = min(rows, _DEEPER * max(depth, 1))
    if search.max_distance is not None:
        kept &= hits.distances <= search.max_distance
    places = np.full((len(hits), search.k), -1)
    for row, some in enumerate(kept):
        page = np.flatnonzero(some)[search.offset : most]
        places[row, : len(page)] = page
    return _taken(hits, places)


def _taken(hits: Hits, places: NDArray[np.int64]) -> Hits:
    """Return some results of each query; -1 is none."""
    from dataclasses import replace

    def of(values: Any, nothing: Any) -> Any:
        if values is None:
            return None
        padded = np.concatenate([values, np.full((len(values), 1), nothing, values.dtype)], axis=1)
        return np.take_along_axis(padded, places % padded.shape[1], axis=1)

    labels = hits.predicted
    return replace(
        hits,
        ids=of(hits.ids, -1),
        squared=of(hits.squared, np.inf),
        hamming=of(hits.hamming, np.iinfo(np.int32).max),
        predicted=None if labels is None else Labels(of(labels.labels, -1), of(labels.probabilities, np.nan)),
    )
