"""The arrays that a caller gives for an answer."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from rsir_fast.base.arrays import Array, is_torch

__all__ = ["delivered", "given_answer", "given_array", "given_codes", "host_views", "new_answer"]


def given_answer(out: Any, inputs: tuple[Any, Any], k: int, dtype: str) -> tuple[Any, Any] | None:
    """Check what a caller gives as ``out = (distances, ids)``, [q, k], and return it, without gradients.

    Parameters
    ----------
    inputs
        Queries, whose kind and device the two must have, and database.

    Raises
    ------
    TypeError, ValueError
        As `given_array`, or if they are no pair.
    """
    if out is None:
        return None
    if not isinstance(out, (tuple, list)) or len(out) != 2:
        raise TypeError(f"out: expected a pair (distances, ids), got {type(out).__name__}")
    shape = (inputs[0].shape[0], k)
    distances = given_array(out[0], "out[0] (distances)", inputs, shape, dtype)
    return distances, given_array(out[1], "out[1] (ids)", (*inputs, distances), shape, "int64")


def given_array(array: Any, name: str, inputs: tuple[Any, ...], shape: tuple[int, int], dtype: str) -> Any:
    """Check an array that a caller gives to be written, and return it, without gradient.

    Raises
    ------
    TypeError, ValueError
        It is not of the kind and on the device of the first input, contiguous, writable, of that shape and dtype, in
        memory of its own.
    """
    expected, found = f"{dtype} {_kind(inputs[0])}", f"{_dtype(array)} {_kind(array)}"
    if found != expected:
        raise TypeError(f"{name}: expected {expected}, got {found}")
    if tuple(array.shape) != shape:
        raise ValueError(f"{name}: expected shape {list(shape)}, got {list(array.shape)}")
    whole = array.is_contiguous() if is_torch(array) else array.flags.c_contiguous and array.flags.writeable
    if not whole:
        raise ValueError(f"{name}: expected contiguous memory that can be written")
    first, end = _span(array) or (0, 0)
    for used in filter(None, map(_span, inputs)):
        if first < used[1] and used[0] < end:
            raise ValueError(f"{name}: expected memory of its own, got some that is read or written for this call")
    return array.detach() if is_torch(array) else array


def given_codes(out: Any, u: Any) -> Any:
    """Check what a caller gives to be written with the packed codes of `u`, and return it."""
    n, b = u.shape
    return given_array(out, "out", (u,), (n, (b + 7) // 8), "uint8")


def new_answer(q: int, k: int, dtype: Any) -> tuple[Array, Array]:
    """Return new arrays for distances and ids, [q, k].

    Raises
    ------
    MemoryError
        There is no memory for them.
    """
    try:
        return np.empty((q, k), dtype), np.empty((q, k), np.int64)
    except (MemoryError, ValueError):  # NumPy's for more than any memory has
        raise MemoryError(
            f"k: {q} queries x {k} neighbours of 12 bytes do not fit into memory; ask for fewer, or for "
            "fewer queries at a time"
        ) from None


def host_views(given: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
    """Return the arrays as NumPy arrays, or None where there are none in host memory."""
    if given is None or any(is_torch(array) and array.device.type != "cpu" for array in given):
        return None
    return tuple(array.numpy() if is_torch(array) else array for array in given)


def delivered(out: Any, written: tuple[Any, ...] | None, answer: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return `answer`, or the caller's arrays `out` with it: copied unless the kernels have `written` it there."""
    if out is None:
        return answer
    if written is None:
        for target, source in zip(out, answer, strict=True):
            (target.detach() if is_torch(target) else target)[...] = source
    return tuple(out)


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
