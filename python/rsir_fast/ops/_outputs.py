"""The arrays that a caller gives for an answer."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from rsir_fast.ops._arrays import is_torch

__all__ = ["delivered", "given_answer", "host_views"]

NAMES = ("out[0] (distances)", "out[1] (ids)")


def given_answer(out: Any, inputs: tuple[Any, Any], k: int, dtype: str) -> tuple[Any, Any] | None:
    """Check what a caller gives as ``out`` and return it, without gradients.

    Parameters
    ----------
    inputs
        Queries, whose kind and device the two must have, and database.

    Raises
    ------
    TypeError, ValueError
        They are no pair of contiguous, writable arrays [q, k] of `dtype` and int64 in memory of their own.
    """
    if out is None:
        return None
    if not isinstance(out, (tuple, list)) or len(out) != 2:
        raise TypeError(f"out: expected a pair (distances, ids), got {type(out).__name__}")
    queries = inputs[0]
    taken = [span for span in map(_span, inputs) if span is not None]
    views = []
    for name, array, wanted in zip(NAMES, out, (dtype, "int64"), strict=True):
        expected, found = (f"{wanted} {_kind(queries)}", f"{_dtype(array)} {_kind(array)}".strip())
        if found != expected:
            raise TypeError(f"{name}: expected {expected}, got {found}")
        if list(array.shape) != [queries.shape[0], k]:
            raise ValueError(f"{name}: expected shape {[queries.shape[0], k]}, got {list(array.shape)}")
        view = array.detach() if is_torch(array) else array
        whole = view.is_contiguous() if is_torch(view) else view.flags.c_contiguous and view.flags.writeable
        if not whole:
            raise ValueError(f"{name}: expected contiguous memory that can be written")
        first, end = _span(array) or (0, 0)
        if any(first < other_end and other_first < end for other_first, other_end in taken):
            raise ValueError(f"{name}: expected memory of its own, got some of the queries, the database or the answer")
        taken.append((first, end))
        views.append(view)
    return views[0], views[1]


def host_views(given: tuple[Any, Any] | None) -> tuple[Any, Any] | None:
    """Return the two as NumPy arrays, or None where there are none in host memory."""
    if given is None or any(is_torch(array) and array.device.type != "cpu" for array in given):
        return None
    distances, ids = (array.numpy() if is_torch(array) else array for array in given)
    return distances, ids


def delivered(out: Any, written: tuple[Any, Any] | None, answer: tuple[Any, Any]) -> tuple[Any, Any]:
    """Return `answer`, or the caller's `out` with it: copied unless the kernels have `written` it there."""
    if out is None:
        return answer
    if written is None:
        for target, source in zip(out, answer, strict=True):
            (target.detach() if is_torch(target) else target)[...] = source
    return out[0], out[1]


def _kind(x: object) -> str:
    return f"torch tensor on {x.device}" if is_torch(x) else "NumPy array"  # type: ignore[attr-defined]


def _dtype(x: Any) -> str:
    return str(getattr(x, "dtype", type(x).__name__)).removeprefix("torch.")


def _span(x: Any) -> tuple[int, int] | None:
    """Return the addresses between which an array lies, or None for what is no array."""
    if isinstance(x, np.ndarray):
        first, steps, size = x.ctypes.data, x.strides, x.itemsize
    elif is_torch(x) and x.layout == sys.modules["torch"].strided:
        size = x.element_size()
        first, steps = x.data_ptr(), tuple(stride * size for stride in x.stride())
    else:
        return None
    if 0 in x.shape:
        return first, first
    reaches = [(length - 1) * step for length, step in zip(x.shape, steps, strict=True)]
    return first + sum(min(0, reach) for reach in reaches), first + sum(max(0, reach) for reach in reaches) + size
