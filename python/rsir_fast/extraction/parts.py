"""What a feature matrix is made of, and whether the parts fit together."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rsir_fast.datasets import Skipped
from rsir_fast.errors import FeaturesError

__all__ = ["Parts", "fitting_labels"]


class Parts(NamedTuple):
    """What `Features` are made of, as a run makes them or a folder holds them."""

    table: NDArray[np.float32]
    items: tuple[str, ...]
    labels: NDArray[np.int64] | None
    classes: tuple[str, ...]
    name: str
    root: Path | None
    provenance: dict[str, Any]
    skipped: tuple[Skipped, ...]
    timing: dict[str, Any]
    notes: tuple[str, ...]


def fitting_labels(name: str, matrix: Any, items: tuple[str, ...], labels: Any, classes: tuple[str, ...]) -> Any:
    """Return the labels as int64, or None, of parts that fit together.

    Parameters
    ----------
    name, matrix, items, labels, classes
        As in `Features`.

    Raises
    ------
    FeaturesError
        If they do not.
    """
    if not isinstance(matrix, np.ndarray) or matrix.ndim != 2 or matrix.dtype != np.float32:
        shape = f"{getattr(matrix, 'dtype', '')} {list(getattr(matrix, 'shape', []))}"
        raise FeaturesError(
            f"features of {name}: expected a NumPy float32 matrix [n, dim], got {type(matrix).__name__} {shape}"
        )
    n = len(matrix)
    if len(items) != n:
        raise FeaturesError(f"features of {name}: expected {n} items, one per row, got {len(items)}")
    if labels is None:
        return None
    labels = np.asarray(labels)
    fits = labels.shape == (n,) and (labels.dtype.kind in "iu" or n == 0)
    if not fits or (n and (labels.min() < 0 or labels.max() >= len(classes))):
        raise FeaturesError(
            f"features of {name}: expected {n} integer labels, 0 to {len(classes) - 1} for {len(classes)} classes, "
            f"got {labels.dtype} {list(labels.shape)}"
            + (f" from {labels.min()} to {labels.max()}" if labels.size else "")
        )
    return labels.astype(np.int64, copy=False)
