"""Searches of CUDA tensors on the caller's stream: workspace from torch's allocator, nothing waits for the device."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from rsir_fast.base.arrays import Array, Restore, is_torch, unchanged
from rsir_fast.ops._arrays import as_float
from rsir_fast.ops._device import device_module, dtype_name, plain_on_device, same_device, stream_of
from rsir_fast.ops.gaussian_normalize import gaussian_normalize
from rsir_fast.ops.prepared_tensor import CODES, PreparedTensor, make_copies

__all__ = [
    "Operands",
    "Report",
    "bring",
    "check_normalize",
    "check_width",
    "euclidean_operands",
    "euclidean_search",
    "hamming_on_device",
    "prepared_operands",
    "whole_words",
]

SORTED_KEYS = 1 << 27
"""Keys that are sorted at a time where k is too large for selection: 1 GiB, and 4 more for torch's sort of them."""

CERTIFY_ELEMENTS = 1 << 20
"""Elements of the database from which on several queries are certified in half precision before they are decided."""

SECOND_ELEMENTS = 1 << 24
"""Elements of the database from which on few queries, in whose case int8 leaves too many items, are certified in half
precision as well: it takes a dozen launches, whether or not there is such a query."""

CERTIFIED_QUERIES = 4096
"""Queries that are certified at a time: 128 KiB of workspace each, and a copy of them."""

MANY_QUERIES, MANY_ITEMS = 16, 1 << 18
"""From which on several phases on the tensor cores should beat one scan: a guess, to be measured."""

MANY_AT_ONCE = 4096
"""Queries that are searched so at a time: 64 KiB of workspace each, and room for k keys."""

MOST_WORDS = 1024
"""64-bit words of the longest code that the device kernel takes."""

MAX_ITEMS = 2**32 - 1
"""Item ids take 32 bits of a 64-bit sort key."""

INT32_MAX = 2**31 - 1

Report = Callable[[Any], None]
"""Takes, of each block of queries of a search in two passes, an int32 tensor [2, q] on their device: how many items the
fast pass left to be decided, and 1 where it failed and the query was searched without it."""


def whole_words(codes: Any) -> Any:
    """Return codes as rows of whole 64-bit words, 8-byte aligned: a copy only where they are not so already."""
    torch = sys.modules["torch"]
    missing = -codes.shape[1] % 8
    codes = torch.nn.functional.pad(codes, (0, missing)) if missing else codes.contiguous()
    return codes if codes.data_ptr() % 8 == 0 else codes.clone()


def hamming_on_device(
    compiled: Any,
    queries: Any,
    database: Any,
    k: int,
    bits: int,
    out: tuple[Any, Any] | None = None,
    report: Report | None = None,
) -> tuple[Any, Any]:
    """Run the search on uint8 tensors [q, 8 words] and [n, 8 words] of one CUDA device, made by `whole_words`."""
    torch = sys.modules["torch"]
    q, n, words = queries.shape[0], database.shape[0], queries.shape[1] // 8
    mask = (1 << (bits - 64 * (words - 1))) - 1 if words else 0
    place = stream_of(queries)

    def operands(first: int, count: int) -> tuple[int, ...]:
        return queries.data_ptr() + first * 8 * words, count, database.data_ptr(), n, words, mask

    distances, ids = out or _new_answer(queries, k, torch.int32)
    if _counts_many(compiled, q, n, words, k, place[0]):
        block = min(q, MANY_AT_ONCE)
        workspace = torch.empty(compiled.hamming_many_bytes(block, n, k), dtype=torch.uint8, device=queries.device)
        for first in range(0, q, block):
            rows = slice(first, min(first + block, q))
            memory = workspace.data_ptr(), distances[rows].data_ptr(), ids[rows].data_ptr()
            compiled.hamming_many(*operands(first, rows.stop - first), k, *memory, *place)
            if report is not None:
                report(_tallies(workspace, rows.stop - first))
    elif k <= compiled.most_selected:
        parts = compiled.hamming_parts(q, n, k, place[0])
        keys = torch.empty((q, k, parts), dtype=torch.int64, device=queries.device)
        outputs = keys.data_ptr(), distances.data_ptr(), ids.data_ptr()
        compiled.hamming_topk(*operands(0, q), k, parts, *outputs, *place)
    else:
        distances.fill_(INT32_MAX)
        _sort_all(
            q, n, distances, ids, lambda first, count, to: compiled.hamming_keys(*operands(first, count), to, *place)
        )
    return distances, ids


