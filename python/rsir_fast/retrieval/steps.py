"""Feature post-processing: a chain of steps, fitted on the database without labels, applied to database and queries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rsir_fast.base.shown import Shown

__all__ = ["L2", "PCA", "Center", "FittedSteps", "Power", "Rows", "Step", "fit_steps", "parse_steps"]

Rows = NDArray[np.float64]
Apply = Callable[[Rows], Rows]

_BLOCK = 128
"""Rows projected at a time, so that a block stays in the cache. Never changes a bit."""

_NOTHING = 1e-10
"""A direction with less than this part of the largest variance holds rounding errors only."""


class Step(Protocol):
    """One step: `fit` looks at the database's features and returns what is done to every feature vector."""

    def fit(self, rows: Rows) -> tuple[Apply, dict[str, Any]]:
        """Return the function and what was fitted, in figures for a report; rows are float64 [n, dim]."""
        ...


@dataclass(frozen=True)
class Power:
    """Power normalisation, signed: sign(f) |f|^exponent for every element f.

    It dampens bursts: few elements that outweigh all others. Perronnin, Sánchez, Mensink: Improving the Fisher kernel
    for large-scale image classification, ECCV 2010. Exponent 0.5 is the signed root.
    """

    exponent: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.exponent <= 1:
            raise ValueError(f"power: expected an exponent over 0, at most 1, got {self.exponent:g}")

    def fit(self, rows: Rows) -> tuple[Apply, dict[str, Any]]:
        """Nothing is fitted."""
        # The root is correctly rounded everywhere; a general power is as good as the C library's.
        root = self.exponent == 0.5
        return lambda x: np.copysign(np.sqrt(np.abs(x)) if root else np.abs(x) ** self.exponent, x), {}

    def __str__(self) -> str:
        return f"power:{self.exponent:g}"


@dataclass(frozen=True)
class L2:
    """Scale every vector to length 1; a vector of zeros stays as it is.

    Euclidean distance then ranks as the cosine does: ||x - y||^2 = 2 (1 - cos(x, y)).
    """

    def fit(self, rows: Rows) -> tuple[Apply, dict[str, Any]]:
        """Nothing is fitted."""
        return _unit, {}

    def __str__(self) -> str:
        return "l2"


@dataclass(frozen=True)
class Center:
    """Subtract the mean of the database's features.

    By itself it changes no Euclidean distance; before `L2` the cosine is measured from the middle of the database.
    Jégou, Chum: Negative evidences and co-occurrences in image retrieval, ECCV 2012.
    """

    def fit(self, rows: Rows) -> tuple[Apply, dict[str, Any]]:
        """Take the mean."""
        mean = rows.mean(axis=0)
        return lambda x: x - mean, {}

    def __str__(self) -> str:
        return "center"


@dataclass(frozen=True)
class PCA:
    """Project onto the `dims` directions of largest variance of the database's features, whose mean is subtracted.

    With `whiten` every direction is scaled to variance 1 over the database (population variance). Jégou, Chum, ECCV
    2012. Directions of zero variance cannot be whitened and are refused.

    Notes
    -----
    Fit: eigenvectors of the covariance, O(n dim^2 + dim^3), or, for fewer items than dimensions, of the matrix of inner
    products, O(n^2 dim + n^3), by LAPACK: the last bits of the directions may differ between machines. Of the two signs
    of a direction the one is taken that makes its largest element positive. Projection: O(dim dims) a vector, summed in
    the order of the elements, so that a vector's bits do not depend on what is projected with it.
    """

    dims: int
    whiten: bool = False

    def __post_init__(self) -> None:
        if self.dims < 1:
            raise ValueError(f"{self._name}: expected at least 1 dimension, got {self.dims}")

    @property
    def _name(self) -> str:
        return "whiten" if self.whiten else "pca"

    def fit(self, rows: Rows) -> tuple[Apply, dict[str, Any]]:
        """Find the directions; raises ValueError where there are not so many."""
        n, dim = rows.shape
        if self.dims > min(n, dim):
            raise ValueError(
                f"{self}: expected at most {min(n, dim)} dimensions for {n} items of {dim} values, got {self.dims}"
            )
        mean = rows.mean(axis=0)
        variances, directions = _principal(rows - mean)
        kept, total = variances[: self.dims], float(variances.sum())
        axes = np.ascontiguousarray(directions[:, : self.dims])
        if self.whiten:
            usable = int((variances > _NOTHING * max(variances[0], 0.0)).sum())
            if self.dims > usable:
                raise ValueError(
                    f"{self}: expected at most {usable} dimensions, as the features vary in no more, got {self.dims}"
                )
            axes /= np.sqrt(kept)
        share = float(kept.sum()) / total if total > 0 else 1.0
        return lambda x: _projected(x - mean, axes), {"variance_kept": round(share, 6)}

    def __str__(self) -> str:
        return f"{self._name}:{self.dims}"


