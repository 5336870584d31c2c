"""Hash functions that learn from features alone, without labels: what a trained network has to beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsir_fast.base.shown import Shown
from rsir_fast.encoders.hash_training import MAX_BITS, MIN_BITS

__all__ = ["LinearHash", "iterative_quantization", "random_projection"]

ITERATIONS = 50
"""Alternations of ITQ, as in the paper."""

_ROWS = 4096


class TooManyBitsError(ValueError):
    """More bits were asked for than the features have directions."""


@dataclass(frozen=True, eq=False, repr=False)
class LinearHash(Shown):
    """A hash function fitted on features: subtract a mean, project, take signs.

    Attributes
    ----------
    mean : array, float64 [dim]
    projection : array, float64 [dim, bits]
    losses : tuple of float
        For ITQ the quantisation error before its first alternation and after each: it never rises. Of what else is
        learnt in rounds, the mean loss of each.
    """

    mean: NDArray[np.float64]
    projection: NDArray[np.float64]
    losses: tuple[float, ...] = ()

    def _facts(self) -> dict[str, str]:
        learnt = f"{len(self.losses) - 1} rounds" if self.losses else ""
        return {"codes": f"{self.bits} bits", "features": f"of {len(self.mean):,} values", "fitted by": learnt}

    @property
    def bits(self) -> int:
        """Hash length."""
        return int(self.projection.shape[1])

    def project(self, features: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the real values whose signs are the bits; `rsir_fast.pack_codes` makes the codes.

        Parameters
        ----------
        features : array, float [m, dim]

        Returns
        -------
        array, float32 [m, bits]

        Raises
        ------
        ValueError
            If the features are of another length, or not finite.
        """
        _check_features(features, len(self.mean))
        u = np.empty((len(features), self.bits), np.float32)
        for start in range(0, len(u), _ROWS):  # the float64 copy of a block only
            u[start : start + _ROWS] = (features[start : start + _ROWS] - self.mean) @ self.projection
        return u


def random_projection(features: NDArray[np.floating], bits: int, *, seed: int = 0) -> LinearHash:
    """Fit signs of random Gaussian projections of the centred features (LSH for angles, Charikar 2002).

    Two vectors disagree in a bit with probability angle / pi; the features serve for their mean only.

    Parameters
    ----------
    features : array, float [n, dim]
        Of the training images.
    bits : int
        Hash length, 8 to 1024.
    seed : int
        Of the directions, 0 to 2^32 - 1: the same ones with every NumPy.

    Returns
    -------
    LinearHash

    Raises
    ------
    ValueError
        If `bits` or `seed` is out of range, or the features are empty or not finite.

    Notes
    -----
    O(n dim + dim bits). M. S. Charikar, "Similarity estimation techniques from rounding algorithms", STOC 2002,
    doi:10.1145/509907.509965.

    Examples
    --------
    >>> features = np.random.RandomState(0).standard_normal((20, 6))
    >>> lsh = random_projection(features, bits=16)
    >>> lsh.bits, lsh.project(features).shape
    (16, (20, 16))
    """
    _check_bits(bits)
    _check_features(features)
    normal = _normal(seed, (features.shape[1], bits))
    return LinearHash(features.mean(0, dtype=np.float64), normal)


def iterative_quantization(
    features: NDArray[np.floating], bits: int, *, seed: int = 0, iterations: int = ITERATIONS
) -> LinearHash:
    """Fit ITQ (Gong et al. 2013): the principal directions, rotated so that signs lose as little as possible.

    With V the centred features in their first `bits` principal directions, B = sign(V R) and the rotation R that
    minimises ``||B - V R||^2`` are found in turn, from a random rotation on.

    Parameters
    ----------
    features : array, float [n, dim]
        Of the training images.
    bits : int
        Hash length, 8 to 1024, and at most the directions that the features span, never more than min(dim, n - 1).
    seed : int
        Of the first rotation, 0 to 2^32 - 1: the same one with every NumPy.
    iterations : int
        Alternations, at least 1.

    Returns
    -------
    LinearHash

    Raises
    ------
    ValueError
        If `bits`, `seed` or `iterations` is out of range, or the features are empty or not finite.

    Notes
    -----
    O(n dim min(n, dim) + iterations n bits^2), in float64. Y. Gong, S. Lazebnik, A. Gordo, F. Perronnin, "Iterative
    quantization: a Procrustean approach to learning binary codes for large-scale image retrieval", IEEE TPAMI 35(12),
    2013, doi:10.1109/TPAMI.2012.193.

    Examples
    --------
    >>> features = np.random.RandomState(0).standard_normal((40, 12))
    >>> itq = iterative_quantization(features, bits=8)
    >>> itq.project(features).shape, itq.losses[-1] < itq.losses[0]
    ((40, 8), True)
    >>> iterative_quantization(features[:8], bits=8)
    Traceback (most recent call last):
    ...
    rsir_fast.hashing.baselines.TooManyBitsError: bits: ITQ expects at most 7, the directions of 8 features, got 8
    """
    if iterations < 1:
        raise ValueError(f"iterations: expected at least 1, got {iterations}")
    mean, directions = principal_directions(features, bits, "ITQ")
    values = (features - mean) @ directions
    rotation = _rotation(_normal(seed, (bits, bits)))
    losses = [_loss(values @ rotation)]
    for _ in range(iterations):
        left, _, right = np.linalg.svd(values.T @ _signs(values @ rotation))
        rotation = left @ right
        losses.append(_loss(values @ rotation))
    return LinearHash(mean, directions @ rotation, tuple(losses))


