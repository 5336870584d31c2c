"""Input checks shared by the metrics: each error names what was expected, what came, and the fix."""

from __future__ import annotations

from operator import index

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["as_counts", "as_cutoff", "as_cutoffs", "as_distances", "as_labels", "as_relevance", "check_choice"]


def as_relevance(values: ArrayLike, name: str = "relevant_ranked") -> NDArray[np.bool_]:
    """Give `values` as a bool array [..., n]; integers are taken only where every one is 0 or 1."""
    array = np.asarray(values)
    if array.ndim == 0:
        raise ValueError(f"{name}: expected an array [..., n], got a single value; pass one row per query")
    if array.size == 0 or array.dtype == np.bool_:
        return array.astype(np.bool_, copy=False)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name}: expected bool (or integers 0 and 1), got {array.dtype}; compare labels with == first")
    if array.min() < 0 or array.max() > 1:
        raise ValueError(
            f"{name}: expected only 0 and 1, got values from {array.min()} to {array.max()}; "
            "graded relevance or item ids must be turned into bool first"
        )
    return array.astype(np.bool_)


def as_counts(values: ArrayLike, shape: tuple[int, ...], name: str = "n_relevant") -> NDArray[np.int64]:
    """Give `values` as int64 counts >= 0 of the given shape; a single count is repeated for every query."""
    array = np.asarray(values)
    if array.size and array.dtype.kind not in "iu":
        raise TypeError(f"{name}: expected integers, got {array.dtype}; pass one count per query")
    if array.shape not in ((), shape):
        raise ValueError(f"{name}: expected one count or shape {shape}, got shape {array.shape}; pass one per query")
    if array.size and array.min() < 0:
        raise ValueError(f"{name}: expected counts of 0 or more, got {array.min()}")
    return np.broadcast_to(array, shape).astype(np.int64)


def as_cutoff(value: int | None, name: str = "k") -> int | None:
    """Give one cut-off as an int of 1 or more, or None for none."""
    if value is None:
        return None
    try:
        cutoff = index(value)
    except TypeError:
        raise TypeError(f"{name}: expected one integer of 1 or more, or None, got {value!r}") from None
    if cutoff < 1:
        raise ValueError(f"{name}: expected 1 or more, got {cutoff}; ranks are counted from 1, None means no cut-off")
    return cutoff


def as_cutoffs(values: ArrayLike, name: str = "n") -> NDArray[np.int64]:
    """Give `values` as int64 cut-offs (numbers of returned items), each 1 or more, of their own shape: [] or [p]."""
    array = np.asarray(values)
    if array.size and array.dtype.kind not in "iu":
        raise TypeError(f"{name}: expected integers of 1 or more, got {array.dtype}; ranks are counted from 1")
    if array.ndim > 1:
        raise ValueError(f"{name}: expected one number or a list of them, got shape {array.shape}; flatten it")
    if array.size and array.min() < 1:
        raise ValueError(f"{name}: expected numbers of 1 or more, got {array.min()}; ranks are counted from 1")
    return array.astype(np.int64)


def as_distances(values: ArrayLike, shape: tuple[int, ...], name: str = "distances") -> NDArray[np.generic]:
    """Give `values` as an array of real numbers of the given shape."""
    array = np.asarray(values)
    if array.size and array.dtype.kind not in "iuf":
        raise TypeError(f"{name}: expected integers or floats, got {array.dtype}; convert them first")
    if array.shape != shape:
        raise ValueError(f"{name}: expected the shape of relevant, {shape}, got {array.shape}; pass one for each item")
    return array


def as_labels(values: ArrayLike, name: str, n_classes: int | None = None) -> NDArray[np.int64]:
    """Give `values` as int64 class indices [n], each 0 or more and, where given, below `n_classes`."""
    array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"{name}: expected class indices [n], got shape {array.shape}; pass one label per image")
    if array.size and array.dtype.kind not in "iu":
        raise TypeError(f"{name}: expected integer class indices, got {array.dtype}; take the argmax of scores first")
    if array.size and array.min() < 0:
        raise ValueError(f"{name}: expected class indices of 0 or more, got {array.min()}; leave out unlabelled images")
    if n_classes is not None and array.size and array.max() >= n_classes:
        raise ValueError(f"{name}: expected indices below {n_classes} (one per class), got {array.max()}")
    return array.astype(np.int64)


def check_choice(value: object, choices: tuple[str, ...], name: str) -> None:
    """Raise ValueError unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(f"{name}: expected one of {', '.join(map(repr, choices))}, got {value!r}")