def _counts_many(compiled: Any, q: int, n: int, words: int, k: int, device: int) -> bool:
    fits = 0 < k <= compiled.most_selected and 0 < words <= compiled.most_many_words
    return q >= MANY_QUERIES and n >= MANY_ITEMS and fits and compiled.counts_many(device)


class Operands(NamedTuple):
    """Both sides of a search, contiguous, of one float dtype and CUDA device."""

    compiled: Any
    queries: Any
    database: Any
    copies: Mapping[str, Any]
    """What `prepare` made of the database."""
    restore: Callable[[Any], Any]
    """Turns an answer into the kind of array that the queries are."""
    prepared: PreparedTensor | None = None
    """To which database and copies belong."""


def euclidean_operands(queries: Any, database: Any, normalize: str | None) -> Operands | None:
    """Check and return what can be searched on a device; None where that is the CPU's work."""
    if isinstance(database, PreparedTensor):
        check_normalize(database.normalize, normalize)
        return prepared_operands(queries, database)
    compiled = device_module(queries) if same_device(queries, database) else None
    if compiled is None or not (queries.is_floating_point() and database.is_floating_point()):
        return None
    normalize = "none" if normalize is None else normalize
    if normalize not in ("none", "row"):
        raise ValueError(f"normalize: expected 'none' or 'row', got {normalize!r}")
    wanted = plain_on_device(queries, "queries", "d")
    items = wanted if database is queries else plain_on_device(database, "database", "d")
    check_width(wanted, items)
    if items.shape[0] > MAX_ITEMS:
        raise ValueError(f"database: expected at most {MAX_ITEMS} rows, got {items.shape[0]}; search it in parts")
    if normalize == "row":
        rows = gaussian_normalize(wanted)
        return Operands(compiled, rows, rows if items is wanted else gaussian_normalize(items), {}, unchanged)
    return Operands(compiled, *_one_dtype(wanted, items), {}, unchanged)


def prepared_operands(queries: Any, database: PreparedTensor) -> Operands:
    """Check and return queries, on any device, and a prepared database."""
    rows, copies = database.rows, database.copies
    brought, restore = bring(queries, rows.device, as_float)
    wanted = plain_on_device(brought, "queries", "d")
    check_width(wanted, rows)
    if database.normalize == "row":
        wanted = gaussian_normalize(wanted)
    database.used_here()  # where the dtypes differ, rows are read now
    wanted, items = _one_dtype(wanted, rows)
    return Operands(device_module(rows), wanted, items, copies if items is rows else {}, restore, database)


def euclidean_search(
    operands: Operands, k: int, out: tuple[Any, Any] | None = None, report: Report | None = None
) -> tuple[Any, Any]:
    """Run the search on the device; `out`: tensors there, if the answer is wanted there."""
    torch = sys.modules["torch"]
    compiled, queries, database = operands[:3]
    (q, d), n = queries.shape, database.shape[0]
    place = stream_of(queries)
    if operands.prepared is not None:
        operands.prepared.used_here()
    size = queries.element_size()

    def sides(first: int, count: int) -> tuple[Any, ...]:
        return queries.data_ptr() + first * d * size, count, database.data_ptr(), n, d, dtype_name(queries)

    distances, ids = out or _new_answer(queries, k, torch.float32)
    if k > compiled.most_selected:
        distances.fill_(float("inf"))
        _sort_all(
            q,
            n,
            distances.view(torch.int32),
            ids,
            lambda first, count, to: compiled.euclidean_keys(*sides(first, count), to, *place),
        )
    elif codes := _codes(operands, k):
        copies = operands.copies if codes[0] in operands.copies else make_copies(compiled, database, codes)
        read = [copies[name].data_ptr() if name in codes else 0 for name in CODES["auto"]]
        block = min(q, CERTIFIED_QUERIES)
        size = compiled.certify_bytes(*read, block, n, d, k)
        workspace = torch.empty(size, dtype=torch.uint8, device=queries.device)
        for first in range(0, q, block):
            rows = slice(first, min(first + block, q))
            memory = workspace.data_ptr(), distances[rows].data_ptr(), ids[rows].data_ptr()
            compiled.certified_topk(*sides(first, rows.stop - first), k, *read, *memory, *place)
            if report is not None:
                report(_tallies(workspace, rows.stop - first))
    else:
        parts = compiled.euclidean_parts(q, n, k, place[0])
        keys = torch.empty((q, k, parts), dtype=torch.int64, device=queries.device)
        outputs = keys.data_ptr(), distances.data_ptr(), ids.data_ptr()
        compiled.euclidean_topk(*sides(0, q), k, parts, *outputs, *place)
    return operands.restore(distances), operands.restore(ids)


