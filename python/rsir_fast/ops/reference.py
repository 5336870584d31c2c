"""The ops again, in plain float64 NumPy: slow, short, and the oracle of the tests.

Every function here defines what its compiled namesake must return, to the last bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = [
    "allowed_rows",
    "euclidean_topk",
    "gaussian_normalize",
    "gaussian_statistics",
    "hamming_distances",
    "hamming_topk",
    "lane_sum",
    "pack_codes",
    "relevant_ranks",
    "squared_distances",
]

LANES = 32
Float64 = NDArray[np.float64]


def lane_sum(values: Float64) -> Float64:
    """Sum over the last axis in the canonical order: 32 lanes, folded by halves.

    Element i belongs to lane ``i % 32``. Each lane adds its elements in increasing i; then lane j adds lane j + 16,
    j + 8, j + 4, j + 2, j + 1. Floating point addition is not associative, so this order is part of every answer.

    Parameters
    ----------
    values : numpy.ndarray, shape [..., d], float64

    Returns
    -------
    numpy.ndarray, shape [...], float64

    Examples
    --------
    >>> float(lane_sum(np.ones(100)))
    100.0
    """
    d = values.shape[-1]
    padding = [(0, 0)] * (values.ndim - 1) + [(0, -d % LANES)]
    rounds = np.pad(values, padding).reshape(*values.shape[:-1], (d + LANES - 1) // LANES, LANES)
    lanes = np.zeros((*values.shape[:-1], LANES))
    for r in range(rounds.shape[-2]):
        lanes = lanes + rounds[..., r, :]
    half = LANES // 2
    while half >= 1:
        lanes = lanes[..., :half] + lanes[..., half : 2 * half]
        half //= 2
    return lanes[..., 0]


def gaussian_normalize(features: NDArray[Any], dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """Normalise rows: ``0.5 + (f - mu) / (6 sigma)`` (Ge et al. 2018, equation 2).

    Parameters
    ----------
    features : numpy.ndarray, shape [n, l]
    dtype
        Float32 is the op's answer; float64 leaves out the last rounding.

    Returns
    -------
    numpy.ndarray, shape [n, l]
    """
    with np.errstate(all="ignore"):
        wide = features.astype(np.float64)
        length = wide.shape[1]
        centred = wide - (lane_sum(wide) / length)[:, None]
        sigma = np.sqrt(lane_sum(centred * centred) / length)[:, None]
        scale = np.where(sigma == 0, 0, 1 / (6 * sigma))
        result: NDArray[Any] = (0.5 + centred * scale).astype(dtype)
    result[~np.isfinite(sigma[:, 0])] = np.nan
    # The mean of equal float64 numbers may be rounded, so that sigma is not quite 0; the row is constant all the same.
    result[np.isfinite(wide[:, :1]).any(axis=1) & (wide == wide[:, :1]).all(axis=1)] = 0.5
    return result


def gaussian_statistics(features: NDArray[Any]) -> tuple[Float64, Float64]:
    """Return mean and population standard deviation of each column, [l] float64; sums go down the rows by `lane_sum`.

    Parameters
    ----------
    features : numpy.ndarray, shape [n, l], n >= 1
    """
    columns = np.ascontiguousarray(features.astype(np.float64).T)
    with np.errstate(all="ignore"):
        mean = lane_sum(columns) / len(features)
        std = np.sqrt(lane_sum((columns - mean[:, None]) ** 2) / len(features))
    mean[np.isnan(mean)] = std[np.isnan(std)] = np.nan  # one NaN, whatever sign and payload the hardware makes
    constant = np.isfinite(columns[:, 0]) & (columns == columns[:, :1]).all(axis=1)
    return np.where(constant, columns[:, 0], mean), np.where(constant, 0.0, std)


def squared_distances(queries: NDArray[Any], database: NDArray[Any]) -> NDArray[np.float32]:
    """Return all canonical distances: squares summed in float64 by `lane_sum`, rounded once to float32.

    Parameters
    ----------
    queries, database : numpy.ndarray, shapes [q, d] and [n, d]

    Returns
    -------
    numpy.ndarray, shape [q, n], float32
    """
    with np.errstate(all="ignore"):
        difference = queries.astype(np.float64)[:, None, :] - database.astype(np.float64)[None, :, :]
        distances: NDArray[np.float32] = lane_sum(difference * difference).astype(np.float32)
    distances[np.isnan(distances)] = np.nan  # one NaN, 0x7fc00000, whatever sign and payload the hardware makes
    return distances


def allowed_rows(where: Any, n: int) -> NDArray[np.int64]:
    """Return the ids of the rows that a bitmap (uint8), booleans, ids or None (all) allow, each once, increasing.

    Examples
    --------
    >>> allowed_rows(np.array([0b101], dtype=np.uint8), 3), allowed_rows([2, 0, 2], 3)
    (array([0, 2]), array([0, 2]))
    """
    if where is None:
        return np.arange(n)
    values = np.asarray(where)
    if values.dtype == np.uint8:
        values = np.unpackbits(values, count=n, bitorder="little").astype(bool)
    return np.flatnonzero(values) if values.dtype == bool else np.unique(values.astype(np.int64))


def euclidean_topk(
    queries: NDArray[Any], database: NDArray[Any], k: int, where: Any = None
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the k nearest allowed rows, ordered by (distance, id), NaN last, padded with +inf and -1.

    Parameters
    ----------
    queries, database : numpy.ndarray, shapes [q, d] and [n, d]
    k : int
    where
        As `allowed_rows` takes it.

    Returns
    -------
    distances : numpy.ndarray, shape [q, k], float32
    ids : numpy.ndarray, shape [q, k], int64
    """
    rows = allowed_rows(where, len(database))
    return _smallest(squared_distances(queries, database[rows]), rows, k, worst=np.inf)


