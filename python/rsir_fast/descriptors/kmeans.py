"""K-means with the same bits for every number of threads, instruction set and library of linear algebra."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rsir_fast.errors import DatasetError
from rsir_fast.ops import Database, euclidean_topk

__all__ = ["Clusters", "kmeans", "nearest"]

TOLERANCE = 1e-4
"""The iteration ends when the mean squared distance falls by less than this fraction."""


class Clusters(NamedTuple):
    """What `kmeans` found.

    Attributes
    ----------
    centres
        Float32 [k, d].
    iterations
        Assignments of all points.
    mean_squared_distance
        Of the points to their nearest centres, at the last assignment.
    """

    centres: NDArray[np.float32]
    iterations: int
    mean_squared_distance: float


def kmeans(points: NDArray[np.float32], k: int, *, iterations: int = 50, threads: int | None = None) -> Clusters:
    """Cluster points by Lloyd's algorithm.

    Starts from the first k distinct points, so the points should come in random order. The nearest centre is that of
    `rsir_fast.euclidean_topk`: exact, ties to the smaller index. Sums are of float64 in the order of the points, and
    exact for points of whole numbers. A centre without points moves to the point farthest from its own centre.

    Parameters
    ----------
    points : ndarray
        Float32 [n, d].
    k : int
        Number of clusters.
    iterations : int
        At most so many assignments.
    threads : int, optional
        As in `rsir_fast.euclidean_topk`. Never changes a bit.

    Returns
    -------
    Clusters

    Raises
    ------
    DatasetError
        If there are fewer than k distinct points.

    Notes
    -----
    Lloyd S. P. (1982), Least squares quantization in PCM. O(n k d) time an iteration, of which the search takes the
    lower precision that suffices; O(n + k d) memory beside the points.

    Examples
    --------
    >>> found = kmeans(np.array([[0], [10], [1], [11]], np.float32), 2)
    >>> found.centres.tolist(), found.mean_squared_distance
    ([[0.5], [10.5]], 0.25)
    """
    centres = _first_distinct(points, k)
    before = np.inf
    for iteration in range(1, iterations + 1):
        squared, ids = nearest(points, centres, threads)
        error = float(squared.mean(dtype=np.float64))
        if error >= before * (1 - TOLERANCE) or iteration == iterations:
            break
        before = error
        counts = np.bincount(ids, minlength=k)
        sums = np.stack([np.bincount(ids, weights=column, minlength=k) for column in points.T], axis=1)  # [k, d]
        centres = (sums / np.maximum(counts, 1)[:, None]).astype(np.float32)
        empty = np.flatnonzero(counts == 0)
        if len(empty):
            centres[empty] = points[np.argsort(-squared, kind="stable")[: len(empty)]]
    return Clusters(centres, iteration, error)


def nearest(
    points: NDArray[np.float32], centres: NDArray[np.float32] | Database, threads: int | None = None
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return squared distance, float32 [n], and index, int64 [n], of each point's nearest centre.

    Examples
    --------
    >>> nearest(np.array([[1.0, 0.0]], np.float32), np.array([[9.0, 0.0], [0.0, 0.0]], np.float32))
    (array([1.], dtype=float32), array([1]))
    """
    squared, ids = euclidean_topk(points, centres, 1, threads=threads)
    return squared[:, 0], ids[:, 0]


def _first_distinct(points: NDArray[np.float32], k: int) -> NDArray[np.float32]:
    seen: set[bytes] = set()
    chosen: list[int] = []
    for number, point in enumerate(points):
        if len(chosen) == k:
            break
        key = point.tobytes()
        if key not in seen:
            seen.add(key)
            chosen.append(number)
    if len(chosen) < k:
        raise DatasetError(
            f"expected at least {k} distinct local descriptors, to make {k} clusters, found {len(chosen)}; "
            "take fewer words or more images"
        )
    return points[chosen].copy()
