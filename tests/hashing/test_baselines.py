"""Unsupervised hash functions: what their papers promise, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

import rsir_fast as rf
from rsir_fast.hashing.baselines import iterative_quantization, random_projection

DIM, BITS = 48, 16


def clustered(n: int = 240, seed: int = 0):
    """Float32 features and labels: eight broad clusters, far off the origin."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 8
    centres = np.random.default_rng(99).standard_normal((8, DIM))
    return (3 + centres[labels] + 0.9 * rng.standard_normal((n, DIM))).astype(np.float32), labels


def mean_ap(u, labels) -> float:
    codes = rf.pack_codes(u)
    values = []
    for start, distances, ids in rf.rank_database(codes, codes, metric="hamming", bits=u.shape[1]):
        own = np.arange(start, start + len(ids))
        others = ids != own[:, None]
        relevant = (labels[ids] == labels[own][:, None])[others].reshape(len(ids), -1)
        values.append(rf.metrics.expected_average_precision(distances[others].reshape(len(ids), -1), relevant))
    return float(np.concatenate(values).mean())


def test_itq_loses_less_with_every_alternation():
    features, _ = clustered()
    losses = np.array(iterative_quantization(features, BITS).losses)
    assert len(losses) == 51
    assert (np.diff(losses) <= 1e-9 * losses[0]).all()
    assert losses[-1] < 0.97 * losses[0]


def test_itq_rotates_the_principal_directions():
    features, _ = clustered()
    itq = iterative_quantization(features, BITS)
    np.testing.assert_allclose(itq.projection.T @ itq.projection, np.eye(BITS), atol=1e-12)
    variances = np.linalg.eigvalsh(np.cov(features.T.astype(np.float64), ddof=0))
    assert np.square(itq.project(features)).sum() / len(features) == pytest.approx(variances[-BITS:].sum(), rel=1e-5)
    signs = np.where(itq.project(features) > 0, 1.0, -1.0)
    assert np.square(signs - itq.project(features)).sum() == pytest.approx(itq.losses[-1], rel=1e-5)


def test_itq_retrieves_better_than_random_projection():
    features, labels = clustered()
    found = [
        np.mean([mean_ap(fit(features, BITS, seed=seed).project(features), labels) for seed in range(3)])
        for fit in (iterative_quantization, random_projection)
    ]
    assert found[0] > found[1] + 0.05
    assert found[1] > 0.2  # of 1/8 by chance: the mean is taken off


def test_random_projection_tells_angles():
    rng = np.random.default_rng(1)
    features = rng.standard_normal((200, DIM))
    lsh = random_projection(features, 1024)
    bits = lsh.project(features) > 0
    centred = features - features.mean(0)
    units = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    angles = np.arccos(np.clip(units[0] @ units[1:].T, -1, 1)) / np.pi
    np.testing.assert_allclose((bits[0] != bits[1:]).mean(1), angles, atol=0.07)


@pytest.mark.parametrize("fit", [iterative_quantization, random_projection])
def test_the_seed_decides(fit):
    features, _ = clustered()
    once, again, other = (fit(features, BITS, seed=seed) for seed in (4, 4, 5))
    assert np.array_equal(once.projection, again.projection)
    assert not np.allclose(once.projection, other.projection)
    u = once.project(features)
    assert (u.dtype, u.shape, once.bits) == (np.float32, (240, BITS), BITS)


def test_the_first_directions_are_the_same_for_ever():
    lsh = random_projection(np.zeros((1, 1)), 8, seed=0)
    np.testing.assert_allclose(lsh.projection[0, :3], [1.764052345967664, 0.4001572083672233, 0.9787379841057392])


def test_itq_says_how_many_bits_it_can_give():
    features, _ = clustered(30)
    iterative_quantization(features, 29)
    with pytest.raises(ValueError, match="bits: ITQ expects at most 29, .* 30 features, got 30"):
        iterative_quantization(features, 30)
    twice = np.hstack([features[:, :10]] * 4)
    with pytest.raises(ValueError, match="bits: ITQ expects at most 10, "):
        iterative_quantization(twice, 11)
    random_projection(features, 64)


@pytest.mark.parametrize("fit", [iterative_quantization, random_projection])
def test_what_is_refused(fit):
    features, _ = clustered()
    for bits in (7, 1025):
        with pytest.raises(ValueError, match=f"bits: expected a hash length of 8 to 1024, got {bits}"):
            fit(features, bits)
    broken = features.copy()
    broken[5, 3] = np.nan
    with pytest.raises(ValueError, match="found NaN or infinity in row 5"):
        fit(broken, BITS)
    with pytest.raises(ValueError, match=r"expected a NumPy matrix \[n, dim\] of floats, got int64"):
        fit(np.zeros((3, 4), np.int64), BITS)
    with pytest.raises(ValueError, match="expected at least one row"):
        fit(features[:0], BITS)
    with pytest.raises(ValueError, match="seed: expected 0 to"):
        fit(features, BITS, seed=-1)
    fitted = fit(features, BITS)
    assert fitted.project(features[:0]).shape == (0, BITS)
    with pytest.raises(ValueError, match=r"expected rows of 48 values, as it was fitted on, got \[240, 47\]"):
        fitted.project(features[:, 1:])
    with pytest.raises(ValueError, match="found NaN or infinity in row 5"):
        fitted.project(broken)
