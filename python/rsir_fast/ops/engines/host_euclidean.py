"""Euclidean search on the host's cores."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rsir_fast.base import compiled
from rsir_fast.base.arrays import Restore, unchanged
from rsir_fast.base.cores import choose_threads
from rsir_fast.base.isa import choose_isa
from rsir_fast.ops._arrays import FloatRows, as_rows
from rsir_fast.ops._outputs import host_views, new_answer
from rsir_fast.ops._plan import Method, SearchPlan, choose_pass, is_tiny
from rsir_fast.ops._where import AllowedRows
from rsir_fast.ops.engines.host_normalize import normalized_rows
from rsir_fast.ops.engines.host_ranks import ranks_of_labels
from rsir_fast.ops.engines.search import (
    ALL,
    Labels,
    Ranks,
    Sides,
    check_items,
    check_normalize,
    check_width,
    chosen,
)
from rsir_fast.ops.sidecar import Sidecar, check_fits

__all__ = ["MAX_WIDTH", "NEIGHBOURS", "HostEuclidean", "HostMatrix", "euclidean", "prepare"]

MAX_WIDTH = 65_536
"""Columns of an int8 copy: beyond, a dot product of codes could overflow 32 bits."""

NEIGHBOURS = 100
"""For searches of so many the precision of an integer copy is chosen."""


class HostMatrix:
    """A feature matrix in host memory with the integer copy that certified search reads.

    Attributes
    ----------
    rows : FloatRows
        The matrix, normalised if asked, or to be normalised as it is read.
    normalize : {"none", "row"}
    sidecar : rsir_fast._cpu.Sidecar or None
        The integer copy; None where the matrix has no rows or no (or too many) columns for one.
    """

    def __init__(
        self, rows: FloatRows, normalize: Literal["none", "row"], sidecar: compiled.cpu.Sidecar | None
    ) -> None:
        self.rows = rows
        self.normalize = normalize
        self.sidecar = sidecar

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        n, d = self.rows.array.shape
        return n, d

    @property
    def precision(self) -> Literal["int8", "int16"] | None:
        """Size of the codes of the integer copy."""
        return None if self.sidecar is None else self.sidecar.precision

    @property
    def nbytes(self) -> int:
        """Bytes held: the matrix and its integer copy."""
        return int(self.rows.array.nbytes) + (0 if self.sidecar is None else self.sidecar.nbytes)

    def not_finite(self) -> NDArray[np.int64]:
        """Return the rows with a NaN or an infinity."""
        rows = self.rows
        values = (rows.array.astype(np.uint32) << 16).view(np.float32) if rows.dtype == "bf2" else rows.array
        return np.flatnonzero(~np.isfinite(values).all(axis=1))

    def __len__(self) -> int:
        return self.shape[0]

    def __str__(self) -> str:
        n, d = self.shape
        stored = {"f2": "float16", "bf2": "bfloat16", "f4": "float32", "f8": "float64"}[self.rows.dtype]
        return (
            f"{n} x {d} {stored}, normalize={self.normalize!r}, precision={self.precision!r}, "
            f"{self.nbytes / 2**20:.1f} MiB"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # The integer copy is quicker to make again than to store.
        return _from_rows, (self.rows, self.normalize, self.precision)


class HostEuclidean(Sides[FloatRows, FloatRows]):
    """A search whose operands lie in host memory.

    Attributes
    ----------
    queries : FloatRows
    database : FloatRows
        Normalised as the queries are.
    prepared : HostMatrix or None
    where : AllowedRows
        The rows that can be answers.
    plan : callable
        Tells how the last `topk` was done.
    """

    plan: Callable[[], SearchPlan]
    distances = "float32"

    def __init__(
        self,
        queries: FloatRows,
        database: HostMatrix | FloatRows,
        restore: Restore,
        where: Any,
        method: Method,
        memory: int | None,
        threads: int | None,
        isa: str | None,
    ) -> None:
        self.queries = queries
        self.prepared = database if isinstance(database, HostMatrix) else None
        self.database = database.rows if isinstance(database, HostMatrix) else database
        self.restore = restore
        self.where = AllowedRows.of(where, len(self.database))
        self.method = method
        self.memory = memory
        self.threads = threads
        self.isa = isa

    @property
    def allowed(self) -> int:
        """Rows that can be answers."""
        return self.where.count

    def direct(self, given: tuple[Any, Any] | None) -> tuple[Any, ...] | None:
        """Return what the kernels can write of the caller's arrays."""
        return host_views(given)

    def topk(
        self, k: int, out: tuple[Any, Any] | None = None, rows: slice = ALL
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Search for some consecutive queries."""
        queries, items, isa = self.queries if rows is ALL else self.queries[rows], self.database, self.isa
        q, d = queries.array.shape
        n, allowed, passed = len(items), self.where.count, self.where.passed
        prepared = self.prepared is not None
        sidecar = None if self.prepared is None else self.prepared.sidecar

        def chosen_pass(sidecar: compiled.cpu.Sidecar | None) -> tuple[Literal["certified", "dense"], str]:
            return choose_pass(
                q,
                n,
                d,
                k,
                allowed=allowed,
                passed=passed,
                precision=None if sidecar is None else sidecar.precision,
                prepared=prepared,
                max_width=MAX_WIDTH,
                wild=0 if sidecar is None else sidecar.wild,
                method=self.method,
            )

        taken, reason = chosen_pass(sidecar)
        if taken == "certified" and sidecar is None:
            sidecar = make_sidecar(items, k=k, threads=self.threads, isa=isa)
            taken, reason = chosen_pass(sidecar)  # known only now
        if taken == "dense":
            sidecar = None
        distances, ids = out or new_answer(q, k, np.float32)
        count = choose_threads(self.threads, tiny=is_tiny(q, passed if taken == "certified" else allowed, d, taken))
        operands = (
            queries.array,
            q,
            queries.dtype,
            items.array,
            n,
            items.kind,
            d,
            self.where.for_kernels,
            sidecar,
            k,
            distances,
            ids,
            count,
            choose_isa(isa),
        )
        ran, candidates, decided, dense = (
            compiled.cpu.euclidean_topk(*operands)
            if self.memory is None
            else compiled.cpu.euclidean_topk_within(self.memory, *operands)
        )
        self.plan = lambda: SearchPlan(taken, reason, prepared, ran, count, candidates, decided, dense)
        return distances, ids

    def ranks(self, labels: Labels, block: int | None) -> Iterator[Ranks]:
        """Tell where the relevant items stand, a block of queries at a time."""
        return ranks_of_labels(
            self.queries, [self.database], labels, self.where, block, threads=self.threads, isa=self.isa
        )


def euclidean(
    queries: Any,
    database: Any,
    normalize: str | None,
    *,
    where: Any = None,
    method: Method = "auto",
    memory: int | None = None,
    threads: int | None = None,
    isa: str | None = None,
) -> HostEuclidean:
    """Check both sides, and read and normalise them as the kernels take them."""
    if isinstance(queries, HostMatrix):  # every row a query
        check_normalize(queries.normalize, normalize)
        own = queries.rows
        if own.normalize == "row":  # normalised as they are read, which queries are not
            own = normalized_rows(FloatRows(own.array, own.dtype), own.array, "row", threads=threads, isa=isa)
            queries = HostMatrix(own, "row", queries.sidecar)  # one memory on both sides
        return HostEuclidean(own, queries, unchanged, where, method, memory, threads, isa)
    rows, restore = as_rows(queries, "queries")
    width = rows.array.shape[1]
    if isinstance(database, HostMatrix):
        check_normalize(database.normalize, normalize)
        check_width(width, database.shape[1])
        wanted = normalized_rows(rows, queries, database.normalize, threads=threads, isa=isa)
        return HostEuclidean(wanted, database, restore, where, method, memory, threads, isa)
    items = rows if database is queries else as_rows(database, "database")[0]
    check_width(width, items.array.shape[1])
    check_items(len(items))
    by = chosen(normalize)
    wanted = normalized_rows(rows, queries, by, threads=threads, isa=isa)
    same = items is rows
    found = wanted if same else normalized_rows(items, database, by, threads=threads, isa=isa)
    return HostEuclidean(wanted, found, restore, where, method, memory, threads, isa)


def prepare(
    database: Any,
    normalize: Literal["none", "row"],
    precision: str,
    copy: bool,
    sidecar: Any = None,
    *,
    k: int = NEIGHBOURS,
    threads: int | None = None,
    isa: str | None = None,
) -> HostMatrix:
    """See `rsir_fast.prepare`; ``"auto"`` precision is for searches of k neighbours."""
    rows, _ = as_rows(database, "database")
    if sidecar is not None:
        if not isinstance(sidecar, Sidecar):
            raise TypeError(f"sidecar: expected a Sidecar of the matrix, got {type(sidecar).__name__}")
        n, d = rows.array.shape
        check_fits(sidecar, (n, d), normalize, precision)
    if copy:
        ready = normalized_rows(rows, database, normalize, threads=threads, isa=isa)
        if ready is rows:
            ready = FloatRows(ready.array.copy(), ready.dtype)
        ready.array.flags.writeable = False  # a change would not reach the integer copy
    else:
        ready = FloatRows(rows.array, rows.dtype, normalize)
    check_items(len(ready))
    if sidecar is not None:
        return HostMatrix(ready, normalize, sidecar.compiled)
    made = make_sidecar(ready, normalize, precision=precision, k=k, threads=threads, isa=isa)
    return HostMatrix(ready, normalize, made)


def make_sidecar(
    rows: FloatRows,
    normalize: str = "none",
    *,
    precision: str = "auto",
    k: int = NEIGHBOURS,
    threads: int | None,
    isa: str | None,
) -> compiled.cpu.Sidecar | None:
    """Return the integer copy of a matrix, or None where there can be none."""
    n, d = rows.array.shape
    if n == 0 or not 1 <= d <= MAX_WIDTH:
        return None
    normalized = normalize == "row"
    return compiled.cpu.Sidecar(
        rows.array, n, d, rows.kind, precision, k, normalized, choose_threads(threads), choose_isa(isa)
    )


def _from_rows(rows: FloatRows, normalize: Literal["none", "row"], precision: str | None) -> HostMatrix:
    made = make_sidecar(rows, normalize, precision=precision or "auto", threads=None, isa=None)
    return HostMatrix(rows, normalize, made)
