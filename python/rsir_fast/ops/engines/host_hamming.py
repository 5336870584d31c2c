"""Binary codes on the host's cores: packed, prepared, searched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsir_fast.base import compiled
from rsir_fast.base.arrays import Restore
from rsir_fast.base.cores import choose_threads
from rsir_fast.base.isa import choose_isa
from rsir_fast.ops._arrays import as_codes, as_float
from rsir_fast.ops._codes import check_same_codes, code_length, common_length
from rsir_fast.ops._outputs import delivered, given_codes, host_views, new_answer
from rsir_fast.ops._where import AllowedRows
from rsir_fast.ops.engines.search import ALL, Sides, check_items

__all__ = ["HostCodes", "HostHamming", "hamming", "pack", "prepare_codes"]

Codes = NDArray[np.uint8]

TINY = 1 << 22
"""Bits of queries times codes: less is done before another thread is awake."""


class HostCodes:
    """Binary codes in bit planes, in host memory.

    Attributes
    ----------
    n : int
        Codes; also ``len(...)``.
    bits : int
        Length of a code.
    planes : numpy.ndarray, shape [bytes], uint8
        The same bytes on every machine; read-only.
    rows : numpy.ndarray, shape [n, bytes], uint8, or None
        What they were made from, if that is kept: a search among few allowed codes reads those alone, which lie in as
        many lines of memory as they have bits in planes.
    """

    def __init__(self, planes: NDArray[np.uint8], n: int, bits: int, rows: Codes | None = None) -> None:
        self.planes = planes
        self.n = n
        self.bits = bits
        self.rows = rows

    @property
    def nbytes(self) -> int:
        """Bytes held: the planes, and the codes if they are kept."""
        return self.planes.nbytes + (0 if self.rows is None else self.rows.nbytes)

    def __len__(self) -> int:
        return self.n

    def __reduce__(self) -> tuple[Any, ...]:
        return _from_planes, (self.planes, self.n, self.bits, self.rows)

    @property
    def shape(self) -> tuple[int, int]:
        """Codes and bytes of each."""
        return self.n, (self.bits + 7) // 8

    def __str__(self) -> str:
        return f"{self.n} codes of {self.bits} bits, {self.nbytes / 2**20:.1f} MiB"


class HostHamming(Sides[Codes, "Codes | HostCodes"]):
    """A search of codes in host memory."""

    distances = "int32"

    def __init__(
        self,
        queries: Codes,
        database: Codes | HostCodes,
        bits: int,
        where: AllowedRows,
        restore: Restore,
        threads: int | None,
        isa: str | None,
    ) -> None:
        self.queries = queries
        self.database = database
        self.bits = bits
        self.where = where
        self.restore = restore
        self.threads = threads
        self.isa = isa

    @property
    def allowed(self) -> int:
        """Codes that may be answered with."""
        return self.where.count

    def direct(self, given: tuple[Any, Any] | None) -> tuple[Any, ...] | None:
        """Return what the kernels can write of the caller's arrays."""
        return host_views(given)

    def topk(
        self, k: int, out: tuple[Any, Any] | None = None, rows: slice = ALL
    ) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Search for some consecutive queries."""
        queries, database = self.queries if rows is ALL else self.queries[rows], self.database
        q, n = len(queries), len(database)
        distances, ids = out or new_answer(q, k, np.int32)
        # The kernels count what is allowed, on all threads.
        allowed = 0 if self.where.bitmap is None else self.where.bitmap
        threads = choose_threads(self.threads, tiny=q * n * self.bits < TINY)
        sought = n, self.bits, allowed, k, distances, ids, threads, choose_isa(self.isa)
        if isinstance(database, HostCodes):
            kept = 0 if database.rows is None else database.rows
            compiled.cpu.hamming_topk_prepared(queries, q, database.planes, kept, *sought)
        else:
            compiled.cpu.hamming_topk(queries, q, database, *sought)
        return distances, ids


def hamming(
    queries: Any,
    database: Any,
    bits: int | None,
    *,
    where: Any = None,
    threads: int | None = None,
    isa: str | None = None,
) -> HostHamming:
    """Check both sides, and read them as the kernels take them."""
    wanted, restore = as_codes(queries, "queries")
    width = wanted.shape[1]
    if isinstance(database, HostCodes):
        check_same_codes(width, database.bits, bits)
        return HostHamming(wanted, database, database.bits, AllowedRows.of(where, len(database)), restore, threads, isa)
    items = wanted if database is queries else as_codes(database, "database")[0]
    length = common_length(width, items.shape[1], bits)
    check_items(len(items))
    return HostHamming(wanted, items, length, AllowedRows.of(where, len(items)), restore, threads, isa)


def prepare_codes(
    database: Any, bits: int | None, copy: bool = True, *, threads: int | None = None, isa: str | None = None
) -> HostCodes:
    """See `rsir_fast.prepare`; without `copy` the caller's codes are kept beside the planes."""
    in_blocks = isinstance(database, (list, tuple))
    items = _joined(database) if in_blocks else as_codes(database, "database")[0]
    n = len(items)
    length = code_length(items.shape[1], bits)
    check_items(n)
    planes = _aligned(compiled.cpu.hamming_planes_bytes(n, length))
    compiled.cpu.hamming_prepare(items, n, length, planes, choose_threads(threads), choose_isa(isa))
    planes.flags.writeable = False
    return HostCodes(planes, n, length, None if copy or in_blocks else items)


def _joined(blocks: Sequence[Any]) -> Codes:
    """Return the codes of all blocks, one after the other: planes are a copy of them anyway."""
    if not blocks:
        raise ValueError("database: expected at least one block of codes, got an empty list")
    found = [as_codes(block, "database")[0] for block in blocks]
    for number, block in enumerate(found):
        if block.shape[1] != found[0].shape[1]:
            raise ValueError(
                f"database: expected blocks of as many bytes a code, got {found[0].shape[1]} in block 0 and "
                f"{block.shape[1]} in block {number}"
            )
    return np.concatenate(found)


def pack(u: Any, out: Any, *, threads: int | None, isa: str | None) -> Any:
    """See `rsir_fast.pack_codes`."""
    values, restore = as_float(u, "u")
    n, b = values.shape
    written = None if out is None else host_views((given_codes(out, u),))
    (codes,) = written or (np.empty((n, (b + 7) // 8), dtype=np.uint8),)
    compiled.cpu.pack_codes(values, n, b, values.dtype.str[1:], codes, choose_threads(threads), choose_isa(isa))
    return delivered(None if out is None else (out,), written, (restore(codes),))[0]


def _from_planes(planes: NDArray[np.uint8], n: int, bits: int, rows: Codes | None = None) -> HostCodes:
    held = _aligned(planes.nbytes)
    held[...] = planes
    held.flags.writeable = False
    return HostCodes(held, n, bits, rows)


def _aligned(size: int, boundary: int = 64) -> NDArray[np.uint8]:
    # One vector of a plane is then one cache line.
    room = np.empty(size + boundary, dtype=np.uint8)
    start = -room.ctypes.data % boundary
    return room[start : start + size]
