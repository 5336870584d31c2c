"""Means and deviations of features, as every engine takes and gives them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["GaussianStatistics", "check_not_empty", "checked"]


class GaussianStatistics(NamedTuple):
    """Mean and population standard deviation of each feature over a database.

    Attributes
    ----------
    mean, std : numpy.ndarray, or torch.Tensor on the device of a CUDA database
        Shape [l], float64.
    """

    mean: Any
    std: Any


def check_not_empty(n: int, d: int) -> None:
    """Raise ValueError for a matrix without rows, which has no mean."""
    if n == 0:
        raise ValueError("features: expected at least one row to take statistics of, got shape " + str([n, d]))


def checked(statistics: GaussianStatistics, d: int, take: Callable[[Any], Any]) -> GaussianStatistics:
    """Return given statistics as `take` makes float64 arrays of them, where the features are."""
    try:
        mean, std = (take(values) for values in statistics)
    except (TypeError, ValueError):
        raise TypeError(
            f"statistics: expected what gaussian_statistics returns, got {type(statistics).__name__}"
        ) from None
    for name, values in (("mean", mean), ("std", std)):
        if tuple(values.shape) != (d,):
            raise ValueError(
                f"statistics.{name}: expected shape [{d}], one value per feature, got {list(values.shape)}; "
                "take them from a database with as many features"
            )
    return GaussianStatistics(mean, std)
