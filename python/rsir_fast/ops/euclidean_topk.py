"""Exact k nearest neighbours by Euclidean distance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NoReturn

from rsir_fast.ops._engine import engine_for, refuse_not_finite
from rsir_fast.ops._plan import Method, check_memory, check_method
from rsir_fast.ops._tracing import check_traced_where, operators_if_traced
from rsir_fast.ops.database import unwrapped
from rsir_fast.ops.engines.search import answer
from rsir_fast.ops.nearest import EuclideanTopK, is_exporting

__all__ = ["euclidean_topk"]


def euclidean_topk(
    queries: Any,
    database: Any,
    k: int,
    normalize: Literal["none", "row"] | None = None,
    *,
    where: Any = None,
    nan: Literal["last", "raise"] = "last",
    method: Method = "auto",
    memory: int | None = None,
    out: tuple[Any, Any] | None = None,
    threads: int | None = None,
    isa: str | None = None,
    **removed: NoReturn,
) -> EuclideanTopK:
    """Return the k nearest database rows of every query, by squared Euclidean distance.

    Parameters
    ----------
    queries : array, shape [q, d], float16, bfloat16, float32 or float64
    database : array, shape [n, d], same kinds, or RowBlocks, or Database
        NumPy arrays, torch tensors (any device) or DLPack arrays; need not be contiguous (then copied once). The two
        may differ in dtype: every distance is taken between the exact stored values. `RowBlocks` are read, and
        normalised, where they lie. For repeated searches make a `Database` once with `prepare`. Two tensors on one CUDA
        device, or any queries of a CUDA tensor made ready by `prepare`, are searched there, on the caller's stream,
        where rsir_fast was built with CUDA (not with a `method`, which is of the CPU). Several devices, or a database
        larger than their memory: ``prepare(database, devices=..., memory=...)``. CUDA queries of any other database in
        host memory are searched by the CPU.
    k : int
        Neighbours a query, at least 0. Slots beyond n, or the rows that `where` allows, hold distance +inf and id -1.
    normalize : {"none", "row"}, optional
        ``"row"``: Gaussian-normalise every vector first (`gaussian_normalize`); the ranking is then that of the
        Pearson correlation. Default: what the database was prepared with, else ``"none"``.
    where : array, optional
        The rows that can be answers, for all queries: a bitmap (uint8, shape [ceil(n / 8)], row i is bit i, least
        significant bit of a byte first), booleans, shape [n], or ids (integers of another type, in any order).
        Default: all rows. The answer is that of a search of these rows alone, with their ids in the whole database.
        On a CUDA device it is read there: a bitmap or booleans that lie there stay, and nothing waits.
    nan : {"last", "raise"}
        NaN distances rank after +inf; or vectors with a NaN or an infinity, from which they come, are refused.
    method : {"auto", "certified", "dense"}
        Which pass to take; see Notes. Like `threads` and `isa` it never changes a bit of the answer. `Database.plan`
        tells which one is taken, and why.
    memory : int, optional
        Bytes for candidates and integer codes of queries that are the database itself (one array, in host memory),
        where each pair of rows is multiplied once for both (see `Database.topk`); default 256 MiB. Rows beyond it are
        searched by super-blocks, or one by one. As little as the lists of some hundred rows is refused. It never
        changes a bit, and means nothing to other searches and on devices.
    out : (distances, ids), optional
        Where to write the answer: contiguous arrays of its shapes and dtypes, of the kind and on the device of
        `queries`, in memory of their own. They are returned.
    threads, isa : optional
        As in `gaussian_normalize`.

    Returns
    -------
    EuclideanTopK
        A pair. squared : array, shape [q, k], float32: **squared** Euclidean distances, increasing. ids : array, shape
        [q, k], int64: rows of the whole database; equal distances are ordered by id. Both are of the kind and on the
        device of `queries`. (torch.export keeps a plain tuple.)

    Raises
    ------
    TypeError
        An input is no array of floating point numbers, or k is no whole number.
    ValueError
        Shapes, options or (``nan="raise"``) values do not fit.

    Notes
    -----
    The canonical distance: the sum of (q_i - x_i)^2 in float64, in the fixed lane order of
    `rsir_fast.ops.reference.lane_sum`, rounded once to float32. So an answer has the same bits for every batch size,
    k, thread count, instruction set and method, and the distance of a vector to itself is exactly 0.

    ``"certified"``: an integer copy of the database gives every distance with a proven error bound; only rows that the
    bound cannot exclude are decided by the canonical distance. A query with too many candidates is left to the dense
    pass. ``"dense"`` computes the canonical distance of every pair. With `where` every bound comes from allowed rows
    only, and of the integer copy only groups of 16 rows with an allowed one are read; where few rows are allowed (some
    4 % of a large database, 12 % with int16 codes, or 8 k), the distances of these are computed at once.

    O(q n d) time. Memory beside inputs and outputs, never of size q n: at most 16 MiB of candidates (or those of eight
    queries) and some 5 MiB of widened rows (or ten rows) a thread; certified, also 9 d bytes for each of up to 256
    queries a thread, and the candidates of up to 1024 queries: a few hundred of 8 bytes each, or 0.5 MiB + 32 k bytes a
    query whose bounds exclude little, and 96 MiB (or one query's) to measure them; for an unprepared database
    n (d + 12) bytes, with int16 codes n (2 d + 12); with ``normalize="row"`` a normalised copy of both sides.

    On a CUDA device nothing waits (but ``nan="raise"``). Several queries are certified in half precision first: 2 n d
    bytes for that copy of the database, and up to 128 KiB + 2 d + 20 bytes a query, 4096 queries at a time; up to 8
    queries of a prepared database (64 on compute capability 9.0) take 256 KiB + 2 d + 8 k each; with either 8 k bytes
    for each of 1024 parts of a search without the fast pass, or for each query. With k over 2048 all keys are sorted,
    by torch with 40 bytes a key: 5 GiB at a time, or 40 n bytes if that is more.

    Examples
    --------
    >>> import numpy as np
    >>> import rsir_fast as rf
    >>> database = np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 0.0]], dtype=np.float32)
    >>> squared, ids = rf.euclidean_topk(database[:1], database, k=4)
    >>> squared, ids
    (array([[ 0.,  0., 25., inf]], dtype=float32), array([[ 0,  2,  1, -1]]))

    Of some rows only:

    >>> rf.euclidean_topk(database[:1], database, k=2, where=[1, 2]).ids
    array([[2, 1]])
    """
    if removed:
        refuse_removed(removed)
    if nan not in ("last", "raise"):
        raise ValueError(f"nan: expected 'last' or 'raise', got {nan!r}")
    check_method(method)
    traced = operators_if_traced(queries, database, k=k, threads=threads, isa=isa) if out is None else None
    if traced is not None:
        if nan == "raise":
            raise ValueError("nan='raise' looks at the numbers, which torch.compile and torch.export do not have yet")
        check_traced_where(where)
        found = traced.euclidean_topk(queries, database, k, normalize or "none", where)
        return found if is_exporting() else EuclideanTopK(*found)
    check_memory(memory, k)
    held = unwrapped(database, "euclidean")
    if nan == "raise":
        refuse_not_finite(queries, "queries")
        refuse_not_finite(held, "database")
    engine = engine_for(queries, held, on_host=method != "auto")
    search = engine.euclidean(
        queries, held, normalize, where=where, method=method, memory=memory, threads=threads, isa=isa
    )
    return EuclideanTopK(*answer(search, k, out, (queries, database)))


def refuse_removed(options: Mapping[str, Any]) -> None:
    """Raise TypeError for options that there are not, or not any more."""
    instead = {
        "exact": "every answer is exact; leave it out",
        "explain": "use rsir_fast.prepare(database).plan(queries, k)",
    }
    name = next(iter(options))
    raise TypeError(f"{name}: expected no such option, got {name}=; {instead.get(name, 'see help(euclidean_topk)')}")
