"""Exact k nearest neighbours by Euclidean distance."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rsir_fast.ops._arrays import Array, Restore, as_count, as_float, same_float
from rsir_fast.ops._dispatch import choose_isa, choose_threads, cpu
from rsir_fast.ops.gaussian_normalize import gaussian_normalize

__all__ = ["euclidean_topk"]

MAX_ITEMS = 2**32 - 1
"""Item ids take 32 bits of a 64-bit sort key."""


def euclidean_topk(
    queries: Any,
    database: Any,
    k: int,
    normalize: Literal["none", "row"] = "none",
    exact: bool = True,
    *,
    nan: Literal["last", "raise"] = "last",
    threads: int | None = None,
    isa: str | None = None,
) -> tuple[Any, Any]:
    """Return the k nearest database rows of every query, by squared Euclidean distance.

    Parameters
    ----------
    queries : array, shape [q, d], float16, bfloat16, float32 or float64
    database : array, shape [n, d], same kinds
        NumPy arrays, torch tensors (any device) or DLPack arrays; need not be contiguous (then copied once). If one
        side is float64, both are compared in float64.
    k : int
        Neighbours a query, at least 0. Slots beyond n hold distance +inf and id -1.
    normalize : {"none", "row"}
        ``"row"``: Gaussian-normalise every vector first (`gaussian_normalize`); the ranking is then that of the
        Pearson correlation.
    exact : bool
        False permits, but does not require, a faster search with approximate answers. Today all answers are exact.
    nan : {"last", "raise"}
        NaN distances rank after +inf; or vectors with a NaN or an infinity, from which they come, are refused.
    threads, isa : optional
        As in `gaussian_normalize`; they never change a bit of the answer.

    Returns
    -------
    distances : array, shape [q, k], float32
        **Squared** Euclidean distances, increasing.
    ids : array, shape [q, k], int64
        Database rows; equal distances are ordered by id. Both are of the kind and on the device of `queries`.

    Raises
    ------
    TypeError
        An input is no array of floating point numbers, or k is no whole number.
    ValueError
        Shapes, options or (``nan="raise"``) values do not fit.

    Notes
    -----
    The canonical distance (DESIGN: "certify, then decide"): the sum of (q_i - x_i)^2 in float64, in the fixed lane
    order of `rsir_fast.ops.reference.lane_sum`, rounded once to float32. So an answer has the same bits for every
    batch size, k, thread count and instruction set, and the distance of a vector to itself is exactly 0.
    O(q n d) time. Memory beside inputs and outputs: at most 16 MiB of candidates (or those of one query) and some
    5 MiB of widened rows (or ten rows) a thread; a normalised copy of both with
    ``normalize="row"``; a wider copy of a side whose dtype is narrower than the other's.

    Examples
    --------
    >>> import numpy as np
    >>> import rsir_fast as rf
    >>> database = np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 0.0]], dtype=np.float32)
    >>> rf.euclidean_topk(database[:1], database, k=4)
    (array([[ 0.,  0., 25., inf]], dtype=float32), array([[ 0,  2,  1, -1]]))
    """
    if nan not in ("last", "raise"):
        raise ValueError(f"nan: expected 'last' or 'raise', got {nan!r}")
    if nan == "raise":
        _refuse_nan(queries, "queries")
        _refuse_nan(database, "database")
    wanted, items, restore = float_operands(queries, database, normalize, threads=threads, isa=isa)
    distances, ids = search(wanted, items, as_count(k, "k"), threads=threads, isa=isa)
    return restore(distances), restore(ids)


def float_operands(
    queries: Any, database: Any, normalize: str, *, threads: int | None, isa: str | None
) -> tuple[Array, Array, Restore]:
    """Return both sides as contiguous matrices of one dtype, normalised if asked, and the way back."""
    if normalize not in ("none", "row"):
        raise ValueError(f"normalize: expected 'none' or 'row', got {normalize!r}")
    wanted, restore = as_float(queries, "queries")
    items = wanted if database is queries else as_float(database, "database")[0]
    if wanted.shape[1] != items.shape[1]:
        raise ValueError(
            f"queries have {wanted.shape[1]} features, the database has {items.shape[1]}; "
            "expected both from the same backbone and layer"
        )
    if items.shape[0] > MAX_ITEMS:
        raise ValueError(f"database: expected at most {MAX_ITEMS} rows, got {items.shape[0]}; search it in parts")
    if normalize == "row":
        rows = gaussian_normalize(wanted, threads=threads, isa=isa)
        return rows, rows if items is wanted else gaussian_normalize(items, threads=threads, isa=isa), restore
    return *same_float(wanted, items), restore


def search(
    queries: Array, database: Array, k: int, *, threads: int | None, isa: str | None
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Run the kernel on checked operands."""
    q, d = queries.shape
    distances = np.empty((q, k), dtype=np.float32)
    ids = np.empty((q, k), dtype=np.int64)
    cpu().euclidean_topk(
        queries.ctypes.data,
        q,
        database.ctypes.data,
        database.shape[0],
        d,
        k,
        queries.dtype.str[1:],
        distances.ctypes.data,
        ids.ctypes.data,
        choose_threads(threads),
        choose_isa(isa),
    )
    return distances, ids


def _refuse_nan(vectors: Any, name: str) -> None:
    values, _ = as_float(vectors, name)
    rows = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if rows.size:
        raise ValueError(
            f"{name}: expected finite values (nan='raise'), found NaN or infinity in {rows.size} rows, "
            f"first in row {rows[0]}; drop these rows, or use nan='last'"
        )
