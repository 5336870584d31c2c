"""What features are made of, as an archive or a folder of before holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rsir_fast.base.row_blocks import RowBlocks
from rsir_fast.datasets.skipped import Skipped
from rsir_fast.errors import FeaturesError

__all__ = ["Parts", "fitting_arrays", "fitting_ids", "fitting_labels", "told_empty"]


class Parts(NamedTuple):
    """As of `Features`."""

    arrays: NDArray[np.float32] | RowBlocks | Mapping[str, NDArray[Any] | RowBlocks]
    items: Sequence[str]
    labels: NDArray[np.int64] | None
    classes: tuple[str, ...]
    name: str
    root: Path | None
    provenance: dict[str, Any]
    skipped: tuple[Skipped, ...]
    timing: dict[str, Any]
    notes: tuple[str, ...]
    row_ids: NDArray[np.int64] | None = None
    roots: Mapping[str, Path] = {}
    normalize: Literal["row", "none"] = "row"


def fitting_arrays(name: str, arrays: Any, items: Sequence[str]) -> None:
    """Refuse arrays that are none, or not one row an item.

    Raises
    ------
    FeaturesError
    """
    if isinstance(arrays, Mapping):
        return  # as an encoder made them
    if not isinstance(arrays, np.ndarray | RowBlocks) or arrays.ndim != 2 or arrays.dtype != np.float32:
        shape = f"{getattr(arrays, 'dtype', '')} {list(getattr(arrays, 'shape', []))}"
        raise FeaturesError(
            f"features of {name}: expected a NumPy float32 matrix [n, dim], got {type(arrays).__name__} {shape}"
        )
    if len(items) != len(arrays):
        raise FeaturesError(f"features of {name}: expected {len(arrays)} items, one per row, got {len(items)}")


def fitting_ids(name: str, ids: NDArray[np.int64], items: Sequence[str]) -> NDArray[np.int64]:
    """Return the ids of rows.

    Raises
    ------
    FeaturesError
        If they are not one different number a row.
    """
    found = np.asarray(ids)
    if (
        found.shape != (len(items),)
        or (found.dtype.kind not in "iu" and len(items))
        or not ((np.diff(found) > 0).all() or len(np.unique(found)) == len(found))
    ):
        raise FeaturesError(
            f"features of {name}: expected {len(items)} different ids, one a row, got {found.dtype} {list(found.shape)}"
        )
    return found.astype(np.int64, copy=False)


def fitting_labels(name: str, labels: Any, items: Sequence[str], classes: tuple[str, ...]) -> Any:
    """Return the labels as int64, or None, that fit items and classes.

    Raises
    ------
    FeaturesError
        If they do not.
    """
    if labels is None:
        return None
    n, labels = len(items), np.asarray(labels)
    fits = labels.shape == (n,) and (labels.dtype.kind in "iu" or n == 0)
    if not fits or (n and (labels.min() < 0 or labels.max() >= len(classes))):
        raise FeaturesError(
            f"features of {name}: expected {n} integer labels, 0 to {len(classes) - 1} for {len(classes)} classes, "
            f"got {labels.dtype} {list(labels.shape)}"
            + (f" from {labels.min()} to {labels.max()}" if labels.size else "")
        )
    return labels.astype(np.int64, copy=False)


def told_empty(count: int) -> tuple[str, ...]:
    """Say how many items show nothing; nothing where none does.

    Examples
    --------
    >>> told_empty(2), told_empty(0)
    (('2 tiles left out: too much of them has no data',), ())
    """
    return (f"{count} tile{'' if count == 1 else 's'} left out: too much of them has no data",) if count else ()
