"""Exact k nearest neighbours by Hamming distance."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsir_fast.base.arrays import Restore
from rsir_fast.base.compiled import choose_isa, cpu
from rsir_fast.base.cores import choose_threads
from rsir_fast.base.counts import as_count
from rsir_fast.ops._arrays import as_codes, check_rank, traced
from rsir_fast.ops._codes import check_same_codes, code_length
from rsir_fast.ops._device import device_module, dtype_name, same_device
from rsir_fast.ops._device_topk import MOST_WORDS, hamming_on_device, whole_words
from rsir_fast.ops._outputs import delivered, given_answer, host_views, new_answer
from rsir_fast.ops._settings import check_settings
from rsir_fast.ops.prepared_codes import PreparedCodes, check_items
from rsir_fast.ops.sharded import ShardedCodes

__all__ = ["hamming_topk"]

Codes = NDArray[np.uint8]

TINY = 1 << 22
"""Bits of queries times codes: less is done before another thread is awake."""


def hamming_topk(
    queries: Any,
    database: Any,
    k: int,
    bits: int | None = None,
    *,
    out: tuple[Any, Any] | None = None,
    threads: int | None = None,
    isa: str | None = None,
) -> tuple[Any, Any]:
    """Return the k nearest codes of every query, by Hamming distance.

    Parameters
    ----------
    queries : array, shape [q, bytes], uint8
        Codes as made by `pack_codes`: a NumPy array, a torch tensor (any device) or a DLPack array.
    database : array, shape [n, bytes], uint8, or PreparedCodes or ShardedCodes
        The same, or what `prepare_codes` made of it: faster where one database is searched more than once.
        Two tensors on one CUDA device are searched there, on the caller's stream, where rsir_fast was built with CUDA;
        any queries of `ShardedCodes` on their devices, each on its current stream.
    k : int
        Neighbours a query, at least 0. Slots beyond n hold distance 2147483647 (the int32 maximum) and id -1.
    bits : int, optional
        Length of a code, by default that of prepared codes or all ``8 * bytes`` bits; bits beyond it are ignored.
    out : (distances, ids), optional
        Where to write the answer: contiguous arrays of its shapes and dtypes, of the kind and on the device of
        `queries`, in memory of their own. They are returned.
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
        Shapes do not fit, or `bits` does not fit into the bytes or prepared codes given or is more than 65535.

    Notes
    -----
    O(q n bits) time: a code of 64 bits takes about a third of an AVX-512 instruction. Extra memory: up to 16 MiB a
    thread, or 16 k bytes if that is more, and 16 q k bytes a thread for merging; from ``k = n / 4`` on, where all
    distances are kept and counted, ``2 n`` bytes a query in flight: 64 MiB, or one query if that is more.
    On a CUDA device nothing waits: O(k) extra memory a query and part of the database; a copy of codes whose length is
    no multiple of 8 bytes; with k over 2048 all keys are sorted, 5 GiB at a time, or 40 n bytes if that is more.

    Examples
    --------
    >>> import numpy as np
    >>> import rsir_fast as rf
    >>> codes = rf.pack_codes(np.array([[1.0, -1.0, 1.0], [1.0, 1.0, 1.0], [-1.0, 1.0, -1.0]]))
    >>> rf.hamming_topk(codes[:1], codes, k=3, bits=3)
    (array([[0, 1, 3]], dtype=int32), array([[0, 1, 2]]))
    """
    if out is None and traced(queries, database):
        check_settings(k, threads, isa)
        from rsir_fast.ops import _torch_ops

        answer: tuple[Any, Any] = _torch_ops.hamming_topk(queries, database, k, bits)
        return answer
    if isinstance(database, ShardedCodes):
        on_device, restore = database.bring(queries, bits)
        k = as_count(k, "k")
        given_answer(out, (queries, database), k, "int32")
        distances, ids = database.topk(on_device, k)
        return delivered(out, None, (restore(distances), restore(ids)))
    if (found := device_operands(queries, database, bits)) is not None:
        compiled, wanted, items, length = found
        k = as_count(k, "k")
        given = given_answer(out, (queries, database), k, "int32")
        return delivered(out, given, hamming_on_device(compiled, wanted, items, k, length, given))
    wanted, items, length, restore = code_operands(queries, database, bits)
    k = as_count(k, "k")
    written = host_views(given_answer(out, (queries, database), k, "int32"))
    distances, ids = search(wanted, items, k, length, out=written, threads=threads, isa=isa)
    return delivered(out, written, (restore(distances), restore(ids)))


def code_operands(queries: Any, database: Any, bits: int | None) -> tuple[Codes, Codes | PreparedCodes, int, Restore]:
    """Return both sides as the kernel takes them, the code length, and the way back."""
    wanted, restore = as_codes(queries, "queries")
    width = wanted.shape[1]
    if isinstance(database, PreparedCodes):
        check_same_codes(width, database.bits, bits)
        return wanted, database, database.bits, restore
    items = wanted if database is queries else as_codes(database, "database")[0]
    return wanted, items, _common_length(width, items.shape, bits), restore


def _common_length(width: int, database: tuple[int, ...], bits: int | None) -> int:
    if database[1] != width:
        raise ValueError(
            f"queries have {width} bytes a code, the database has {database[1]}; expected codes of one length"
        )
    length = code_length(width, bits)
    check_items(database[0], "database")
    return length


def device_operands(queries: Any, database: Any, bits: int | None) -> tuple[Any, Any, Any, int] | None:
    """Return the CUDA module, both sides as it reads them, and the code length; None where that is the CPU's work."""
    if (compiled := device_module(queries)) is None or not same_device(queries, database):
        return None
    if dtype_name(queries) != "uint8" or dtype_name(database) != "uint8":
        return None
    check_rank(queries, "queries", "bytes")
    check_rank(database, "database", "bytes")
    if queries.shape[1] > 8 * MOST_WORDS:
        return None
    length = _common_length(queries.shape[1], database.shape, bits)
    wanted = whole_words(queries)
    return compiled, wanted, wanted if database is queries else whole_words(database), length


def search(
    queries: Codes,
    database: Codes | PreparedCodes,
    k: int,
    bits: int,
    *,
    out: tuple[Any, Any] | None = None,
    threads: int | None,
    isa: str | None,
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Run the kernel on checked operands."""
    q, n = len(queries), len(database)
    distances, ids = out or new_answer(q, k, np.int32)
    if isinstance(database, PreparedCodes):
        kernel, items = cpu().hamming_topk_prepared, database.planes
    else:
        kernel, items = cpu().hamming_topk, database
    count = choose_threads(threads, tiny=q * n * bits < TINY)
    kernel(queries, q, items, n, bits, k, distances, ids, count, choose_isa(isa))
    return distances, ids
