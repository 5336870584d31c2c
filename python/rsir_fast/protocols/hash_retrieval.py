"""Retrieval by hash codes in figures: mAP under four rules for ties, precision and recall by number and by radius."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsir_fast import metrics
from rsir_fast.ops import rank_database
from rsir_fast.protocols.cutoffs import as_cutoffs, check_map_at
from rsir_fast.protocols.dhcnn2021_result import CodeFigures, MapUnderTies, RadiusCurve
from rsir_fast.protocols.galleries import without_own
from rsir_fast.protocols.intervals import map_intervals
from rsir_fast.protocols.protocol import DIVISORS, MapAt, MapDivisor
from rsir_fast.protocols.result import mean

__all__ = ["CUTOFFS", "TIE_RULES", "evaluate_codes"]

CUTOFFS = (1, 11, 21, 31, *range(50, 1001, 50))
"""Numbers of returned images for precision and recall, as in the code of Song et al. 2021."""

TIE_RULES = ("expected", "by_index", "worst", "best")


def evaluate_codes(
    codes: NDArray[np.uint8],
    labels: NDArray[np.int64],
    bits: int,
    queries: NDArray[np.int64],
    database: NDArray[np.int64],
    threads: int | None = None,
    *,
    cutoffs: Sequence[int] = CUTOFFS,
    map_at: int | None = None,
    divisor: MapDivisor = "min",
) -> CodeFigures:
    """Rank a database of hash codes by Hamming distance for every query, and measure it.

    Parameters
    ----------
    codes : [n, ceil(bits / 8)] uint8
        Of all items, from `rsir_fast.pack_codes`.
    labels : [n] int
        Class of every item, from 0; an item is relevant if it is of the query's class.
    bits : int
        Hash length.
    queries, database : [q], [m] int
        Rows of `codes`, each once. Queries are either none of the database, or all in it: then each is left out of its
        own ranking.
    threads : int, optional
        As in `rsir_fast.hamming_topk`. Never changes a figure.
    cutoffs : sequence of int
        Numbers of returned items for precision and recall, each 1 or more; those beyond the database are left out.
    map_at : int, optional
        k of mAP@k, 1 or more; default: none is measured.
    divisor : {"found", "min", "relevant"}
        Of AP@k, as in `rsir_fast.metrics.expected_average_precision`: the one that counts. mAP@k by the others stands
        beside it.

    Returns
    -------
    CodeFigures
        ``map.expected``, over the order of ties, is the headline; precision and recall by number are expected so too.

    Raises
    ------
    ValueError
        If there are no queries or no database, only some of the queries are in the database, a cut-off or k is below
        1, or there is no such divisor.

    Notes
    -----
    O(q m bits) time; memory beside the codes: a block of rankings.

    Examples
    --------
    >>> codes, labels = np.array([[0], [1], [15], [7]], np.uint8), np.array([0, 0, 1, 1])
    >>> found = evaluate_codes(codes, labels, 4, np.array([0, 2]), np.array([1, 3]))
    >>> found.map.expected, found.precision_at, found.radius.recall
    (1.0, (1.0,), (0.0, 1.0, 1.0, 1.0, 1.0))
    """
    check_map_at(map_at, divisor)
    places = _own_places(queries, database)
    n = len(database) - (places is not None)
    numbers = np.array([number for number in as_cutoffs(cutoffs) if number <= n], np.int64)
    precisions: dict[str, list[NDArray[np.float64]]] = {name: [] for name in TIE_RULES}
    cut: dict[MapDivisor, list[NDArray[np.float64]]] = {name: [] for name in DIVISORS}
    hits: list[NDArray[np.float64]] = []
    relevant_of: list[NDArray[np.int64]] = []
    pairs = np.zeros((2, bits + 1), np.int64)
    for start, distances, ids in rank_database(
        codes[queries], codes[database], metric="hamming", bits=bits, threads=threads
    ):
        own = labels[queries[start : start + len(ids)]]
        relevant = labels[database[ids]] == own[:, None]
        if places is not None:
            relevant, distances = without_own(ids, places[start : start + len(ids)], relevant, distances)
        tied = metrics.TiedRanking.sort(distances, relevant)
        for name in TIE_RULES:
            precisions[name].append(getattr(tied, name)())
        if map_at is not None:
            for by, parts in cut.items():
                parts.append(tied.expected(map_at, by))
        hits.append(tied.hits_within(numbers))
        relevant_of.append(tied.n_relevant)
        pairs += np.stack(metrics.radius_counts(distances, relevant, bits))
    curve = metrics.radius_curve(*pairs)
    every = {name: np.concatenate(values) for name, values in precisions.items()}
    expected, asked = every["expected"], labels[queries]
    at_k: dict[str, Any] = {}
    if map_at is not None:
        means = {by: mean(np.concatenate(parts)) for by, parts in cut.items()}
        at_k["map_at"] = MapAt(k=map_at, divisor=divisor, **means)
    return CodeFigures(
        map=MapUnderTies(**{name: mean(values) for name, values in every.items()}),
        map_intervals=map_intervals(expected, asked),
        **_by_number(numbers, np.concatenate(hits), np.concatenate(relevant_of)),
        **at_k,
        radius=RadiusCurve(precision=tuple(curve.precision.tolist()), recall=tuple(curve.recall.tolist())),
        per_class=tuple(mean(expected[asked == label]) for label in range(int(labels.max()) + 1)),
        per_query=tuple(expected.tolist()),
        queries=len(queries),
        queries_without_relevant=int(np.isnan(expected).sum()),
        database=len(database),
    )


def _by_number(numbers: NDArray[np.int64], hits: NDArray[np.float64], relevant: NDArray[np.int64]) -> dict[str, Any]:
    """Return precision and recall from expected hits [q, p] and R [q]; queries without relevant items left out."""
    hits, relevant = hits[relevant > 0], relevant[relevant > 0]
    together = [math.fsum(column) / int(relevant.sum()) if len(relevant) else math.nan for column in hits.T.tolist()]
    return {
        "cutoffs": tuple(numbers.tolist()),
        "precision_at": tuple(mean(column) for column in (hits / numbers).T),
        "recall_at": tuple(mean(column) for column in (hits / relevant[:, None]).T),
        "recall_micro_at": tuple(together),
    }


def _own_places(queries: NDArray[np.int64], database: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Return where each query is in the database; None where none of them is."""
    if not len(queries) or not len(database):
        raise ValueError(f"expected queries and a database, got {len(queries)} queries and {len(database)} items")
    both = int(np.isin(queries, database).sum())
    if both == 0:
        return None
    if both < len(queries):
        raise ValueError(
            f"database: expected none of the queries, or all of them, got {both} of the {len(queries)}; "
            "a query in its own ranking would flatter the score"
        )
    order = np.argsort(database)
    return np.asarray(order[np.searchsorted(database, queries, sorter=order)])