@dataclass(frozen=True, repr=False)
class FittedSteps(Shown):
    """A chain fitted on a database.

    Attributes
    ----------
    steps : tuple of Step
    figures : dict
        JSON-able: what was fitted, by step.
    dim : int
        Length of the vectors that go in.
    """

    steps: tuple[Step, ...]
    figures: dict[str, Any]
    dim: int
    _apply: tuple[Apply, ...]

    def _facts(self) -> dict[str, str]:
        return {"steps": ",".join(map(str, self.steps)) or "none", "features": f"of {self.dim:,} values"}

    def transform(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Apply the steps to feature vectors [m, dim], of the database or queries.

        Computed in float64, rounded once to float32 at the end. Each row depends on itself only, bit for bit.

        Raises
        ------
        ValueError
            For vectors of another length.
        """
        if features.ndim != 2 or features.shape[1] != self.dim:
            raise ValueError(
                f"expected feature vectors [m, {self.dim}], as the steps were fitted on, got {list(features.shape)}"
            )
        rows = np.asarray(features, dtype=np.float64)
        for apply in self._apply:
            rows = apply(rows)
        return np.ascontiguousarray(rows, dtype=np.float32)


def fit_steps(steps: str | Sequence[Step], features: NDArray[np.float32]) -> FittedSteps:
    """Fit a chain of steps on the features of a database; no labels are looked at.

    Parameters
    ----------
    steps : str or sequence of Step
        In the order in which they are applied; text as for `parse_steps`.
    features : array, float32 [n, dim]

    Returns
    -------
    FittedSteps

    Raises
    ------
    ValueError
        If a step is unknown or cannot be fitted, or a feature is not finite.

    Notes
    -----
    Three float64 copies of the features at a time.

    Examples
    --------
    >>> database = np.array([[3, 4], [0, 2], [5, 12]], np.float32)
    >>> fit_steps("l2", database).transform(database[:2]).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 1.0]]
    """
    chain = parse_steps(steps) if isinstance(steps, str) else tuple(steps)
    broken = int((~np.isfinite(features).all(axis=1)).sum())
    if broken and chain:
        raise ValueError(
            f"steps: expected finite features, but {broken} of {len(features)} rows have NaN or infinity; "
            "leave those images out, or evaluate without steps"
        )
    if chain and not len(features):
        raise ValueError("steps: expected a database to fit them on, got no features")
    rows, applied, figures = np.asarray(features, dtype=np.float64), [], {}
    for number, step in enumerate(chain, start=1):
        apply, found = step.fit(rows)
        rows = apply(rows)
        applied.append(apply)
        if found:
            figures[f"{number} {step}"] = found
    return FittedSteps(chain, figures, int(features.shape[1]), tuple(applied))


def parse_steps(text: str) -> tuple[Step, ...]:
    """Read a chain of steps from text: names, parted by commas, with their setting behind a colon.

    ``power[:EXPONENT]``, ``l2``, ``center``, ``pca:DIMS``, ``whiten:DIMS`` (PCA whitening); ``cosine`` is ``l2``.

    Raises
    ------
    ValueError
        For a name or setting that is not known.

    Examples
    --------
    >>> [str(step) for step in parse_steps("power, l2, whiten:32, cosine")]
    ['power:0.5', 'l2', 'whiten:32', 'l2']
    """
    return tuple(_step(part.strip()) for part in text.split(",")) if text.strip() else ()


def _step(text: str) -> Step:
    name, colon, value = text.partition(":")
    try:
        if name == "power":
            return Power(float(value)) if colon else Power()
        if name in ("l2", "cosine") and not colon:
            return L2()
        if name == "center" and not colon:
            return Center()
        if name in ("pca", "whiten"):
            return PCA(int(value), whiten=name == "whiten")
    except ValueError as error:
        if "expected" in str(error):
            raise
        raise ValueError(f"steps: expected a number behind the colon, got {text!r}") from None
    raise ValueError(f"steps: expected power[:EXPONENT], l2, cosine, center, pca:DIMS or whiten:DIMS, got {text!r}")


def _unit(x: Rows) -> Rows:
    length = np.sqrt((x * x).sum(axis=1, keepdims=True))
    return x / np.where(length > 0, length, 1.0)


def _principal(centred: Rows) -> tuple[Rows, Rows]:
    """Return variances, decreasing, and directions [dim, min(n, dim)], orthonormal where the variance is not zero."""
    n, dim = centred.shape
    if n >= dim:
        variances, directions = np.linalg.eigh(centred.T @ centred / n)
        variances, directions = variances[::-1], directions[:, ::-1]
    else:
        variances, sides = np.linalg.eigh(centred @ centred.T / n)
        variances, sides = variances[::-1], sides[:, ::-1]
        directions = centred.T @ sides
        length = np.sqrt((directions**2).sum(axis=0))
        # Centred items always leave one direction without variance; scaled up, its rounding errors would look like one.
        some = variances > _NOTHING * max(variances[0], 0.0)
        directions = np.where(some, directions / np.where(some, length, 1.0), 0.0)
    variances = np.maximum(variances, 0.0)
    largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=0)[None], axis=0)
    return variances, directions * np.where(largest < 0, -1.0, 1.0)


def _projected(x: Rows, axes: Rows) -> Rows:
    """Multiply, element after element: a matrix product would sum in an order that depends on the number of rows."""
    result = np.zeros((len(x), axes.shape[1]))
    for start in range(0, len(x), _BLOCK):
        columns = np.ascontiguousarray(x[start : start + _BLOCK].T)
        part, term = result[start : start + _BLOCK], np.empty((columns.shape[1], axes.shape[1]))
        for column, axis in zip(columns, axes, strict=True):
            np.multiply(column[:, None], axis, out=term)
            part += term
    return result
