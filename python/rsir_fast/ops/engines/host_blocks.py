"""Euclidean search of a database whose rows lie in several blocks, on the host's cores: one call of the kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rsir_fast.base import compiled
from rsir_fast.base.arrays import Restore
from rsir_fast.base.cores import choose_threads
from rsir_fast.base.isa import choose_isa
from rsir_fast.base.row_blocks import RowBlocks
from rsir_fast.ops._arrays import FloatRows, as_rows
from rsir_fast.ops._outputs import host_views, new_answer
from rsir_fast.ops._plan import Method, SearchPlan, choose_pass, is_tiny
from rsir_fast.ops._where import AllowedRows
from rsir_fast.ops.engines.host_euclidean import (
    MAX_WIDTH,
    NEIGHBOURS,
    HostEuclidean,
    HostMatrix,
    make_sidecar,
    prepare,
)
from rsir_fast.ops.engines.host_euclidean import euclidean as search_matrix
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

__all__ = ["BlocksSearch", "HostBlocks", "euclidean", "prepare_blocks"]


LEAST_ROWS = 16
"""Of a block: fewer are sooner decided than a query is quantised for them."""


class HostBlocks:
    """Matrices in host memory, one after the other, each with its integer copy.

    Attributes
    ----------
    blocks : tuple of HostMatrix
        At least one, all with as many columns.
    normalize : {"none", "row"}
    """

    def __init__(self, blocks: Sequence[HostMatrix]) -> None:
        self.blocks = tuple(blocks)
        self.normalize = self.blocks[0].normalize

    @property
    def shape(self) -> tuple[int, int]:
        """Rows of all blocks, and columns."""
        return sum(len(block) for block in self.blocks), self.blocks[0].shape[1]

    @property
    def nbytes(self) -> int:
        """Bytes held: matrices and integer copies."""
        return sum(block.nbytes for block in self.blocks)

    def not_finite(self) -> NDArray[np.int64]:
        """Return the rows with a NaN or an infinity."""
        starts = np.cumsum([0, *(len(block) for block in self.blocks)])
        return np.concatenate([start + block.not_finite() for start, block in zip(starts, self.blocks, strict=False)])

    @property
    def copies(self) -> list[compiled.cpu.Sidecar]:
        """The integer copies that there are."""
        return [block.sidecar for block in self.blocks if block.sidecar is not None]

    def quantised(self, k: int, least: int, *, threads: int | None, isa: str | None) -> HostBlocks:
        """Return the same with integer copies for searches of k neighbours, of blocks of at least so many rows."""

        def quantised(block: HostMatrix) -> HostMatrix:
            if len(block) < least:
                return block
            share = _share(k, len(block), len(self))
            made = make_sidecar(block.rows, self.normalize, k=share, threads=threads, isa=isa)
            return HostMatrix(block.rows, self.normalize, made)

        return HostBlocks([quantised(block) for block in self.blocks])

    def __len__(self) -> int:
        return self.shape[0]

    def __str__(self) -> str:
        n, d = self.shape
        return f"{n} x {d} in {len(self.blocks)} blocks, normalize={self.normalize!r}, {self.nbytes / 2**20:.1f} MiB"


class BlocksSearch(Sides[FloatRows, HostBlocks]):
    """A search of several blocks."""

    plan: Callable[[], SearchPlan]
    distances = "float32"

    def __init__(
        self,
        queries: FloatRows,
        database: HostBlocks,
        restore: Restore,
        where: Any,
        method: Method,
        threads: int | None,
        isa: str | None,
        *,
        prepared: bool,
    ) -> None:
        self.queries = queries
        self.database = database
        self.prepared = prepared
        self.restore = restore
        self.method = method
        self.threads = threads
        self.isa = isa
        self.where = AllowedRows.of(where, len(database))

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
        queries = self.queries[rows]
        q, (n, d) = len(queries), self.database.shape
        taken, reason = self._pass(q, k)
        if taken == "certified" and not self.prepared and not self.database.copies:
            self.database = self.database.quantised(k, self._least, threads=self.threads, isa=self.isa)
            taken, reason = self._pass(q, k)  # known only now
        copies = [block.sidecar for block in self.database.blocks]
        parts = [
            (
                block.rows.array,
                len(block),
                block.rows.kind,
                copy if taken == "certified" and len(block) >= self._least else None,
            )
            for block, copy in zip(self.database.blocks, copies, strict=True)
        ]
        distances, ids = out or new_answer(q, k, np.float32)
        read = self.where.passed if taken == "certified" else self.where.count
        count = choose_threads(self.threads, tiny=is_tiny(q, read, d, taken))
        ran, candidates, decided, dense = compiled.cpu.euclidean_topk_blocks(
            queries.array,
            q,
            queries.dtype,
            parts,
            d,
            n,
            self.where.for_kernels,
            k,
            distances,
            ids,
            count,
            choose_isa(self.isa),
        )
        prepared = self.prepared  # a circle of references would keep the integer copies
        self.plan = lambda: SearchPlan(taken, reason, prepared, ran, count, candidates, decided, dense)
        return distances, ids

    @property
    def _least(self) -> int:
        """Rows of a block whose integer copy is read."""
        return 1 if self.method == "certified" else LEAST_ROWS

    def _pass(self, q: int, k: int) -> tuple[Literal["certified", "dense"], str]:
        n, d = self.database.shape
        copies = self.database.copies
        few = sum(len(block) for block in self.database.blocks if len(block) < self._least)
        return choose_pass(
            q,
            n,
            d,
            k,
            allowed=self.where.count,
            passed=self.where.passed,
            precision="int16" if any(copy.precision == "int16" for copy in copies) else "int8",
            prepared=self.prepared,
            max_width=MAX_WIDTH,
            wild=sum(copy.wild for copy in copies) + few,
            method=self.method,
        )

    def ranks(self, labels: Labels, block: int | None) -> Iterator[Ranks]:
        """Tell where the relevant items stand, a block of queries at a time."""
        rows = [block.rows for block in self.database.blocks]
        return ranks_of_labels(self.queries, rows, labels, self.where, block, threads=self.threads, isa=self.isa)


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
) -> HostEuclidean | BlocksSearch:
    """Check both sides, of whatever the database consists."""
    if isinstance(database, RowBlocks):
        found, prepared = _as_they_lie(database, chosen(normalize)), False
    elif isinstance(database, HostBlocks):
        found, prepared = database, True
    else:
        return search_matrix(
            queries, database, normalize, where=where, method=method, memory=memory, threads=threads, isa=isa
        )
    database = found
    rows, restore = as_rows(queries, "queries")
    check_normalize(database.normalize, normalize)
    check_width(rows.array.shape[1], database.shape[1])
    wanted = normalized_rows(rows, queries, database.normalize, threads=threads, isa=isa)
    return BlocksSearch(wanted, database, restore, where, method, threads, isa, prepared=prepared)


def _as_they_lie(database: RowBlocks, normalize: Literal["none", "row"]) -> HostBlocks:
    """Return blocks without integer copies, nothing copied; rows are normalised as they are read."""
    rows = [as_rows(block, "database")[0] for block in database.blocks]
    found = HostBlocks([HostMatrix(FloatRows(each.array, each.dtype, normalize), normalize, None) for each in rows])
    check_items(len(found))
    return found


def _share(k: int, rows: int, n: int) -> int:
    """Return a block's share of k neighbours in n rows."""
    return max(1, k * rows // max(1, n))


def prepare_blocks(
    blocks: Sequence[Any],
    normalize: Literal["none", "row"],
    precision: str,
    copy: bool,
    sidecars: Any,
    *,
    threads: int | None = None,
    isa: str | None = None,
) -> HostBlocks:
    """See `rsir_fast.prepare`."""
    if not blocks:
        raise ValueError("database: expected at least one block of rows, got an empty list")
    if sidecars is None:
        sidecars = [None] * len(blocks)
    if not isinstance(sidecars, (list, tuple)) or len(sidecars) != len(blocks):
        raise ValueError(f"sidecar: expected a list of {len(blocks)}, one for each block or None")
    sizes = [len(block) if hasattr(block, "__len__") else len(as_rows(block, "database")[0]) for block in blocks]
    found: list[HostMatrix] = []
    for number, (block, sidecar) in enumerate(zip(blocks, sidecars, strict=True)):
        k = _share(NEIGHBOURS, sizes[number], sum(sizes))
        found.append(prepare(block, normalize, precision, copy, sidecar, k=k, threads=threads, isa=isa))
        if found[-1].shape[1] != found[0].shape[1]:
            raise ValueError(
                f"database: expected blocks of as many columns, got {found[0].shape[1]} in block 0 and "
                f"{found[-1].shape[1]} in block {number}"
            )
    whole = HostBlocks(found)
    check_items(len(whole))
    return whole
