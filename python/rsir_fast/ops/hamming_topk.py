"""Exact k nearest neighbours by Hamming distance."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsir_fast.ops._arrays import Restore, as_codes, as_count
from rsir_fast.ops._dispatch import choose_isa, choose_threads, cpu
from rsir_fast.ops.euclidean_topk import MAX_ITEMS

__all__ = ["hamming_topk"]

Codes = NDArray[np.uint8]


def hamming_topk(
    queries: Any,
    database: Any,
    k: int,
    bits: int | None = None,
    *,
    threads: int | None = None,
    isa: str | None = None,
) -> tuple[Any, Any]:
    """Return the k nearest codes of every query, by Hamming distance.

    Parameters
    ----------
    queries : array, shape [q, bytes], uint8
    database : array, shape [n, bytes], uint8
        Codes as made by `pack_codes`: NumPy arrays, torch tensors (any device) or DLPack arrays.
    k : int
        Neighbours a query, at least 0. Slots beyond n hold distance 2147483647 (the int32 maximum) and id -1.
    bits : int, optional
        Length of a code, by default all ``8 * bytes`` bits; bits beyond it are ignored.
    threads, isa : optional
        As in `gaussian_normalize`; they never change a bit of the answer.

    Returns
    -------
    distances : array, shape [q, k], int32
        Numbers of differing bits, 0 to `bits`, increasing.
    ids : array, shape [q, k], int64
        Database rows; equal distances are ordered by id. Both are of the kind and on the device of `queries`.

    Raises
    ------
    TypeError
        An input is no uint8 array, or k is no whole number.
    ValueError
        Shapes do not fit, or `bits` does not fit into the bytes given.

    Notes
    -----
    O(q n bytes) time; O(threads k) extra memory.

    Examples
    --------
    >>> import numpy as np
    >>> import rsir_fast as rf
    >>> codes = rf.pack_codes(np.array([[1.0, -1.0, 1.0], [1.0, 1.0, 1.0], [-1.0, 1.0, -1.0]]))
    >>> rf.hamming_topk(codes[:1], codes, k=3, bits=3)
    (array([[0, 1, 3]], dtype=int32), array([[0, 1, 2]]))
    """
    wanted, items, length, restore = code_operands(queries, database, bits)
    distances, ids = search(wanted, items, as_count(k, "k"), length, threads=threads, isa=isa)
    return restore(distances), restore(ids)


def code_operands(queries: Any, database: Any, bits: int | None) -> tuple[Codes, Codes, int, Restore]:
    """Return both sides as contiguous byte matrices, the code length, and the way back."""
    wanted, restore = as_codes(queries, "queries")
    items = wanted if database is queries else as_codes(database, "database")[0]
    width = wanted.shape[1]
    if items.shape[1] != width:
        raise ValueError(
            f"queries have {width} bytes a code, the database has {items.shape[1]}; expected codes of one length"
        )
    length = 8 * width if bits is None else as_count(bits, "bits")
    if (length + 7) // 8 != width:
        raise ValueError(
            f"bits: expected {max(0, 8 * width - 7)} to {8 * width} for codes of {width} bytes, got {bits}"
        )
    if items.shape[0] > MAX_ITEMS:
        raise ValueError(f"database: expected at most {MAX_ITEMS} rows, got {items.shape[0]}; search it in parts")
    return wanted, items, length, restore


def search(
    queries: Codes, database: Codes, k: int, bits: int, *, threads: int | None, isa: str | None
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Run the kernel on checked operands."""
    distances = np.empty((queries.shape[0], k), dtype=np.int32)
    ids = np.empty((queries.shape[0], k), dtype=np.int64)
    cpu().hamming_topk(
        queries.ctypes.data,
        queries.shape[0],
        database.ctypes.data,
        database.shape[0],
        bits,
        k,
        distances.ctypes.data,
        ids.ctypes.data,
        choose_threads(threads),
        choose_isa(isa),
    )
    return distances, ids
