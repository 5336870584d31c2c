"""Exact k nearest neighbours by Euclidean distance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rsir_fast.base.arrays import Restore, unchanged
from rsir_fast.base.compiled import choose_isa, cpu
from rsir_fast.base.cores import choose_threads
from rsir_fast.base.counts import as_count
from rsir_fast.ops._arrays import FloatRows, as_float, as_rows, traced
from rsir_fast.ops._device_topk import check_normalize, euclidean_operands
from rsir_fast.ops._device_topk import euclidean_search as search_on_device
from rsir_fast.ops._outputs import delivered, given_answer, host_views, new_answer
from rsir_fast.ops._plan import METHODS, Method, SearchPlan, choose_pass, is_tiny
from rsir_fast.ops._settings import check_settings
from rsir_fast.ops.prepare import MAX_WIDTH, PreparedDatabase, check_items, make_sidecar, normalized_rows, stored_rows
from rsir_fast.ops.prepared_tensor import PreparedTensor
from rsir_fast.ops.sharded import ShardedDatabase

__all__ = ["euclidean_topk"]


def euclidean_topk(
    queries: Any,
    database: Any,
    k: int,
    normalize: Literal["none", "row"] | None = None,
    exact: bool = True,
    *,
    nan: Literal["last", "raise"] = "last",
    method: Method = "auto",
    explain: bool = False,
    out: tuple[Any, Any] | None = None,
    threads: int | None = None,
    isa: str | None = None,
) -> tuple[Any, ...]:
    """Return the k nearest database rows of every query, by squared Euclidean distance.

    Parameters
    ----------
    queries : array, shape [q, d], float16, bfloat16, float32 or float64
    database : array, shape [n, d], same kinds, or PreparedDatabase, PreparedTensor or ShardedDatabase
        NumPy arrays, torch tensors (any device) or DLPack arrays; need not be contiguous (then copied once). The two
        may differ in dtype: every distance is taken between the exact stored values. For repeated searches make a
        `PreparedDatabase` once with `prepare`. Two tensors on one CUDA device, or any queries of a `PreparedTensor` (a
        CUDA tensor made ready by `prepare`), are searched there, on the caller's stream, where rsir_fast was
        built with CUDA (not with a `method` or ``explain=True``, which are of the CPU). Several devices, or a database
        larger than their memory: ``prepare(database, devices=..., memory=...)`` makes a `ShardedDatabase`. CUDA queries
        of any other database in host memory are searched by the CPU.
    k : int
        Neighbours a query, at least 0. Slots beyond n hold distance +inf and id -1.
    normalize : {"none", "row"}, optional
        ``"row"``: Gaussian-normalise every vector first (`gaussian_normalize`); the ranking is then that of the
        Pearson correlation. Default: what the database was prepared with, else ``"none"``.
    exact : bool
        False permits, but does not require, a faster search with approximate answers. Today all answers are exact.
    nan : {"last", "raise"}
        NaN distances rank after +inf; or vectors with a NaN or an infinity, from which they come, are refused.
    method : {"auto", "certified", "dense"}
        Which pass to take; see Notes. Like `threads` and `isa` it never changes a bit of the answer.
    explain : bool
        True: return a `SearchPlan` as well.
    out : (distances, ids), optional
        Where to write the answer: contiguous arrays of its shapes and dtypes, of the kind and on the device of
        `queries`, in memory of their own. They are returned.
    threads, isa : optional
        As in `gaussian_normalize`.

    Returns
    -------
    distances : array, shape [q, k], float32
        **Squared** Euclidean distances, increasing.
    ids : array, shape [q, k], int64
        Database rows; equal distances are ordered by id. Both are of the kind and on the device of `queries`.
    plan : SearchPlan
        Only with ``explain=True``: the pass taken and why, and how many candidates it had to decide.

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
    pass. ``"dense"`` computes the canonical distance of every pair.

    O(q n d) time. Memory beside inputs and outputs, never of size q n: at most 16 MiB of candidates (or those of eight
    queries) and some 5 MiB of widened rows (or ten rows) a thread; certified, also 9 d bytes for each of up to 256
    queries a thread, and the candidates of up to 1024 queries: a few hundred of 8 bytes each, or 0.5 MiB + 32 k bytes a
    query whose bounds exclude little, and 96 MiB (or one query's) to measure them; for an unprepared database
    n (d + 12) bytes, with int16 codes n (2 d + 12); with ``normalize="row"`` a normalised copy of both sides.

    On a CUDA device nothing waits (but ``nan="raise"``). Several queries are certified in half precision first: 2 n d
    bytes for that copy of the database, and up to 128 KiB + 2 d + 20 bytes a query, 4096 queries at a time; up to 8
    queries of a prepared database take 256 KiB + 2 d + 8 k each; with either 8 k bytes for each of 1024 parts of a
    search without the fast pass, or for each query. With k over 2048 all keys are sorted, by torch with 40 bytes a
    key: 5 GiB at a time, or 40 n bytes if that is more.

    Examples
    --------
    >>> import numpy as np
    >>> import rsir_fast as rf
    >>> database = np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 0.0]], dtype=np.float32)
    >>> rf.euclidean_topk(database[:1], database, k=4)
    (array([[ 0.,  0., 25., inf]], dtype=float32), array([[ 0,  2,  1, -1]]))
    """
    if exact not in (True, False):
        raise ValueError(f"exact: expected True or False, got {exact!r}")
    if nan not in ("last", "raise"):
        raise ValueError(f"nan: expected 'last' or 'raise', got {nan!r}")
    if method not in METHODS:
        raise ValueError(f"method: expected 'auto', 'certified' or 'dense', got {method!r}")
    if out is None and traced(queries, database):
        if nan == "raise":
            raise ValueError("nan='raise' looks at the numbers, which torch.compile and torch.export do not have yet")
        if explain:
            raise ValueError(
                "explain: expected False within torch.compile and torch.export, which keep tensors only, got True; "
                "ask for the plan outside of them"
            )
        check_settings(k, threads, isa)
        from rsir_fast.ops import _torch_ops

        answer: tuple[Any, ...] = _torch_ops.euclidean_topk(queries, database, k, normalize or "none")
        return answer
    if nan == "raise":
        _refuse_nan(queries, "queries")
        _refuse_nan(database, "database")
    if isinstance(database, ShardedDatabase) and method == "auto" and not explain:
        on_device, restore = database.bring(queries, normalize)
        k = as_count(k, "k")
        given_answer(out, (queries, database), k, "float32")
        distances, ids = database.topk(on_device, k)
        return delivered(out, None, (restore(distances), restore(ids)))
    if method == "auto" and not explain and (operands := euclidean_operands(queries, database, normalize)) is not None:
        k = as_count(k, "k")
        given = given_answer(out, (queries, database), k, "float32")
        written = given if operands.restore is unchanged else None
        return delivered(out, written, search_on_device(operands, k, written))
    wanted, items, restore = float_operands(queries, database, normalize, threads=threads, isa=isa)
    k = as_count(k, "k")
    written = host_views(given_answer(out, (queries, database), k, "float32"))
    distances, ids, plan = search(wanted, items, k, method=method, out=written, threads=threads, isa=isa)
    answer = delivered(out, written, (restore(distances), restore(ids)))
    return (*answer, plan()) if explain else answer


def float_operands(
    queries: Any, database: Any, normalize: str | None, *, threads: int | None, isa: str | None
) -> tuple[FloatRows, PreparedDatabase | FloatRows, Restore]:
    """Return both sides as the kernels read them, normalised if asked, and the way back."""
    if isinstance(database, (PreparedTensor, ShardedDatabase)):
        raise ValueError(
            f"database: expected one that the CPU can read, got a {type(database).__name__}, which is searched on its "
            "devices only, by euclidean_topk without method and explain and by rank_database; pass the matrix it was "
            "made of"
        )
    rows, restore = as_rows(queries, "queries")
    if isinstance(database, PreparedDatabase):
        check_normalize(database.normalize, normalize)
        _check_width(rows, database.rows)
        return normalized_rows(rows, queries, database.normalize, threads=threads, isa=isa), database, restore
    items = rows if database is queries else as_rows(database, "database")[0]
    _check_width(rows, items)
    check_items(items)
    normalize = "none" if normalize is None else normalize
    wanted = normalized_rows(rows, queries, normalize, threads=threads, isa=isa)
    same = items is rows
    return wanted, wanted if same else normalized_rows(items, database, normalize, threads=threads, isa=isa), restore


def search(
    queries: FloatRows,
    database: PreparedDatabase | FloatRows,
    k: int,
    *,
    method: Method = "auto",
    out: tuple[Any, Any] | None = None,
    threads: int | None,
    isa: str | None,
) -> tuple[NDArray[np.float32], NDArray[np.int64], Callable[[], SearchPlan]]:
    """Run the kernel on checked operands; the plan is made only when asked for."""
    prepared = isinstance(database, PreparedDatabase)
    rows = stored_rows(database)
    q, d = queries.array.shape
    n = rows.array.shape[0]
    sidecar = database.sidecar if isinstance(database, PreparedDatabase) else None
    wild = 0 if sidecar is None else sidecar.wild
    chosen, reason = choose_pass(q, n, d, k, prepared=prepared, max_width=MAX_WIDTH, wild=wild, method=method)
    if chosen == "certified" and sidecar is None:
        sidecar = make_sidecar(rows, k=k, threads=threads, isa=isa)
        wild = sidecar.wild  # known only now
        chosen, reason = choose_pass(q, n, d, k, prepared=prepared, max_width=MAX_WIDTH, wild=wild, method=method)
    if chosen == "dense":
        sidecar = None
    distances, ids = out or new_answer(q, k, np.float32)
    count = choose_threads(threads, tiny=is_tiny(q, n, d, chosen))
    ran, candidates, decided, dense = cpu().euclidean_topk(
        queries.array,
        q,
        queries.dtype,
        rows.array,
        n,
        rows.dtype,
        d,
        sidecar,
        k,
        distances,
        ids,
        count,
        choose_isa(isa),
    )
    return distances, ids, lambda: SearchPlan(chosen, reason, prepared, ran, count, candidates, decided, dense)


def _check_width(queries: FloatRows, items: FloatRows) -> None:
    if queries.array.shape[1] != items.array.shape[1]:
        raise ValueError(
            f"queries have {queries.array.shape[1]} features, the database has {items.array.shape[1]}; "
            "expected both from the same backbone and layer"
        )


def _refuse_nan(vectors: Any, name: str) -> None:
    if isinstance(vectors, ShardedDatabase):
        rows = vectors.not_finite().numpy()
    else:
        if isinstance(vectors, PreparedTensor):
            vectors = vectors.rows
        values = _widened(vectors.rows) if isinstance(vectors, PreparedDatabase) else as_float(vectors, name)[0]
        rows = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if rows.size:
        raise ValueError(
            f"{name}: expected finite values (nan='raise'), found NaN or infinity in {rows.size} rows, "
            f"first in row {rows[0]}; drop these rows, or use nan='last'"
        )


def _widened(rows: FloatRows) -> Any:
    if rows.dtype != "bf2":
        return rows.array
    return (rows.array.astype(np.uint32) << 16).view(np.float32)
