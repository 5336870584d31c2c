"""Binary codes in CUDA memory: packed and searched there."""

from __future__ import annotations

import sys
from typing import Any

from rsir_fast.base import compiled
from rsir_fast.ops._arrays import check_rank
from rsir_fast.ops._codes import common_length
from rsir_fast.ops._outputs import given_codes
from rsir_fast.ops.engines.device_answers import Report, new_answer, sort_all, tallies
from rsir_fast.ops.engines.device_where import AllowedRows, Gathered, allowed_rows, where_of
from rsir_fast.ops.engines.search import ALL, Search, Sides, check_items
from rsir_fast.ops.engines.tensors import dtype_name, plain_on_device, stream_of

__all__ = ["DeviceHamming", "among", "hamming", "pack", "whole_words"]

MANY_QUERIES, MANY_ITEMS = 9, 1 << 18
"""From which on several phases on the tensor cores should beat one scan: a guess, to be measured."""

MANY_AT_ONCE = 4096
"""Queries that are searched so at a time: 64 KiB of workspace each, and room for k keys."""

INT32_MAX = 2**31 - 1


class DeviceHamming(Sides[Any, Any]):
    """A search of codes on one CUDA device.

    Attributes
    ----------
    queries, database : torch.Tensor, shapes [q, 8 words] and [n, 8 words], uint8
        As `whole_words` makes them.
    bits : int
    where : AllowedRows or None
        On that device.
    """

    distances = "int32"

    def __init__(self, queries: Any, database: Any, bits: int, where: AllowedRows | None = None) -> None:
        self.queries = queries
        self.database = database
        self.bits = bits
        self.where = where

    @property
    def allowed(self) -> int:
        """Codes that can be answers; waits for the device."""
        return self.n if self.where is None else self.where.count()

    def restore(self, part: Any) -> Any:
        """Return what is on the device already."""
        return part

    def direct(self, given: tuple[Any, Any] | None) -> tuple[Any, Any] | None:
        """Return what the kernels can write of the caller's arrays."""
        return given

    def topk(
        self, k: int, out: tuple[Any, Any] | None = None, rows: slice = ALL, report: Report | None = None
    ) -> tuple[Any, Any]:
        """Search for some consecutive queries."""
        torch = sys.modules["torch"]
        queries, database = self.queries[rows], self.database
        q, n, words = queries.shape[0], database.shape[0], queries.shape[1] // 8
        mask = (1 << (self.bits - 64 * (words - 1))) - 1 if words else 0
        place = stream_of(queries)

        def operands(first: int, count: int) -> tuple[int, int, int, int, int, int, int, int]:
            begin = queries.data_ptr() + first * 8 * words
            return begin, count, database.data_ptr(), n, words, mask, *where_of(self.where)

        distances, ids = out or new_answer(q, k, torch.int32, queries.device)
        if _counts_many(q, n, words, k, place[0]):
            block = min(q, MANY_AT_ONCE)
            workspace = torch.empty(
                compiled.cuda.hamming_many_bytes(block, n, k), dtype=torch.uint8, device=queries.device
            )
            for first in range(0, q, block):
                part = slice(first, min(first + block, q))
                memory = workspace.data_ptr(), distances[part].data_ptr(), ids[part].data_ptr()
                compiled.cuda.hamming_many(*operands(first, part.stop - first), k, *memory, *place)
                if report is not None:
                    report(tallies(workspace, part.stop - first))
        elif k <= compiled.cuda.most_selected:
            parts = compiled.cuda.hamming_parts(q, n, k, place[0])
            keys = torch.empty((q, k, parts), dtype=torch.int64, device=queries.device)
            outputs = keys.data_ptr(), distances.data_ptr(), ids.data_ptr()
            compiled.cuda.hamming_topk(*operands(0, q), k, parts, *outputs, *place)
        else:
            distances.fill_(INT32_MAX)
            sort_all(
                q,
                n,
                distances,
                ids,
                lambda first, count, to: compiled.cuda.hamming_keys(*operands(first, count), to, *place),
            )
        return distances, ids


def hamming(
    queries: Any,
    database: Any,
    bits: int | None,
    *,
    where: Any = None,
    threads: int | None = None,
    isa: str | None = None,
) -> Search:
    """Check two tensors of a device; `threads` and `isa` mean nothing here."""
    check_rank(queries, "queries", "bytes")
    check_rank(database, "database", "bytes")
    length = common_length(queries.shape[1], database.shape[1], bits)
    check_items(len(database))
    wanted = whole_words(queries)
    items = wanted if database is queries else whole_words(database)
    return among(wanted, items, length, allowed_rows(where, len(items)))


def among(queries: Any, database: Any, bits: int, where: AllowedRows | None) -> Search:
    """Return the search of whole words on one device, or of the few that are allowed."""
    if where is None:
        return DeviceHamming(queries, database, bits)
    ids = where.few(database.device)
    if ids is None:
        return DeviceHamming(queries, database, bits, where.on(database.device))
    return Gathered(DeviceHamming(queries, database[ids], bits), ids, len(database))


def pack(u: Any, out: Any, *, threads: int | None, isa: str | None) -> Any:
    """See `rsir_fast.pack_codes`; `threads` and `isa` mean nothing here."""
    values = plain_on_device(u, "u", "b")
    n, b = values.shape
    shape = (n, (b + 7) // 8)
    codes = values.new_empty(shape, dtype=sys.modules["torch"].uint8) if out is None else given_codes(out, u)
    compiled.cuda.pack_codes(values.data_ptr(), n, b, dtype_name(values), codes.data_ptr(), *stream_of(u))
    return codes if out is None else out


def whole_words(codes: Any) -> Any:
    """Return codes as rows of whole 64-bit words, 8-byte aligned: a copy only where they are not so already."""
    torch = sys.modules["torch"]
    missing = -codes.shape[1] % 8
    codes = torch.nn.functional.pad(codes, (0, missing)) if missing else codes.contiguous()
    return codes if codes.data_ptr() % 8 == 0 else codes.clone()


def _counts_many(q: int, n: int, words: int, k: int, device: int) -> bool:
    fits = 0 < k <= compiled.cuda.most_selected and 0 < words <= compiled.cuda.most_many_words
    return q >= MANY_QUERIES and n >= MANY_ITEMS and fits and compiled.cuda.counts_many(device)