def principal_rotation(
    features: NDArray[np.floating], bits: int, seed: int, method: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean feature [dim], and the first directions of `principal_directions` rotated at random.

    Raises
    ------
    ValueError
        If a value is out of range, or the features are empty, not finite, or span fewer directions.
    """
    mean, directions = principal_directions(features, bits, method)
    return mean, directions @ _rotation(_normal(seed, (bits, bits)))


def principal_directions(
    features: NDArray[np.floating], bits: int, method: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean feature [dim], and the directions [dim, bits] in which the features spread most.

    Raises
    ------
    ValueError
        As `principal_rotation`.
    """
    _check_bits(bits)
    _check_features(features)
    mean = features.mean(0, dtype=np.float64)
    principal = _principal_directions(features - mean)
    if bits > principal.shape[1]:
        raise TooManyBitsError(
            f"bits: {method} expects at most {principal.shape[1]}, the directions of {len(features)} features, "
            f"got {bits}"
        )
    return mean, principal[:, :bits]


def _principal_directions(centred: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return those that the rows span as columns [dim, rank], the largest first, each with its largest entry > 0."""
    _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
    noise = sizes.max() * max(centred.shape) * np.finfo(np.float64).eps
    rank = min(int((sizes > noise).sum()), len(centred) - 1)
    found: NDArray[np.float64] = directions[:rank].T
    largest = np.abs(found).argmax(0)
    return np.asarray(found * np.sign(found[largest, np.arange(rank)]))  # LAPACKs differ in the signs


def _rotation(normal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the orthogonal factor whose triangular factor has a positive diagonal: it is unique."""
    orthogonal, triangular = np.linalg.qr(normal)
    return np.asarray(orthogonal * np.sign(np.diag(triangular)))


def _signs(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(values > 0, 1.0, -1.0)


def _loss(values: NDArray[np.float64]) -> float:
    return float(np.square(_signs(values) - values).sum())


def _normal(seed: int, shape: tuple[int, int]) -> NDArray[np.float64]:
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed: expected 0 to {2**32 - 1}, got {seed}")
    # The stream of RandomState is frozen; that of default_rng may change with NumPy.
    drawn: NDArray[np.float64] = np.random.RandomState(seed).standard_normal(shape)
    return drawn


def _check_bits(bits: int) -> None:
    if not MIN_BITS <= bits <= MAX_BITS:
        raise ValueError(f"bits: expected a hash length of {MIN_BITS} to {MAX_BITS}, got {bits}")


def _check_features(features: NDArray[np.floating], dim: int | None = None) -> None:
    shape, kind = list(np.shape(features)), getattr(features, "dtype", type(features).__name__)
    if not isinstance(features, np.ndarray) or features.ndim != 2 or features.dtype.kind != "f":
        raise ValueError(f"features: expected a NumPy matrix [n, dim] of floats, got {kind} {shape}")
    if 0 in shape and dim is None:
        raise ValueError(f"features: expected at least one row and one column, got {shape}")
    if dim is not None and shape[1] != dim:
        raise ValueError(f"features: expected rows of {dim} values, as it was fitted on, got {shape}")
    if not np.isfinite(features).all():
        row = int(np.flatnonzero(~np.isfinite(features).all(1))[0])
        raise ValueError(f"features: expected finite values, found NaN or infinity in row {row}; leave such rows out")
