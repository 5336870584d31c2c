"""Euclidean search of CUDA tensors on the caller's stream: memory from torch's allocator, nothing waits."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from rsir_fast.base import compiled
from rsir_fast.base.arrays import Restore, unchanged
from rsir_fast.ops._arrays import as_float
from rsir_fast.ops.engines.device_answers import Report, bring, new_answer, sort_all, tallies
from rsir_fast.ops.engines.device_normalize import normalized
from rsir_fast.ops.engines.device_prepared import CODES, DeviceMatrix, make_copies
from rsir_fast.ops.engines.device_ranks import ranks_of_labels
from rsir_fast.ops.engines.device_where import AllowedRows, Gathered, allowed_rows, where_of
from rsir_fast.ops.engines.search import (
    ALL,
    Labels,
    RankedSearch,
    Ranks,
    Sides,
    check_items,
    check_normalize,
    check_width,
    chosen,
)
from rsir_fast.ops.engines.tensors import dtype_name, plain_on_device, stream_of

__all__ = ["DeviceEuclidean", "euclidean", "of_prepared"]

CERTIFY_ELEMENTS = 1 << 20
"""Elements of the database from which on several queries are certified in half precision before they are decided."""

SECOND_ELEMENTS = 1 << 24
"""Elements of the database from which on few queries, in whose case int8 leaves too many items, are certified in half
precision as well: it takes a dozen launches, whether or not there is such a query."""

CERTIFIED_QUERIES = 4096
"""Queries that are certified at a time: 128 KiB of workspace each, and a copy of them."""


class DeviceEuclidean(Sides[Any, Any]):
    """A search whose operands are contiguous, of one float dtype, on one CUDA device.

    Attributes
    ----------
    queries, database : torch.Tensor
    restore : callable
        Turns an answer into the kind of array that the queries are.
    prepared : DeviceMatrix or None
        To which the database belongs.
    copies : mapping
        What `prepare` made of the database.
    where : AllowedRows or None
        On that device.
    """

    distances = "float32"

    def __init__(
        self,
        queries: Any,
        database: Any,
        restore: Restore = unchanged,
        prepared: DeviceMatrix | None = None,
        where: AllowedRows | None = None,
    ) -> None:
        self.queries = queries
        self.database = database
        self.restore = restore
        self.prepared = prepared
        self.where = where
        copied = prepared is not None and database is prepared.rows
        self.copies: Mapping[str, Any] = prepared.copies if prepared is not None and copied else {}

    @property
    def allowed(self) -> int:
        """Items that can be answers; waits for the device."""
        return self.n if self.where is None else self.where.count()

    def direct(self, given: tuple[Any, Any] | None) -> tuple[Any, Any] | None:
        """Return what the kernels can write of the caller's arrays."""
        return given if self.restore is unchanged else None

    def topk(
        self, k: int, out: tuple[Any, Any] | None = None, rows: slice = ALL, report: Report | None = None
    ) -> tuple[Any, Any]:
        """Search for some consecutive queries."""
        torch = sys.modules["torch"]
        queries, database = self.queries[rows], self.database
        (q, d), n = queries.shape, database.shape[0]
        place = stream_of(queries)
        if self.prepared is not None:
            self.prepared.used_here()
        size = queries.element_size()

        def sides(first: int, count: int) -> tuple[int, int, int, int, int, str, int, int]:
            begin = queries.data_ptr() + first * d * size
            return begin, count, database.data_ptr(), n, d, dtype_name(queries), *where_of(self.where)

        distances, ids = out or new_answer(q, k, torch.float32, queries.device)
        if k > compiled.cuda.most_selected:
            distances.fill_(float("inf"))
            sort_all(
                q,
                n,
                distances.view(torch.int32),
                ids,
                lambda first, count, to: compiled.cuda.euclidean_keys(*sides(first, count), to, *place),
            )
        elif codes := self._codes(q, k):
            copies = self.copies if codes[0] in self.copies else make_copies(database, codes)
            half, int8 = (copies[name].data_ptr() if name in codes else 0 for name in CODES["auto"])
            block = min(q, CERTIFIED_QUERIES)
            needed = compiled.cuda.certify_bytes(half, int8, block, n, d, k)
            workspace = torch.empty(needed, dtype=torch.uint8, device=queries.device)
            for first in range(0, q, block):
                part = slice(first, min(first + block, q))
                memory = workspace.data_ptr(), distances[part].data_ptr(), ids[part].data_ptr()
                compiled.cuda.certified_topk(*sides(first, part.stop - first), k, half, int8, *memory, *place)
                if report is not None:
                    report(tallies(workspace, part.stop - first))
        else:
            parts = compiled.cuda.euclidean_parts(q, n, k, place[0])
            keys = torch.empty((q, k, parts), dtype=torch.int64, device=queries.device)
            outputs = keys.data_ptr(), distances.data_ptr(), ids.data_ptr()
            compiled.cuda.euclidean_topk(*sides(0, q), k, parts, *outputs, *place)
        return distances, ids

    def ranks(self, labels: Labels, block: int | None) -> Iterator[Ranks]:
        """Tell where the relevant items stand, a block of queries at a time."""
        return ranks_of_labels(self.queries, self.database, labels, self.where, block, self.prepared)

    def _codes(self, q: int, k: int) -> tuple[str, ...]:
        """Return the copies by which to certify, or none where measuring every item is sooner done.

        The second one is for queries in whose case the first leaves too many items.
        """
        database, copies = self.database, self.copies
        if k == 0 or q == 0 or self.n == 0 or database.numel() < CERTIFY_ELEMENTS:
            return ()
        device = stream_of(database)[0]
        halves = compiled.cuda.certifies(device)
        if "int8" in copies and q <= compiled.cuda.most_by_integers(device):
            second = "half" in copies and halves and database.numel() >= SECOND_ELEMENTS
            return ("int8", "half") if second else ("int8",)
        return ("half",) if q > 1 and halves else ()


