"""Exact k nearest neighbours by Hamming distance."""

from __future__ import annotations

from typing import Any

from rsir_fast.ops._engine import engine_for
from rsir_fast.ops._tracing import check_traced_where, operators_if_traced
from rsir_fast.ops.database import unwrapped
from rsir_fast.ops.engines.search import answer
from rsir_fast.ops.nearest import HammingTopK, is_exporting

__all__ = ["hamming_topk"]


def hamming_topk(
    queries: Any,
    database: Any,
    k: int,
    bits: int | None = None,
    *,
    where: Any = None,
    out: tuple[Any, Any] | None = None,
    threads: int | None = None,
    isa: str | None = None,
) -> HammingTopK:
    """Return the k nearest codes of every query, by Hamming distance.

    Parameters
    ----------
    queries : array, shape [q, bytes], uint8
        Codes as made by `pack_codes`: a NumPy array, a torch tensor (any device) or a DLPack array.
    database : array, shape [n, bytes], uint8, or Database
        The same, or what ``prepare(codes, metric="hamming")`` made of it: faster where one database is searched more
        than once. Two tensors on one CUDA device are searched there, on the caller's stream, where rsir_fast was built
        with CUDA; any queries of a database on several devices there, each on its current stream.
    k : int
        Neighbours a query, at least 0. Slots beyond the rows allowed hold distance 2147483647 (the int32 maximum) and
        id -1.
    bits : int, optional
        Length of a code, by default that of prepared codes or all ``8 * bytes`` bits; bits beyond it are ignored.
    where : array, optional
        As in `euclidean_topk`: only these rows can be answers.
    out : (distances, ids), optional
        Where to write the answer: contiguous arrays of its shapes and dtypes, of the kind and on the device of
        `queries`, in memory of their own. They are returned.
    threads, isa : optional
        As in `gaussian_normalize`; they never change a bit of the answer.

    Returns
    -------
    HammingTopK
        A pair. distances : array, shape [q, k], int32: numbers of differing bits, 0 to `bits`, increasing. ids : array,
        shape [q, k], int64: rows of the whole database; equal distances are ordered by id. Both are of the kind and on
        the device of `queries`. (torch.export keeps a plain tuple.)

    Raises
    ------
    TypeError
        An input is no uint8 array, k is no whole number, or `where` is none of its forms.
    ValueError
        Shapes do not fit, `where` is of another length or names a row that is not there, or `bits` does not fit into
        the bytes or prepared codes given or is more than 65535.

    Notes
    -----
    O(q n bits) time: a code of 64 bits takes about a third of an AVX-512 instruction. Extra memory: up to 16 MiB a
    thread, or 16 k bytes if that is more, and 16 q k bytes a thread for merging; from ``k = n / 4`` on, where all
    distances are kept and counted, ``2 n`` bytes a query in flight: 64 MiB, or one query if that is more.
    With `where`, parts of the database without an allowed row are not read (of a prepared one, groups of 512 codes),
    and where few rows are allowed, at most a quarter of the codes, they are copied and searched alone; for one query of
    64 bits that is sooner done up to one code in 24. Of a prepared database this takes 32 queries, or codes that are
    kept (``prepare(..., copy=False)``): each of 512 codes side by side has one bit in a line of a plane, so one query
    reads all planes it needs wherever one of 512 is allowed.
    On a CUDA device nothing waits: O(k) extra memory a query and part of the database; a copy of codes whose length is
    no multiple of 8 bytes; with k over 2048 all keys are sorted, 5 GiB at a time, or 40 n bytes if that is more.

    Examples
    --------
    >>> import numpy as np
    >>> import rsir_fast as rf
    >>> codes = rf.pack_codes(np.array([[1.0, -1.0, 1.0], [1.0, 1.0, 1.0], [-1.0, 1.0, -1.0]]))
    >>> distances, ids = rf.hamming_topk(codes[:1], codes, k=3, bits=3)
    >>> distances, ids
    (array([[0, 1, 3]], dtype=int32), array([[0, 1, 2]]))
    >>> rf.hamming_topk(codes[:1], codes, k=2, bits=3, where=[2, 1]).ids
    array([[1, 2]])
    """
    traced = operators_if_traced(queries, database, k=k, threads=threads, isa=isa) if out is None else None
    if traced is not None:
        check_traced_where(where)
        found = traced.hamming_topk(queries, database, k, bits, where)
        return found if is_exporting() else HammingTopK(*found)
    held = unwrapped(database, "hamming")
    engine = engine_for(queries, held, elements="uint8")
    search = engine.hamming(queries, held, bits, where=where, threads=threads, isa=isa)
    return HammingTopK(*answer(search, k, out, (queries, database)))
