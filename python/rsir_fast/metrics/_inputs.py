"""Input checks shared by the metrics: each error names what was expected, what came, and the fix."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rsir_fast.base.counts import as_count
from rsir_fast.base.numbers import MOST, as_integers, as_numbers

__all__ = [
    "MOST",
    "as_counts",
    "as_cutoff",
    "as_cutoffs",
    "as_distances",
    "as_labels",
    "as_relevance",
    "as_values",
    "check_choice",
]


def as_relevance(values: ArrayLike, name: str = "relevant_ranked") -> NDArray[np.bool_]:
    """Give `values` as a bool array [..., n]; integers are taken only where every one is 0 or 1."""
    array = as_numbers(values, name)
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
    """Give `values` as int64 counts, 0 to 2^53, of the given shape; a single count is repeated for every query."""
    array = as_numbers(values, name)
    if array.shape not in ((), shape):
        raise ValueError(f"{name}: expected one count or shape {shape}, got shape {array.shape}; pass one per query")
    counts = as_integers(array, name, "counts", fix="pass one count per query", least=0, most=MOST)
    return np.broadcast_to(counts, shape).astype(np.int64)


def as_cutoff(value: int | None, name: str = "k") -> int | None:
    """Give one cut-off as an int of 1 or more, or None for none; those beyond every rank are one and the same."""
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and value > MOST:
        return MOST
    try:
        return as_count(value, name, least=1)
    except TypeError:
        raise TypeError(f"{name}: expected one integer of 1 or more, or None, got {value!r}") from None
    except ValueError:
        raise ValueError(
            f"{name}: expected 1 or more, got {value}; ranks are counted from 1, None means no cut-off"
        ) from None


def as_cutoffs(values: ArrayLike, name: str = "n") -> NDArray[np.int64]:
    """Give `values` as int64 cut-offs (numbers of returned items), 1 to 2^53, of their own shape: [] or [p]."""
    array = as_numbers(values, name)
    if array.ndim > 1:
        raise ValueError(f"{name}: expected one number or a list of them, got shape {array.shape}; flatten it")
    return as_integers(
        array, name, "numbers", kind="integers of 1 or more", fix="ranks are counted from 1", least=1, most=MOST
    )


def as_distances(values: ArrayLike, shape: tuple[int, ...], name: str = "distances") -> NDArray[np.generic]:
    """Give `values` as an array of real numbers of the given shape."""
    array = as_numbers(values, name)
    if array.size and array.dtype.kind not in "iuf":
        raise TypeError(f"{name}: expected integers or floats, got {array.dtype}; convert them first")
    if array.shape != shape:
        raise ValueError(f"{name}: expected the shape of relevant, {shape}, got {array.shape}; pass one for each item")
    return array


def as_labels(values: ArrayLike, name: str, n_classes: int | None = None) -> NDArray[np.int64]:
    """Give `values` as int64 class indices [n], each 0 or more and, where given, below `n_classes`."""
    array = as_numbers(values, name)
    if array.ndim != 1:
        raise ValueError(f"{name}: expected class indices [n], got shape {array.shape}; pass one label per image")
    kind, fix = "integer class indices", "take the argmax of scores first, leave out unlabelled images"
    labels = as_integers(array, name, "class indices", kind=kind, fix=fix, least=0)
    if n_classes is not None and labels.size and labels.max() >= n_classes:
        raise ValueError(f"{name}: expected indices below {n_classes} (one per class), got {labels.max()}")
    return labels


def as_values(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """Give `values` as float64 of any shape, NaN where a query has no value; an infinity is no value of a query."""
    array = as_numbers(values, name)
    if array.size and array.dtype.kind not in "iuf":
        raise TypeError(f"{name}: expected floats, one a query, got {array.dtype}; use NaN for a query without a value")
    found = array.astype(np.float64)
    if np.isinf(found).any():
        raise ValueError(
            f"{name}: expected finite values, or NaN for a query without one, got {found[np.isinf(found)][0]} in "
            f"{np.isinf(found).sum()} of {found.size}; look where they come from"
        )
    return found


def check_choice(value: object, choices: tuple[str, ...], name: str) -> None:
    """Raise ValueError unless `value` is one of `choices`."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name}: expected one of {', '.join(map(repr, choices))}, got {value!r}")
