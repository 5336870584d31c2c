"""Search by hash code and semantic label, as the network of Song et al. 2021 gives them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive import Features
from rsir_fast.base.row_blocks import RowBlocks
from rsir_fast.encoders.differences import differences, told
from rsir_fast.errors import FeaturesError
from rsir_fast.ops import euclidean_topk, hamming_topk
from rsir_fast.retrieval.coded import made_by_model, remarks_on_codes
from rsir_fast.retrieval.hits import Hits, Labels
from rsir_fast.retrieval.query import Search
from rsir_fast.retrieval.searched import Searched, predicted

__all__ = ["find_by_code"]

_FARTHEST = np.iinfo(np.int32).max
_MEASURED = 16
"""Queries whose two-stage answer is compared with that of all values of u."""

Allowed = NDArray[np.bool_] | None


def find_by_code(searched: Searched, queries: Features, search: Search, *, threads: int | None = None) -> Hits:
    """Return the k nearest rows of every query by hash code, with their semantic labels.

    In the order of (Hamming distance, id), with `rerank_codes` of (Euclidean distance of u, id).

    Parameters
    ----------
    searched : Searched
    queries : Features
        Made by the same model.
    search : Search
    threads : int, optional
        Never changes the answer.

    Raises
    ------
    FeaturesError
        If the features are of no hash model, or of two different ones.
    ValueError
        If rows of the queries' labels are asked for, and the model gives none.

    Notes
    -----
    With `rerank_codes` the answer tells its ``recall``: of the first 16 queries, the share of the k nearest rows by u
    alone that are among the k found. A NaN in u is a bit of 0 and a Euclidean distance after +inf. O(q n bits) time,
    with N codes reranked also O(q N bits); memory: the codes of both sides and 12 bytes for each of the q k or q N
    candidates.
    """
    bits = _common_bits(searched.database, queries)
    allowed = searched.allowed(search.where)
    codes, wanted = np.asarray(searched.rows.fields["codes"]), queries["codes"]
    labels, of_queries = searched.predicted.labels if search.same_label else None, predicted(queries["probabilities"])
    if search.same_label and len(queries) and (of_queries.labels < 0).all():
        raise ValueError(
            "same_label: expected a model that gives labels, got one trained without a classifier; leave it out"
        )
    depth = search.k if search.rerank_codes is None else min(search.rerank_codes, len(searched.database))
    hamming = np.empty((len(queries), depth), np.int32)
    places = np.empty((len(queries), depth), np.int64)
    two_stage = search.rerank_codes is not None
    measured = np.arange(min(len(queries), _MEASURED) if two_stage else 0)
    exact = np.full((len(measured), search.k), -1, np.int64)
    for rows, where in _groups(of_queries.labels, labels, allowed):
        hamming[rows], places[rows] = hamming_topk(wanted[rows], codes, depth, bits, where=where, threads=threads)
        some = np.intersect1d(measured, np.arange(len(queries))[rows])
        if len(some):
            u = searched.rows.fields["u"]
            exact[some] = euclidean_topk(queries["u"][some], u, search.k, where=where, threads=threads).ids
    squared, recall = None, {}
    if two_stage:
        u = searched.rows.fields["u"]
        places, hamming, squared = _reranked(queries["u"], u, places, hamming, search.k, threads)
        recall = {"recall": _recall(exact, places[: len(measured)]), "recall_queries": len(measured)}
    shown = _labels_at(searched.rows.fields["probabilities"], places)
    return Hits(
        searched.database,
        tuple(queries.items),
        searched.rows.ids_at(places),
        squared,
        hamming,
        shown,
        of_queries,
        skipped=queries.skipped,
        notes=(*queries.notes, *remarks_on_codes(searched.database)),
        how={
            "bits": bits,
            "distance": "hamming",
            "rerank_codes": search.rerank_codes,
            "same_label": search.same_label,
            **recall,
        },
    )


def _labels_at(probabilities: RowBlocks, places: NDArray[np.int64]) -> Labels:
    """Return the most probable labels of some rows alone: those of all would be read, and copied, for a few answers."""
    there = np.unique(places[places >= 0])
    labels = predicted(probabilities[there])
    at = np.where(places < 0, -1, np.searchsorted(there, places))
    return Labels(np.append(labels.labels, -1)[at], np.append(labels.probabilities, np.float32(np.nan))[at])


def _recall(exact: NDArray[np.int64], found: NDArray[np.int64]) -> float | None:
    """Return which share of the nearest rows by u were found; None where there are none."""
    there = exact >= 0
    if not there.any():
        return None
    hits = sum(np.isin(one[one >= 0], other).sum() for one, other in zip(exact, found, strict=True))
    return float(hits / there.sum())


def _groups(
    of_queries: NDArray[np.int64], labels: NDArray[np.int64] | None, allowed: Allowed
) -> Iterator[tuple[slice | NDArray[np.int64], Allowed]]:
    """Yield queries, and which rows they may find: all queries at once, or those of each label."""
    if labels is None:
        yield slice(None), allowed
        return
    for own in np.unique(of_queries):
        same = labels == own
        yield np.flatnonzero(of_queries == own), same if allowed is None else same & allowed


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


def _reranked(
    queries: RowBlocks,
    database: RowBlocks,
    candidates: NDArray[np.int64],
    distances: NDArray[np.int32],
    k: int,
    threads: int | None,
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
    shape = len(queries), k
    ids, hamming, squared = np.empty(shape, np.int64), np.empty(shape, np.int32), np.empty(shape, np.float32)
    for row in range(len(queries)):
        # By row, so that the place of a candidate, by which the search breaks ties, is the order of rows.
        order = np.argsort(candidates[row])
        order = order[candidates[row, order] >= 0]
        items = candidates[row, order]
        squared[row], (found,) = euclidean_topk(queries[row : row + 1], database[items], k, threads=threads)
        ids[row] = np.append(items, -1)[found]
        hamming[row] = np.append(distances[row, order], np.int32(_FARTHEST))[found]
    return ids, hamming, squared
