"""The hash that keeps cosines: its gradient, its rule in plain NumPy, and classes that it has not seen."""

from __future__ import annotations

import numpy as np
import pytest

from rsir_fast.hashing.baselines import TooManyBitsError, iterative_quantization
from rsir_fast.hashing.cosine_preserving import _loss, cosine_preserving


def plain_loss(x, other, weights, target):
    u, v = np.tanh(x @ weights), np.tanh(other @ weights)
    pairs = [(u[i] @ v[j] / u.shape[1] - target[i, j]) ** 2 for i in range(len(x)) for j in range(len(x))]
    return 10 * np.mean(pairs) + 0.1 * np.mean((np.abs(u) - 1) ** 2) + 0.1 * np.mean([k.mean() ** 2 for k in u.T])


def test_loss_and_gradient_against_differences():
    rng = np.random.default_rng(0)
    x, y, weights, target = (rng.normal(size=size) for size in ((5, 4), (5, 4), (4, 3), (5, 5)))
    loss, gradient = _loss(x, y, weights, target)
    assert loss == pytest.approx(plain_loss(x, y, weights, target))
    for place in np.ndindex(weights.shape):
        step = np.zeros_like(weights)
        step[place] = 1e-6
        slope = (plain_loss(x, y, weights + step, target) - plain_loss(x, y, weights - step, target)) / 2e-6
        assert gradient[place] == pytest.approx(slope, rel=1e-5, abs=1e-8)


def test_products_of_codes_come_near_the_cosines():
    rng = np.random.default_rng(1)
    labels = np.repeat(np.arange(6), 15)
    features = (rng.normal(size=(90, 20)) + 3 * rng.normal(size=(6, 20))[labels]).astype(np.float32)
    centred = features - features.mean(0, dtype=np.float64)
    unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    target = 0.8 * (unit @ unit.T) + 0.2 * (labels[:, None] == labels)

    def apart(u):
        signs = np.where(u > 0, 1.0, -1.0)
        return np.square(signs @ signs.T / 16 - target).mean()

    fitted = cosine_preserving(features, labels, 16, seed=3)
    assert apart(fitted.project(features)) < apart(iterative_quantization(features, 16, seed=3).project(features))
    again = cosine_preserving(features * np.float32(8), labels, 16, seed=3)  # whatever the scale of the features
    assert np.array_equal(fitted.project(features) > 0, again.project(features * np.float32(8)) > 0)
    turned = np.stack([features, features[:, ::-1]], axis=1)
    assert cosine_preserving(turned, labels, 16, seed=3).projection.shape == (20, 16)
    assert not np.array_equal(fitted.projection, cosine_preserving(features, labels, 16, seed=4).projection)


def test_what_is_refused():
    features, labels = np.random.default_rng(2).normal(size=(12, 20)), np.arange(12)
    for settings, message in [
        ({"label_weight": 1.5}, "label_weight: expected 0 to 1, got 1.5"),
        ({"epochs": 0}, "epochs: expected at least 1, got 0"),
        ({"labels": labels[:3]}, r"labels: expected 12, one a row of the features, got shape \(3,\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            cosine_preserving(features, **{"labels": labels, "bits": 8, **settings})
    with pytest.raises(TooManyBitsError, match="the hash expects at most 11, the directions of 12 features"):
        cosine_preserving(features, labels, 12)
