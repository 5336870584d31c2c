"""What a search for the nearest items returns: two fields for ever, so that ``distances, ids = ...`` stays."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

__all__ = ["EuclideanTopK", "HammingTopK", "is_exporting"]


class EuclideanTopK(NamedTuple):
    """The nearest rows of every query.

    Attributes
    ----------
    squared : array, shape [q, k], float32
        **Squared** Euclidean distances, increasing.
    ids : array, shape [q, k], int64
        Rows; equal distances are ordered by id. -1 where there are no more.
    """

    squared: Any
    ids: Any


class HammingTopK(NamedTuple):
    """The nearest codes of every query.

    Attributes
    ----------
    distances : array, shape [q, k], int32
        Numbers of differing bits, increasing.
    ids : array, shape [q, k], int64
        Codes; equal distances are ordered by id. -1 where there are no more.
    """

    distances: Any
    ids: Any


def is_exporting() -> bool:
    """Whether torch.export traces the call: it saves plain tuples, which load where rsir_fast's types are unknown."""
    torch = sys.modules["torch"]
    told = getattr(torch.compiler, "is_exporting", None)  # torch 2.7
    return bool(told()) if told is not None else True
