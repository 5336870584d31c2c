"""A linear hash that learns labels and keeps the features' geometry, for classes that it has not been trained on."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rsir_fast.hashing.baselines import LinearHash, principal_rotation

__all__ = ["cosine_preserving"]

EPOCHS = 64
BATCH = 256
RATE = 2e-3
BINARY = 0.1
"""Weight of the distance of the values from binary."""

BALANCE = 0.1
"""Weight of the mean of each value, which is 0 where a bit halves the images."""

SPREAD = 20.0
"""Root mean square length of the centred features, whatever their own scale is."""


def cosine_preserving(
    features: NDArray[np.floating],
    labels: NDArray[np.integer],
    bits: int,
    *,
    seed: int = 0,
    label_weight: float = 0.2,
    epochs: int = EPOCHS,
) -> LinearHash:
    """Fit codes whose inner products are cosines of the features, moved a little towards the labels.

    With m the mean feature, ``u_i = tanh(W^T (x_i - m))``, and v_i the same of another turn of the image where there
    are turns, Adam minimises over batches::

        10 mean_ij (u_i . v_j / b - t_ij)^2 + 0.1 mean (|u| - 1)^2 + 0.1 mean_k (mean_i u_ik)^2
        t_ij = (1 - w) cos(x_i - m, x_j - m) + w [y_i = y_j],  t_ii = 1

    from the principal directions on, rotated at random. A hash that learns classes alone maps images of other classes
    onto those that it knows; the cosines keep what tells them apart. Chosen on classes drawn by seeds from 100 on.

    Parameters
    ----------
    features : array, float [n, dim] or [n, turns, dim]
        Of the training images, or of several turns of each, the first as it is: cosines are of these.
    labels : array, int [n]
        Their classes.
    bits : int
        Hash length, 8 to 1024, and at most the directions that the features span, as of ITQ.
    seed : int
        Of the first rotation and the batches, 0 to 2^32 - 1.
    label_weight : float
        w, 0 to 1.
    epochs : int
        Passes over the images, in batches of 256.

    Returns
    -------
    LinearHash

    Raises
    ------
    ValueError
        If a value is out of range, or the features are empty or not finite, or labels do not fit.

    Notes
    -----
    O(epochs n (dim + 256) bits), in float64. Inner products of codes as in W. Liu et al., "Supervised hashing with
    kernels", CVPR 2012, there fitted to labels alone.

    Examples
    --------
    >>> rng = np.random.RandomState(0)
    >>> labels = np.arange(40) // 10
    >>> features = rng.standard_normal((40, 12)) + 2 * np.eye(12)[labels]
    >>> fitted = cosine_preserving(features, labels, 8)
    >>> fitted.bits, fitted.losses[-1] < fitted.losses[0]
    (8, True)
    """
    if not 0 <= label_weight <= 1:
        raise ValueError(f"label_weight: expected 0 to 1, got {label_weight}")
    if epochs < 1:
        raise ValueError(f"epochs: expected at least 1, got {epochs}")
    if features.ndim not in (2, 3):
        raise ValueError(f"features: expected [n, dim] or [n, turns, dim], got {list(features.shape)}")
    turned = features.reshape(len(features), -1, features.shape[-1])
    plain, turns = np.ascontiguousarray(turned[:, 0]), turned.shape[1]
    mean, first = principal_rotation(plain, bits, seed, "the hash")
    if labels.shape != (len(plain),):
        raise ValueError(f"labels: expected {len(plain)}, one a row of the features, got shape {labels.shape}")
    centred = plain - mean
    scale = SPREAD / math.sqrt(float(np.square(centred).sum(1).mean()))
    weights = first / (centred @ first * scale).std()
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    unit = centred / np.where(lengths > 0, lengths, 1)
    moments = np.zeros((2, *weights.shape))
    draw = np.random.RandomState(seed)
    batches = -(-len(plain) // BATCH)
    losses = []
    for epoch in range(epochs):
        order, loss = draw.permutation(len(plain)), 0.0
        for number, rows in enumerate(np.array_split(order, batches)):
            step = epoch * batches + number
            rate = RATE * 0.5 * (1 + math.cos(math.pi * step / (epochs * batches)))
            same = labels[rows, None] == labels[rows]
            target = (1 - label_weight) * (unit[rows] @ unit[rows].T) + label_weight * same
            np.fill_diagonal(target, 1.0)
            one, other = ((turned[rows, draw.randint(turns, size=len(rows))] - mean) * scale for _ in range(2))
            found, gradient = _loss(one, other, weights, target)
            loss += found * len(rows) / len(plain)
            moments[0] += 0.1 * (gradient - moments[0])
            moments[1] += 0.001 * (gradient * gradient - moments[1])
            steady = np.sqrt(moments[1] / (1 - 0.999 ** (step + 1))) + 1e-8
            weights = weights - rate * moments[0] / (1 - 0.9 ** (step + 1)) / steady
        losses.append(loss)
    return LinearHash(mean, weights, tuple(losses))


def _loss(
    one: NDArray[np.float64], other: NDArray[np.float64], weights: NDArray[np.float64], target: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64]]:
    """Return the loss of a batch in two draws of turns, and its gradient in the weights [dim, bits]."""
    u, v = np.tanh(one @ weights), np.tanh(other @ weights)
    n, bits = u.shape
    apart, binary, balance = u @ v.T / bits - target, np.abs(u) - 1, u.mean(0)
    loss = 10 * np.square(apart).mean() + BINARY * np.square(binary).mean() + BALANCE * np.square(balance).mean()
    slope = 20 * (apart @ v) / (bits * n * n) + 2 * (BINARY * binary * np.sign(u) + BALANCE * balance) / u.size
    back = 20 * (apart.T @ u) / (bits * n * n)
    return float(loss), one.T @ (slope * (1 - u * u)) + other.T @ (back * (1 - v * v))
