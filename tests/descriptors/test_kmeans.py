from __future__ import annotations

import numpy as np
import pytest

from op_support import same_bits
from rsir_fast.descriptors.kmeans import kmeans, nearest
from rsir_fast.errors import DatasetError


def blobs(seed=0, centres=5, each=200, width=16):
    rng = np.random.default_rng(seed)
    middle = rng.integers(0, 256, (centres, width))
    points = np.concatenate([rng.integers(-4, 5, (each, width)) + at for at in middle]).astype(np.float32)
    return middle.astype(np.float32), points[rng.permutation(len(points))]


def lloyd(points, centres, iterations):
    """The textbook, in float64; no empty clusters, no early end."""
    for _ in range(iterations):
        distances = ((points[:, None].astype(np.float64) - centres[None]) ** 2).sum(axis=2)
        ids = distances.argmin(axis=1)
        centres = np.stack([points[ids == k].astype(np.float64).mean(axis=0) for k in range(len(centres))])
        centres = centres.astype(np.float32)
    return centres


def test_it_is_lloyds_algorithm():
    _, points = blobs(seed=3, centres=4)
    for iterations in (2, 3):
        found = kmeans(points, 6, iterations=iterations)
        assert found.iterations == iterations
        np.testing.assert_array_equal(found.centres, lloyd(points, points[:6], iterations - 1))


def test_it_ends_where_nothing_moves():
    middle, points = blobs()
    found = kmeans(points, 40, iterations=1000)
    assert found.iterations < 100
    again = lloyd(points, found.centres, 1)
    assert np.abs(again - found.centres).max() < 1.0
    squared, _ = nearest(middle, found.centres)
    assert squared.max() < 16 * 4**2


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_change_no_bit(threads):
    _, points = blobs(centres=9, each=400)
    assert same_bits(kmeans(points, 20, threads=threads).centres, kmeans(points, 20).centres)


def test_no_cluster_stays_empty():
    points = np.array([[0], [1], [2], [1000], [1001], [1002], [5000]], np.float32)
    found = kmeans(points, 3)
    assert sorted(found.centres.ravel().tolist()) == [1.0, 1001.0, 5000.0]
    for seed in range(300):
        points = np.random.default_rng(seed).integers(100, 112, (40, 2)).astype(np.float32)
        found = kmeans(points, 12)
        assert found.centres.min() >= 100, "a centre without points must move to one, not to the origin"


def test_too_few_distinct_points():
    points = np.zeros((100, 3), np.float32)
    points[1] = 1
    assert kmeans(points, 2).mean_squared_distance == 0.0
    with pytest.raises(DatasetError, match="at least 3 distinct local descriptors.*found 2; take fewer words"):
        kmeans(points, 3)