def _codes(operands: Operands, k: int) -> tuple[str, ...]:
    """Return the copies by which to certify, or none where measuring every item is sooner done.

    The second one is for queries in whose case the first leaves too many items.
    """
    compiled, queries, database, copies = operands[:4]
    q, n = queries.shape[0], database.shape[0]
    if k == 0 or q == 0 or n == 0 or database.numel() < CERTIFY_ELEMENTS:
        return ()
    halves = compiled.certifies(stream_of(database)[0])
    if "int8" in copies and q <= compiled.most_streamed:
        second = "half" in copies and halves and database.numel() >= SECOND_ELEMENTS
        return ("int8", "half") if second else ("int8",)
    return ("half",) if q > 1 and halves else ()


def _tallies(workspace: Any, q: int) -> Any:
    """Return a copy of what the kernels counted, with which their workspace begins."""
    return workspace[: 8 * q].view(sys.modules["torch"].int32).view(2, q).clone()


def _new_answer(queries: Any, k: int, dtype: Any) -> tuple[Any, Any]:
    torch = sys.modules["torch"]
    shape = (len(queries), k)
    distances = torch.empty(shape, dtype=dtype, device=queries.device)
    return distances, torch.empty(shape, dtype=torch.int64, device=queries.device)


def bring(queries: Any, device: Any, read: Callable[[Any, str], tuple[Array, Restore]]) -> tuple[Any, Restore]:
    """Return the queries, those of no tensor as `read` reads them, as a tensor on the device, and the way back."""
    if is_torch(queries):
        return queries.to(device), lambda answer: answer.to(queries.device)
    values, restore = read(queries, "queries")
    held = values if values.flags.writeable else values.copy()  # torch has no read-only tensors, and warns
    return sys.modules["torch"].from_numpy(held).to(device), lambda answer: restore(answer.cpu().numpy())


def check_normalize(made_with: str, normalize: str | None) -> None:
    """Raise ValueError if the caller asks for another normalisation than a database was prepared with."""
    if normalize not in (None, made_with):
        raise ValueError(
            f"normalize: expected {made_with!r}, with which the database was prepared, got {normalize!r}; "
            "leave it out, or prepare the database again"
        )


def check_width(queries: Any, database: Any) -> None:
    """Raise ValueError unless both sides have as many columns."""
    if queries.shape[1] != database.shape[1]:
        raise ValueError(
            f"queries have {queries.shape[1]} features, the database has {database.shape[1]}; "
            "expected both from the same backbone and layer"
        )


def _one_dtype(queries: Any, database: Any) -> tuple[Any, Any]:
    """Widen either side where the dtypes differ; float16 and bfloat16 have no common type but float32."""
    torch = sys.modules["torch"]
    if queries.dtype == database.dtype:
        return queries, database
    wide = torch.float64 if torch.float64 in (queries.dtype, database.dtype) else torch.float32
    return queries.to(wide), database.to(wide)


def _sort_all(q: int, n: int, words: Any, ids: Any, fill: Any) -> None:
    """Sort all keys of a block of queries at a time; `words` (int32) already holds what missing items get."""
    torch = sys.modules["torch"]
    ids.fill_(-1)
    if n == 0:
        return
    depth = min(ids.shape[1], n)
    block = max(1, SORTED_KEYS // n)
    for first in range(0, q, block):
        rows = slice(first, min(first + block, q))
        keys = torch.empty((rows.stop - first, n), dtype=torch.int64, device=ids.device)
        fill(first, rows.stop - first, keys.data_ptr())
        best = keys.sort(dim=1).values[:, :depth]
        words[rows, :depth] = (best >> 32).to(torch.int32)
        ids[rows, :depth] = best & 0xFFFFFFFF
