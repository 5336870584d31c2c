"""Precision and recall within each Hamming radius, over all pairs of query and item."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rsir_fast.base.counts import as_count
from rsir_fast.base.numbers import as_numbers
from rsir_fast.metrics._hits import ratio_or_nan
from rsir_fast.metrics._inputs import MOST, as_counts, as_distances, as_relevance

__all__ = ["RadiusCurve", "precision_recall_by_radius", "radius_counts", "radius_curve"]

MAX_BITS = 2**16 - 1
"""The longest codes that `rsir_fast.hamming_topk` compares."""


class RadiusCurve(NamedTuple):
    """Micro-averaged precision and recall within each Hamming radius.

    Attributes
    ----------
    radius
        [bits + 1] int64, from 0 to the number of bits, both included.
    precision
        [bits + 1] float64; NaN at a radius that retrieves nothing.
    recall
        [bits + 1] float64; NaN if there is no relevant pair at all.
    """

    radius: NDArray[np.int64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]


def precision_recall_by_radius(distances: ArrayLike, relevant: ArrayLike, bits: int) -> RadiusCurve:
    """Precision and recall within each Hamming radius 0, 1, ..., bits, micro-averaged over all pairs.

    Precision at radius r: relevant pairs at distance <= r over all pairs at distance <= r. Recall: the same relevant
    pairs over all relevant pairs. The last radius retrieves everything, so its recall is 1.

    Parameters
    ----------
    distances
        [..., n] integers from 0 to `bits`, in the order of the database; a query that is itself in the database must
        be taken out first.
    relevant
        [..., n] bool (or integers 0 and 1), the same order.
    bits
        Length of the codes, 1 to 65535.

    Returns
    -------
    RadiusCurve
        radius, precision and recall, each [bits + 1].

    Raises
    ------
    TypeError, ValueError
        If an array is not as described or a distance lies outside 0 to `bits`.

    Notes
    -----
    For data in blocks add up the results of `radius_counts` and pass the sums to `radius_curve`: the same bits.

    Examples
    --------
    >>> curve = precision_recall_by_radius([[1, 1, 2]], [[True, False, True]], bits=2)
    >>> curve.precision.round(4).tolist(), curve.recall.tolist()
    ([nan, 0.5, 0.6667], [0.0, 0.5, 1.0])
    """
    return radius_curve(*radius_counts(distances, relevant, bits))


def radius_counts(distances: ArrayLike, relevant: ArrayLike, bits: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count all pairs and the relevant pairs at each Hamming distance.

    Parameters
    ----------
    distances, relevant, bits
        As for `precision_recall_by_radius`.

    Returns
    -------
    pairs, relevant_pairs : numpy.ndarray
        Each [bits + 1] int64, indexed by distance.

    Raises
    ------
    TypeError, ValueError
        As `precision_recall_by_radius`.

    Examples
    --------
    >>> pairs, relevant_pairs = radius_counts([[1, 1, 2]], [[True, False, True]], bits=2)
    >>> pairs.tolist(), relevant_pairs.tolist()
    ([0, 2, 1], [0, 1, 1])
    """
    bits = as_count(bits, "bits", least=1, most=MAX_BITS, noun="the code length, ")
    mask = as_relevance(relevant, "relevant")
    table = as_distances(distances, mask.shape)
    if table.size and table.dtype.kind == "f":
        raise TypeError(f"distances: expected integers (Hamming distances), got {table.dtype}")
    if table.size and (table.min() < 0 or table.max() > bits):
        raise ValueError(
            f"distances: expected 0 to {bits} (the code length), got {table.min()} to {table.max()}; "
            "pass the right number of bits, and no padding"
        )
    whole = table.astype(np.int64)
    pairs = np.bincount(whole.ravel(), minlength=bits + 1)
    return pairs.astype(np.int64), np.bincount(whole[mask], minlength=bits + 1).astype(np.int64)


def radius_curve(pairs: ArrayLike, relevant_pairs: ArrayLike) -> RadiusCurve:
    """Precision and recall within each radius, from the counts of pairs at each distance.

    Parameters
    ----------
    pairs, relevant_pairs
        Each [bits + 1] integers: pairs, and relevant pairs, at each distance (see `radius_counts`).

    Returns
    -------
    RadiusCurve
        As from `precision_recall_by_radius`.

    Raises
    ------
    TypeError, ValueError
        If the counts are not integers of 0 or more, or more pairs are relevant than there are.

    Examples
    --------
    >>> radius_curve([0, 2, 1], [0, 1, 1]).recall.tolist()
    [0.0, 0.5, 1.0]
    """
    shape = (as_numbers(pairs, "pairs").size,)
    everything, right = as_counts(pairs, shape, "pairs"), as_counts(relevant_pairs, shape, "relevant_pairs")
    if (right > everything).any():
        raise ValueError("relevant_pairs: expected at most as many as pairs at each distance; were they swapped?")
    if sum(everything.tolist()) > MOST:
        raise ValueError(f"pairs: expected at most {MOST} (2^53) in all, which are counted exactly, got more")
    retrieved, found = np.cumsum(everything), np.cumsum(right)
    total = found[-1:] if len(found) else found
    return RadiusCurve(np.arange(len(retrieved)), ratio_or_nan(found, retrieved), ratio_or_nan(found, total))
