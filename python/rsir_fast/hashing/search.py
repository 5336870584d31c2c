"""Retrieval by hash code and semantic label, as the network of Song et al. 2021 gives them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive import Features
from rsir_fast.base.counts import as_count
from rsir_fast.base.shown import Shown, counted
from rsir_fast.encoders.differences import differences, told
from rsir_fast.errors import FeaturesError
from rsir_fast.hashing.coded import made_by_model
from rsir_fast.ops import euclidean_topk, hamming_topk, pack_codes

__all__ = ["CodeMatches", "check_depth", "search_codes"]

FARTHEST = np.iinfo(np.int32).max


@dataclass(frozen=True, eq=False, repr=False)
class CodeMatches(Shown):
    """What a search by codes found for q queries; slots without an item are last and have id -1.

    Attributes
    ----------
    ids : array, shape [q, k], int64
        Database rows, best first.
    distances : array, shape [q, k], int32
        Hamming distances, 0 to the hash length; 2147483647 (the int32 maximum) where there is no item.
    squared : array, shape [q, k], float32, or None
        **Squared** Euclidean distances of the hash layer's values, +inf where there is no item; None without `rerank`.
    labels : array, shape [q, k], int64
        Predicted semantic labels of the items, indices into the model's classes; -1 where there is no item.
    probabilities : array, shape [q, k], float32
        Of those labels, 0 to 1; NaN where there is no item.
    query_labels : array, shape [q], int64
    query_probabilities : array, shape [q], float32
        The same of the queries.
    """

    ids: NDArray[np.int64]
    distances: NDArray[np.int32]
    squared: NDArray[np.float32] | None
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    query_labels: NDArray[np.int64]
    query_probabilities: NDArray[np.float32]

    def _facts(self) -> dict[str, str]:
        return {
            "queries": counted(self.ids.shape[0], "query", "queries"),
            "results": f"{self.ids.shape[1]:,} each",
            "order": "by Hamming distance" if self.squared is None else "by Euclidean distance of the nearest codes",
        }


def search_codes(
    database: Features,
    queries: Features,
    k: int,
    *,
    rerank: int | None = None,
    same_label: bool = False,
    threads: int | None = None,
) -> CodeMatches:
    """Return the k nearest items of every query by hash code, with their semantic labels.

    Parameters
    ----------
    database, queries : Features, matrix of shape [n, bits + K] and [q, bits + K], float32
        Made by one model (`rsir_fast.encode`): a row is u, whose signs are the code, then the
        probabilities of the K classes.
    k : int
        Items a query, at least 0.
    rerank : int, optional
        Order the `rerank` nearest items by the Euclidean distance of u and return the first k of them. At least k;
        beyond n: all items.
    same_label : bool
        Only items whose predicted label is that of the query, also as candidates of `rerank`.
    threads : int, optional
        As in `rsir_fast.hamming_topk`. Never changes the answer.

    Returns
    -------
    CodeMatches
        In the order of (Hamming distance, item), with `rerank` of (Euclidean distance, item). Fewer than k items:
        the last slots are empty.

    Raises
    ------
    FeaturesError
        If the features are of no hash model, or of two different ones.
    TypeError, ValueError
        `k` or `rerank` is no whole number or out of range.

    Notes
    -----
    Song et al. 2021, with exact distances and defined ties. A NaN in u is a bit of 0 and a Euclidean distance after
    +inf. O(q n bits) time, with `rerank` N also O(q N bits); memory: the codes of both sides and 12 bytes for each of
    the q k or q N candidates.

    Examples
    --------
    >>> import numpy as np
    >>> from rsir_fast.archive import Features
    >>> def made(*rows):
    ...     model = {"hash": {"bits": 2, "classes": ["forest", "harbor"]}}
    ...     return Features(np.array(rows, np.float32), tuple("abc"[: len(rows)]), None, (), "demo", provenance=model)
    >>> database = made([0.9, -0.8, 0.7, 0.3], [0.1, 0.1, 0.2, 0.8], [0.2, -0.1, 0.9, 0.1])
    >>> found = search_codes(database, made([0.1, -0.1, 0.6, 0.4]), k=3)
    >>> found.ids, found.distances, found.labels
    (array([[0, 2, 1]]), array([[0, 0, 1]], dtype=int32), array([[0, 0, 1]]))
    >>> search_codes(database, made([0.1, -0.1, 0.6, 0.4]), k=2, rerank=3).ids
    array([[2, 1]])
    """
    k, depth = check_depth(k, rerank)
    bits = _common_bits(database, queries)
    (u, scores), (query_u, query_scores) = ((side["u"], side["probabilities"]) for side in (database, queries))
    codes, wanted = pack_codes(u, threads=threads), pack_codes(query_u, threads=threads)
    labels, probabilities = _predicted(scores)
    query_labels, query_probabilities = _predicted(query_scores)
    depth = k if rerank is None else min(depth, len(database))
    distances = np.empty((len(queries), depth), np.int32)
    ids = np.empty((len(queries), depth), np.int64)
    for rows, members in _groups(query_labels, labels) if same_label else [(slice(None), np.arange(len(database)))]:
        distances[rows], found = hamming_topk(wanted[rows], codes[members], depth, bits, threads=threads)
        ids[rows] = np.append(members, -1)[found]
    squared = None
    if rerank is not None:
        ids, distances, squared = _reranked(query_u, u, ids, distances, k, threads)
    return CodeMatches(
        ids,
        distances,
        squared,
        np.append(labels, -1)[ids],
        np.append(probabilities, np.float32(np.nan))[ids],
        query_labels,
        query_probabilities,
    )


def check_depth(k: int, rerank: int | None) -> tuple[int, int]:
    """Return `k` and the number of candidates of a query, both checked; `rerank` needs at least k."""
    k = as_count(k, "k")
    depth = k if rerank is None else as_count(rerank, "rerank")
    if depth < k:
        raise ValueError(f"rerank: expected at least k ({k}) candidates to order, got {depth}; raise it, or lower k")
    return k, depth


def _common_bits(database: Features, queries: Features) -> int:
    """Return the hash length; refuse features of no model, and of two."""
    made, other = made_by_model(database), made_by_model(queries)
    bits, classes = int(made["bits"]), list(made["classes"])
    found = {}
    if database.spec is not None and queries.spec is not None:
        found = differences(database.spec, queries.spec, ignoring=("reader", "precision"))
    elif (bits, classes) != (int(other["bits"]), list(other["classes"])):
        many = f"{other['bits']} and {len(other['classes'])}"
        found = {"bits and number of classes": f"{bits} and {len(classes)}, now {many}"}
    if found:
        raise FeaturesError(
            f"expected queries by the model of the database, found those of another ({told(found)}); "
            "make both by one model"
        )
    return bits


def _predicted(scores: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    labels = scores.argmax(1)
    return labels, scores[np.arange(len(scores)), labels]


def _groups(
    query_labels: NDArray[np.int64], labels: NDArray[np.int64]
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Return for every label that queries have: those queries, and the items of that label, in their order."""
    return [(np.flatnonzero(query_labels == own), np.flatnonzero(labels == own)) for own in np.unique(query_labels)]


def _reranked(
    queries: NDArray[np.float32],
    database: NDArray[np.float32],
    candidates: NDArray[np.int64],
    distances: NDArray[np.int32],
    k: int,
    threads: int | None,
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
    shape = len(queries), k
    ids, hamming, squared = np.empty(shape, np.int64), np.empty(shape, np.int32), np.empty(shape, np.float32)
    for row in range(len(queries)):
        # By item, so that the place of a candidate, by which the search breaks ties, is the order of items.
        order = np.argsort(candidates[row])
        order = order[candidates[row, order] >= 0]
        items = candidates[row, order]
        squared[row], (found,) = euclidean_topk(queries[row : row + 1], database[items], k, threads=threads)
        ids[row] = np.append(items, -1)[found]
        hamming[row] = np.append(distances[row, order], np.int32(FARTHEST))[found]
    return ids, hamming, squared