def relevant_ranks(
    queries: NDArray[Any], database: NDArray[Any], query_labels: Any, item_labels: Any, where: Any = None
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return of each query how many allowed items share its label, and their places among all allowed items, from 1.

    Parameters
    ----------
    queries, database : numpy.ndarray, shapes [q, d] and [n, d]
    query_labels, item_labels : array of integers, shapes [q] and [n]
    where
        As `allowed_rows` takes it.

    Returns
    -------
    counts : numpy.ndarray, shape [q], int64
    ranks : numpy.ndarray, shape [sum of counts], int64
    ids : numpy.ndarray, shape [q, allowed], int64
        The rankings.
    """
    ids = euclidean_topk(queries, database, len(allowed_rows(where, len(database))), where)[1]
    relevant = np.asarray(item_labels)[ids] == np.asarray(query_labels)[:, None]
    return relevant.sum(axis=1), np.nonzero(relevant)[1] + 1, ids


def pack_codes(u: NDArray[Any]) -> NDArray[np.uint8]:
    """Pack ``u > 0`` into bytes, least significant bit first.

    Parameters
    ----------
    u : numpy.ndarray, shape [n, b]

    Returns
    -------
    numpy.ndarray, shape [n, ceil(b / 8)], uint8
    """
    return np.packbits(u > 0, axis=1, bitorder="little")


def hamming_distances(queries: NDArray[np.uint8], database: NDArray[np.uint8], bits: int) -> NDArray[np.int32]:
    """Count differing bits, all pairs.

    Parameters
    ----------
    queries, database : numpy.ndarray, shapes [q, bytes] and [n, bytes], uint8
    bits : int
        Bits of a code that count.

    Returns
    -------
    numpy.ndarray, shape [q, n], int32
    """
    ours = np.unpackbits(queries, axis=1, count=bits, bitorder="little")
    theirs = np.unpackbits(database, axis=1, count=bits, bitorder="little")
    distances: NDArray[np.int32] = (ours[:, None, :] != theirs[None, :, :]).sum(axis=2, dtype=np.int32)
    return distances


def hamming_topk(
    queries: NDArray[np.uint8], database: NDArray[np.uint8], k: int, bits: int, where: Any = None
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return the k nearest allowed codes, ordered by (distance, id), padded with the int32 maximum and -1.

    Parameters
    ----------
    queries, database : numpy.ndarray, shapes [q, bytes] and [n, bytes], uint8
    k, bits : int
    where
        As `allowed_rows` takes it.

    Returns
    -------
    distances : numpy.ndarray, shape [q, k], int32
    ids : numpy.ndarray, shape [q, k], int64
    """
    rows = allowed_rows(where, len(database))
    return _smallest(hamming_distances(queries, database[rows], bits), rows, k, worst=np.iinfo(np.int32).max)


def _smallest(
    distances: NDArray[Any], rows: NDArray[np.int64], k: int, worst: float
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]  # stable: equal distances keep id order; NaN last
    missing = ((0, 0), (0, k - order.shape[1]))
    return (
        np.pad(np.take_along_axis(distances, order, axis=1), missing, constant_values=worst),
        np.pad(rows[order], missing, constant_values=-1),
    )
