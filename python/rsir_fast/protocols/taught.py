"""The images that a hash model was trained on, where they are among those that an evaluation asks with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive import Features

__all__ = ["remarks_on_taught", "taught", "trained_queries"]


def taught(made: Mapping[str, Any], items: Sequence[str]) -> NDArray[np.bool_]:
    """Return which items a hash model was trained on, bool [n], by their names.

    Examples
    --------
    >>> taught({"training": {"split": {"train": ["a/1"], "test": []}}}, ("a/1", "a/2")).tolist()
    [True, False]
    """
    learnt = set((made.get("training", {}).get("split") or {}).get("train", ()))
    return np.fromiter((item in learnt for item in items), np.bool_, len(items))


def trained_queries(features: Features, queries: NDArray[np.int64] | None = None) -> int:
    """Return how many queries the model of features was trained on; 0 of features of no hash model.

    Parameters
    ----------
    features : Features
    queries : array, int64 [q], optional
        Their rows. Default: all.
    """
    made = features.provenance.get("hash")
    if made is None:
        return 0
    return int(taught(made, features.items if queries is None else [features.items[row] for row in queries]).sum())


def remarks_on_taught(features: Features, queries: NDArray[np.int64] | None = None) -> tuple[str, ...]:
    """Say how many queries, as of `trained_queries`, the model was trained on; nothing where it was on none."""
    known = trained_queries(features, queries)
    if not known:
        return ()
    return (
        f"{known} of {len(features) if queries is None else len(queries)} queries are images that the model of these "
        "features was trained on: what they find says little of new images",
    )
