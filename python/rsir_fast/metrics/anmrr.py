"""Average normalised modified retrieval rank (ANMRR), the retrieval measure of MPEG-7."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rsir_fast.base.counts import as_count
from rsir_fast.metrics._hits import RankedHits, ratio_or_nan
from rsir_fast.metrics._inputs import MOST, as_counts, check_choice
from rsir_fast.metrics.means import mean_over_queries

__all__ = ["RankLimit", "anmrr", "nmrr"]

RankLimit = Literal["2ng", "mpeg7"]


def nmrr(
    relevant_ranked: ArrayLike,
    n_relevant: ArrayLike | None = None,
    k: RankLimit | ArrayLike = "2ng",
    *,
    max_relevant: int | None = None,
) -> NDArray[np.float64]:
    """Normalised modified retrieval rank (NMRR) of every query: 0 is best, 1 means nothing found within K.

    With NG = R relevant items, ``rank* = rank`` where rank <= K and ``1.25 K`` elsewhere:
    ``AVR = mean of rank*``, ``MRR = AVR - (1 + NG) / 2``, ``NMRR = MRR / (1.25 K - (1 + NG) / 2)``.

    Parameters
    ----------
    relevant_ranked
        [..., n] bool (or integers 0 and 1), best item first, the query's own item left out.
    n_relevant
        NG, one integer or [...]; needed where the lists are truncated: what is not in a list counts as beyond K, so a
        list shorter than K is only right if it is the whole database. Default: the number in each list.
    k
        ``"2ng"``: K = 2 NG, as in the remote sensing literature (Ge et al. 2018); ``"mpeg7"``:
        K = min(4 NG, 2 max NG), equal to it where all classes are equally large; or K itself, one integer or [...],
        at least NG for every query and at most 2^53.
    max_relevant
        Largest NG over *all* queries, for ``"mpeg7"`` when only a part of them is passed. Default: largest given here.

    Returns
    -------
    numpy.ndarray
        [...] float64 in [0, 1]; NaN where NG = 0. Numerator and denominator are formed exactly, so each value is
        correctly rounded.

    Raises
    ------
    TypeError
        If an array has a wrong dtype.
    ValueError
        If a shape or count is not as described, `k` is unknown, K < NG, or an NG exceeds `max_relevant`.

    Examples
    --------
    >>> ranked = np.isin(np.arange(1, 31), [1, 2, 4, 7, 30])
    >>> round(float(nmrr(ranked)), 6)  # NG = 5, K = 10: one of five lies beyond
    0.242105
    """
    hits = RankedHits.find(relevant_ranked, n_relevant)
    return nmrr_of(hits, k, max_relevant).reshape(hits.shape)


def anmrr(
    relevant_ranked: ArrayLike,
    n_relevant: ArrayLike | None = None,
    k: RankLimit | ArrayLike = "2ng",
    *,
    max_relevant: int | None = None,
) -> float:
    """Mean of `nmrr` over the queries that have relevant items.

    Parameters
    ----------
    relevant_ranked, n_relevant, k, max_relevant
        As for `nmrr`.

    Returns
    -------
    float
        ANMRR in [0, 1], 0 best; NaN if no query has a relevant item.

    Raises
    ------
    TypeError, ValueError
        As `nmrr`.

    Examples
    --------
    >>> anmrr([[True, True, False, False, False], [False, False, False, False, True]])
    0.5
    """
    return mean_over_queries(nmrr(relevant_ranked, n_relevant, k, max_relevant=max_relevant)).value


def nmrr_of(hits: RankedHits, k: RankLimit | ArrayLike = "2ng", max_relevant: int | None = None) -> NDArray[np.float64]:
    """NMRR of every query of `hits`: [m] float64, NaN where NG = 0."""
    ng = hits.n_relevant
    limit = rank_limits(hits, k, max_relevant)
    found, rank_sum = hits.sum_within(limit)
    # Both sides of MRR / (1.25 K - (1 + NG) / 2), times 4 NG, are integers: exact in float64 up to 2^53.
    small = 5.0 * limit * np.maximum(ng, 1) <= MOST
    of, to = np.where(small, ng, 0), np.where(small, limit, 0)
    mrr = 4 * rank_sum + 5 * to * (of - found) - 2 * of * (1 + of)
    values = ratio_or_nan(mrr, of * (5 * to - 2 * (1 + of)))
    for query in np.flatnonzero(~small & (ng > 0)).tolist():
        values[query] = _nmrr_of_one(hits.of_query(query), int(ng[query]), int(limit[query]))
    return values


def _nmrr_of_one(ranks: NDArray[np.int64], ng: int, limit: int) -> float:
    """Compute the same in Python's integers, whose quotient is correctly rounded at any size."""
    within: list[int] = [rank for rank in ranks.tolist() if rank <= limit]
    mrr = 4 * sum(within) + 5 * limit * (ng - len(within)) - 2 * ng * (1 + ng)
    return mrr / (ng * (5 * limit - 2 * (1 + ng)))


def rank_limits(hits: RankedHits, k: RankLimit | ArrayLike, max_relevant: int | None) -> NDArray[np.int64]:
    """K of every query: [m] int64."""
    ng = hits.n_relevant
    largest = int(ng.max(initial=0))
    if max_relevant is not None:
        max_relevant = as_count(max_relevant, "max_relevant", most=MOST)
        if max_relevant < largest:
            raise ValueError(
                f"max_relevant: expected the largest number of relevant items over all queries, got {max_relevant}, "
                f"but a query here has {largest}"
            )
        largest = max_relevant
    if isinstance(k, str):
        check_choice(k, ("2ng", "mpeg7"), "k")
        return 2 * ng if k == "2ng" else np.minimum(4 * ng, 2 * largest)
    given = as_counts(k, hits.shape, "k").reshape(len(ng))
    if (given < ng).any():
        bad = int(np.argmax(given < ng))
        raise ValueError(
            f"k: expected K of at least NG, got K = {given[bad]} for query {bad} with NG = {ng[bad]}; "
            "below it a perfect ranking would not score 0"
        )
    return given