class GatheredEuclidean(Gathered):
    """A search of some rows alone, which also tells where the relevant ones among them stand."""

    def __init__(self, search: DeviceEuclidean, ids: Any, n: int) -> None:
        super().__init__(search, ids, n)
        self._rows = search

    def ranks(self, labels: Labels, block: int | None) -> Iterator[Ranks]:
        """Tell where the relevant items stand, a block of queries at a time."""
        ids = self.ids.cpu().numpy()
        own = labels.own
        if own is not None:
            place = np.full(self.n, -1)
            place[ids] = np.arange(len(ids))
            own = place[own]
        return self._rows.ranks(Labels(labels.of_queries, labels.of_items[ids], own), block)


def euclidean(
    queries: Any,
    database: Any,
    normalize: str | None,
    *,
    where: Any = None,
    method: str = "auto",
    memory: int | None = None,
    threads: int | None = None,
    isa: str | None = None,
) -> RankedSearch:
    """Check two tensors of a device, or queries of any kind and a prepared one; what is of the host means nothing."""
    if isinstance(database, DeviceMatrix):
        check_normalize(database.normalize, normalize)
        return of_prepared(queries, database, allowed_rows(where, len(database)))
    by = chosen(normalize)
    wanted = plain_on_device(queries, "queries", "d")
    items = wanted if database is queries else plain_on_device(database, "database", "d")
    check_width(wanted.shape[1], items.shape[1])
    n = len(items)
    check_items(n)
    allowed = allowed_rows(where, n)
    ids = None if allowed is None else allowed.few(items.device)
    if ids is not None:
        items = items[ids]
    if by == "row":
        rows = normalized(wanted)
        sides = rows, rows if items is wanted else normalized(items)
    else:
        sides = _one_dtype(wanted, items)
    if ids is not None:
        return GatheredEuclidean(DeviceEuclidean(*sides), ids, n)
    return DeviceEuclidean(*sides, where=None if allowed is None else allowed.on(items.device))


def of_prepared(queries: Any, database: DeviceMatrix, where: AllowedRows | None = None) -> RankedSearch:
    """Check queries, on any device, and return their search of a prepared database, or of its few allowed rows."""
    rows = database.rows
    brought, restore = bring(queries, rows.device, as_float)
    wanted = plain_on_device(brought, "queries", "d")
    check_width(wanted.shape[1], rows.shape[1])
    if database.normalize == "row":
        wanted = normalized(wanted)
    database.used_here()  # where the dtypes differ, rows are read now
    ids = None if where is None else where.few(rows.device)
    if ids is not None:
        return GatheredEuclidean(DeviceEuclidean(*_one_dtype(wanted, rows[ids]), restore), ids, len(rows))
    allowed = None if where is None else where.on(rows.device)
    return DeviceEuclidean(*_one_dtype(wanted, rows), restore, database, allowed)


def _one_dtype(queries: Any, database: Any) -> tuple[Any, Any]:
    """Widen either side where the dtypes differ; float16 and bfloat16 have no common type but float32."""
    torch = sys.modules["torch"]
    if queries.dtype == database.dtype:
        return queries, database
    wide = torch.float64 if torch.float64 in (queries.dtype, database.dtype) else torch.float32
    return queries.to(wide), database.to(wide)
