"""Average normalised modified retrieval rank (ANMRR), the retrieval measure of MPEG-7."""

from __future__ import annotations

from typing import Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rsir_fast.base.counts import as_count
from rsir_fast.metrics._hits import RankedHits, ratio_or_nan
from rsir_fast.metrics._inputs import MOST, as_counts, check_choice
from rsir_fast.metrics.means import mean_over_queries

__all__ = ["Penalty", "RankLimit", "anmrr", "nmrr"]

RankLimit = Literal["2ng", "mpeg7"]

Penalty = Literal["1.25k", "k+1"]
"""The rank that a relevant item beyond K is counted at."""

I = TypeVar("I", int, NDArray[np.int64])  # noqa: E741 (an integer, or many)


def nmrr(
    relevant_ranked: ArrayLike,
    n_relevant: ArrayLike | None = None,
    k: RankLimit | ArrayLike = "2ng",
    *,
    penalty: Penalty = "1.25k",
    max_relevant: int | None = None,
) -> NDArray[np.float64]:
    """Normalised modified retrieval rank (NMRR) of every query: 0 is best, 1 means nothing found within K.

    With NG = R relevant items, ``rank* = rank`` where rank <= K and ``P = 1.25 K`` elsewhere:
    ``AVR = mean of rank*``, ``MRR = AVR - (1 + NG) / 2``, ``NMRR = MRR / (P - (1 + NG) / 2)``.

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
    penalty
        P: ``"1.25k"``, 1.25 K, or ``"k+1"``, the first rank beyond K. Both are in use under the same name. For K above
        4 the second gives more where the relevant items within K have a mean rank above (1 + NG) / 2, else less.
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
        If a shape or count is not as described, `k` or `penalty` is unknown, K < NG, or an NG exceeds `max_relevant`.

    Notes
    -----
    O(h) for h relevant items in the lists. 1.25 K is that of the MPEG-7 experiments (Ndjiki-Nya P. et al. (2000),
    Subjective evaluation of the MPEG-7 retrieval accuracy measure (ANMRR), ISO/IEC JTC1/SC29/WG11 M6029). With K + 1
    the denominator is K + 0.5 - 0.5 NG, as public programs have it, after Manjunath B. S. et al. (2001), Color and
    texture descriptors, IEEE TCSVT 11(6), 703-715. We had access to neither article.

    Examples
    --------
    >>> ranked = np.isin(np.arange(1, 31), [1, 2, 4, 7, 30])
    >>> round(float(nmrr(ranked)), 6)  # NG = 5, K = 10: one of five lies beyond
    0.242105
    >>> round(float(nmrr(ranked, penalty="k+1")), 6)  # (1 + 2 + 4 + 7 + 11) / 5 = 5, less 3, of 11 - 3
    0.25
    """
    hits = RankedHits.find(relevant_ranked, n_relevant)
    return nmrr_of(hits, k, max_relevant, penalty).reshape(hits.shape)


def anmrr(
    relevant_ranked: ArrayLike,
    n_relevant: ArrayLike | None = None,
    k: RankLimit | ArrayLike = "2ng",
    *,
    penalty: Penalty = "1.25k",
    max_relevant: int | None = None,
) -> float:
    """Mean of `nmrr` over the queries that have relevant items.

    Parameters
    ----------
    relevant_ranked, n_relevant, k, penalty, max_relevant
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
    values = nmrr(relevant_ranked, n_relevant, k, penalty=penalty, max_relevant=max_relevant)
    return mean_over_queries(values).value


def nmrr_of(
    hits: RankedHits,
    k: RankLimit | ArrayLike = "2ng",
    max_relevant: int | None = None,
    penalty: Penalty = "1.25k",
) -> NDArray[np.float64]:
    """NMRR of every query of `hits`: [m] float64, NaN where NG = 0."""
    check_choice(penalty, ("1.25k", "k+1"), "penalty")
    ng = hits.n_relevant
    limit = rank_limits(hits, k, max_relevant)
    found, rank_sum = hits.sum_within(limit)
    # Both sides of MRR / (P - (1 + NG) / 2), times 4 NG, are integers: exact in float64 up to 2^53. 4 P is at most
    # 8 K, as K is 1 or more.
    small = 8.0 * limit * np.maximum(ng, 1) <= MOST
    of, beyond = np.where(small, ng, 0), _times_four(np.where(small, limit, 0), penalty)
    mrr = 4 * rank_sum + beyond * (of - found) - 2 * of * (1 + of)
    values = ratio_or_nan(mrr, of * (beyond - 2 * (1 + of)))
    for query in np.flatnonzero(~small & (ng > 0)).tolist():
        values[query] = _nmrr_of_one(hits.of_query(query), int(ng[query]), int(limit[query]), penalty)
    return values


def _times_four(limit: I, penalty: Penalty) -> I:
    """Return 4 P, which is an integer."""
    return 5 * limit if penalty == "1.25k" else 4 * limit + 4


def _nmrr_of_one(ranks: NDArray[np.int64], ng: int, limit: int, penalty: Penalty) -> float:
    """Compute the same in Python's integers, whose quotient is correctly rounded at any size."""
    within: list[int] = [rank for rank in ranks.tolist() if rank <= limit]
    beyond = _times_four(limit, penalty)
    mrr = 4 * sum(within) + beyond * (ng - len(within)) - 2 * ng * (1 + ng)
    return mrr / (ng * (beyond - 2 * (1 + ng)))


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
