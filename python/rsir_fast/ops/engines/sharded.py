"""Databases on several CUDA devices, or larger than their memory and streamed to them from the host's."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Literal

from rsir_fast.base.arrays import Restore, is_torch
from rsir_fast.base.counts import as_count
from rsir_fast.ops._arrays import as_codes, as_float, as_rows, check_rank
from rsir_fast.ops._codes import check_same_codes, code_length
from rsir_fast.ops.engines.device_answers import bring, ranks_by_rankings
from rsir_fast.ops.engines.device_euclidean import of_prepared
from rsir_fast.ops.engines.device_hamming import INT32_MAX, among, whole_words
from rsir_fast.ops.engines.device_normalize import normalized
from rsir_fast.ops.engines.device_prepared import DeviceMatrix
from rsir_fast.ops.engines.device_prepared import prepare as prepare_tensor
from rsir_fast.ops.engines.device_where import AllowedRows, allowed_rows
from rsir_fast.ops.engines.search import ALL, MAX_ITEMS, Labels, Ranks, Sides, check_normalize, check_width
from rsir_fast.ops.engines.shards import Part, as_devices, bounds, search_parts
from rsir_fast.ops.engines.streams import ROOM, HostRows, blocks, streams
from rsir_fast.ops.engines.tensors import Made, device_serves, dtype_name, plain_on_device

__all__ = ["ShardedCodes", "ShardedMatrix", "euclidean", "hamming", "prepare", "prepare_codes"]

UPLOADED_BYTES = 1 << 26
"""Size of each of the two blocks by which rows come to a device to stay."""

DTYPES = {"f2": "float16", "bf2": "bfloat16", "f4": "float32", "f8": "float64"}


class Sharded:
    """Rows of which every device has, or is sent, some consecutive ones.

    Attributes
    ----------
    devices : list of torch.device
        Where the shards are searched, in row order.
    shards : list
        What lies on the devices; empty if the rows stay in host memory.
    memory : int or None
        Bytes on each device for the blocks of a search if the rows stay in host memory, else None.
    """

    def __init__(self, source: HostRows | list[Any], devices: list[Any], memory: int | None) -> None:
        self.rows = source if isinstance(source, HostRows) else None
        self.shards = [] if isinstance(source, HostRows) else source
        self.devices = devices
        self.memory = memory

    @property
    def nbytes(self) -> int:
        """Bytes held on all devices between searches."""
        return sum(int(shard.nbytes) for shard in self.shards)

    def __len__(self) -> int:
        return sum(len(rows) for rows in self.shards) if self.rows is None else len(self.rows)

    def _parts(self, row_bytes: int, where: AllowedRows | None = None) -> list[Part]:
        """Return the shards; blocks that are sent fit into `memory` by the bytes a row takes there.

        Shards and blocks that are known to hold no allowed row are left out.
        """

        def wanted(first: int, stop: int) -> bool:
            return where is None or where.part(first, stop - first).may_hold_any()

        shares = bounds(len(self), len(self.devices))
        if (rows := self.rows) is None:
            held = [
                [(share[0], shard)] if wanted(*share) else [] for share, shard in zip(shares, self.shards, strict=True)
            ]
            return [Part(device, items.__iter__) for device, items in zip(self.devices, held, strict=True)]
        size = min(MAX_ITEMS, max(1, (self.memory or 0) // max(1, row_bytes)))
        return [
            Part(device, partial(blocks, rows, device, size, *share, wanted))
            for device, share in zip(self.devices, shares, strict=True)
        ]

    def _where(self) -> str:
        places = ", ".join(str(device) for device in self.devices)
        held = f"{self.nbytes / 2**20:.1f} MiB" if self.memory is None else f"streamed, memory={self.memory}"
        return f"on {places}, {held}"


class ShardedMatrix(Sharded):
    """A feature matrix on several CUDA devices, or streamed to one or more.

    Attributes
    ----------
    normalize : {"none", "row"}
    shape : (int, int)
        Rows and columns.
    devices, shards, memory
        Where the rows are searched, what lies there (`DeviceMatrix`), and, if they stay in host memory, the bytes on
        each device for the blocks of a search.
    """

    shards: list[DeviceMatrix]

    def __init__(
        self,
        source: HostRows | list[DeviceMatrix],
        normalize: Literal["none", "row"],
        devices: list[Any],
        memory: int | None,
    ) -> None:
        super().__init__(source, devices, memory)
        self.normalize = normalize

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self), self._stored.shape[1]

    def __str__(self) -> str:
        n, d = self.shape
        return f"{n} x {d} {dtype_name(self._stored)}, normalize={self.normalize!r}, {self._where()}"

    def topk(self, queries: Any, k: int, where: AllowedRows | None) -> tuple[Any, Any]:
        """Search for queries on the device where answers are merged."""

        def search(here: Any, block: Any, depth: int, allowed: AllowedRows | None) -> tuple[Any, Any]:
            return of_prepared(here, self._ready(block), allowed).topk(depth)

        parts = self._parts(self.row_bytes(queries.dtype), where)
        return search_parts(parts, queries, k, len(self), float("inf"), search, where)

    def not_finite(self) -> Any:
        """Return the rows with a NaN or an infinity, in host memory; waits for the devices."""
        torch = sys.modules["torch"]
        found = [torch.empty(0, dtype=torch.int64)]
        for part in self._parts(self.row_bytes(self._stored.dtype)):
            for first, block in part.blocks():
                found.append((~self._ready(block).rows.isfinite().all(dim=1)).nonzero()[:, 0].cpu() + first)
        return torch.cat(found).numpy()

    def row_bytes(self, queries: Any) -> int:
        """Return the bytes that a row of a sent block takes on its device, by the dtype of the queries."""
        torch = sys.modules["torch"]
        stored, d = self._stored.dtype, self.shape[1]
        wide = torch.float64 if torch.float64 in (queries, stored) else torch.float32
        made = 0 if stored in (queries, wide) else wide.itemsize
        if self.normalize == "row":
            made = torch.float32.itemsize
        half = 2 * (d + -d % 64) + 12  # the copy for several queries, with its bounds
        return int(d * (ROOM * stored.itemsize + made) + half)

    @property
    def _stored(self) -> Any:
        return self.shards[0].rows if self.rows is None else self.rows

    def _ready(self, block: Any) -> DeviceMatrix:
        if isinstance(block, DeviceMatrix):
            return block
        return DeviceMatrix(normalized(block) if self.normalize == "row" else block, self.normalize, {})


class ShardedCodes(Sharded):
    """Binary codes on several CUDA devices, or streamed to one or more.

    Attributes
    ----------
    bits : int
        Length of a code.
    devices, shards, memory
        As of `ShardedMatrix`; the shards are tensors of codes, padded to 64-bit words.
    """

    def __init__(self, source: HostRows | list[Any], bits: int, devices: list[Any], memory: int | None) -> None:
        super().__init__(source, devices, memory)
        self.bits = bits
        self._made = [Made(shard) for shard in self.shards]

    @property
    def shape(self) -> tuple[int, int]:
        """Codes and bytes of each."""
        return len(self), (self.bits + 7) // 8

    def __str__(self) -> str:
        return f"{len(self)} codes of {self.bits} bits, {self._where()}"

    @property
    def row_bytes(self) -> int:
        """Bytes that a code of a sent block takes on its device."""
        width = (self.bits + 7) // 8
        return ROOM * width + (width + -width % 8 if width % 8 else 0)

    def topk(self, queries: Any, k: int, where: AllowedRows | None) -> tuple[Any, Any]:
        """Search for queries on the device where answers are merged."""

        def search(here: Any, block: Any, depth: int, allowed: AllowedRows | None) -> tuple[Any, Any]:
            return among(here, whole_words(block), self.bits, allowed).topk(depth)

        for made in self._made:
            made.used_here()
        parts = self._parts(self.row_bytes, where)
        return search_parts(parts, whole_words(queries), k, len(self), INT32_MAX, search, where)


class ShardedSearch(Sides[Any, ShardedMatrix | ShardedCodes]):
    """A search whose queries lie on the device where answers are merged."""

    def __init__(
        self,
        database: ShardedMatrix | ShardedCodes,
        queries: Any,
        where: AllowedRows | None,
        restore: Restore,
        distances: str,
    ) -> None:
        self.where = where
        self.database = database
        self.queries = queries
        self.restore = restore
        self.distances = distances

    @property
    def allowed(self) -> int:
        """Items that can be answers."""
        return self.n if self.where is None else self.where.count()

    def direct(self, given: tuple[Any, Any] | None) -> None:
        """Nothing is written in place: answers come from several devices."""

    def topk(self, k: int, out: tuple[Any, Any] | None = None, rows: slice = ALL) -> tuple[Any, Any]:
        return self.database.topk(self.queries[rows], k, self.where)

    def ranks(self, labels: Labels, block: int | None) -> Iterator[Ranks]:
        return ranks_by_rankings(self, labels, block)


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
) -> ShardedSearch:
    """Check queries of any kind and bring them to where answers are merged; what is of the host means nothing."""
    check_normalize(database.normalize, normalize)
    if is_torch(queries) and not queries.is_floating_point():
        raise TypeError(f"queries: expected floating point elements, got {queries.dtype}; convert them to float32")
    wanted, restore = bring(queries, _home(queries, database.devices), as_float)
    check_rank(wanted, "queries", "d")
    check_width(wanted.shape[1], database.shape[1])
    return ShardedSearch(database, wanted.detach(), _allowed(where, database), restore, "float32")


def hamming(
    queries: Any,
    database: Any,
    bits: int | None,
    *,
    where: Any = None,
    threads: int | None = None,
    isa: str | None = None,
) -> ShardedSearch:
    """Check queries of codes likewise."""
    if is_torch(queries) and dtype_name(queries) != "uint8":
        raise TypeError(
            f"queries: expected packed codes of dtype uint8, got {queries.dtype}; make them with rsir_fast.pack_codes"
        )
    wanted, restore = bring(queries, _home(queries, database.devices), as_codes)
    check_rank(wanted, "queries", "bytes")
    check_same_codes(wanted.shape[1], database.bits, bits)
    return ShardedSearch(database, wanted, _allowed(where, database), restore, "int32")


def prepare(
    database: Any, normalize: Literal["none", "row"], precision: str, copy: bool, devices: Any, memory: int | None
) -> ShardedMatrix:
    """Place a feature matrix; see `rsir_fast.prepare`."""
    places = as_devices(devices)
    source: Any = database
    if not device_serves(database):
        found, _ = as_rows(database, "database")
        source = HostRows(found.array, database, getattr(sys.modules["torch"], DTYPES[found.dtype]))
    elif not database.is_floating_point():
        raise TypeError(f"database: expected floating point elements, got {database.dtype}; convert them to float32")
    else:
        source = plain_on_device(database, "database", "d")
    places = places[: len(bounds(len(source), len(places)))]
    if memory is None:
        shards = [prepare_tensor(rows, normalize, precision, False) for rows in _placed(source, places, copy)]
        return ShardedMatrix(shards, normalize, places, None)
    streamed = ShardedMatrix(_in_host_memory(source), normalize, places, as_count(memory, "memory"))
    _check_memory(memory, streamed.row_bytes(source.dtype))
    return streamed


def prepare_codes(database: Any, bits: int | None, devices: Any, memory: int | None) -> ShardedCodes:
    """Place codes; see `rsir_fast.prepare`."""
    places = as_devices(devices)
    source: Any = database
    if not device_serves(database):
        source = HostRows(as_codes(database, "database")[0], database, sys.modules["torch"].uint8)
    elif dtype_name(database) != "uint8":
        raise TypeError(
            f"database: expected packed codes of dtype uint8, got {database.dtype}; make them with rsir_fast.pack_codes"
        )
    else:
        check_rank(database, "database", "bytes")
    length = code_length(source.shape[1], bits)
    places = places[: len(bounds(len(source), len(places)))]
    if memory is None:
        return ShardedCodes([whole_words(rows) for rows in _placed(source, places, True)], length, places, None)
    streamed = ShardedCodes(_in_host_memory(source), length, places, as_count(memory, "memory"))
    _check_memory(memory, streamed.row_bytes)
    return streamed


def _allowed(where: Any, database: Sharded) -> AllowedRows | None:
    """Read what a caller allows; in host memory where rows are sent from there, so that it is known which need not."""
    rows = allowed_rows(where, len(database))
    return rows if rows is None or database.rows is None else rows.in_host_memory()


def _in_host_memory(source: Any) -> HostRows:
    if isinstance(source, HostRows):
        return source
    raise ValueError(
        f"memory: expected None for a tensor on {source.device}, as only rows in host memory are sent to devices; "
        "leave it out, or pass .cpu()"
    )


def _check_memory(memory: int, row_bytes: int) -> None:
    if memory < row_bytes:
        raise ValueError(
            f"memory: expected at least the {row_bytes} bytes that a row takes on its device, got {memory}"
        )


def _placed(source: Any, places: Sequence[Any], copy: bool) -> list[Any]:
    """Return consecutive rows, nearly equally many for each place, as tensors there; host memory may then change."""
    torch = sys.modules["torch"]
    shares = bounds(len(source), len(places))
    if (most := max(stop - first for first, stop in shares)) > MAX_ITEMS:
        raise ValueError(f"devices: expected at most {MAX_ITEMS} rows on each, got {most}; name more, or give memory=")
    if not isinstance(source, HostRows):
        return [source[first:stop].to(place, copy=copy) for place, (first, stop) in zip(places, shares, strict=True)]
    size = max(1, UPLOADED_BYTES // max(1, source.row_bytes))
    shards = []
    for place, (first, stop) in zip(places, shares, strict=True):
        shard = torch.empty((stop - first, source.shape[1]), dtype=source.dtype, device=place)
        for start, block in blocks(source, place, size, first, stop):
            shard[start - first : start - first + len(block)].copy_(block)
        streams(place)[0].record_event().synchronize()
        shards.append(shard)
    return shards


def _home(queries: Any, devices: Sequence[Any]) -> Any:
    return queries.device if device_serves(queries) else devices[0]
