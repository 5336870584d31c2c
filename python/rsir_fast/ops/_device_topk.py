"""Searches of CUDA tensors on the caller's stream: workspace from torch's allocator, nothing waits for the device."""

from __future__ import annotations

import sys
from typing import Any

from rsir_fast.ops._device import dtype_name, plain_on_device, stream_of
from rsir_fast.ops.gaussian_normalize import gaussian_normalize

__all__ = ["euclidean_on_device", "euclidean_search", "hamming_on_device", "sidecar_on_device"]

SORTED_KEYS = 1 << 27
"""Keys that are sorted at a time where k is too large for selection: 1 GiB, and as much again for the sort."""

CERTIFY_ELEMENTS = 1 << 20
"""Elements of the database from which on several queries are certified in half precision before they are decided."""

CERTIFIED_QUERIES = 4096
"""Queries that are certified at a time: 128 KiB of workspace each."""

MOST_WORDS = 1024
"""64-bit words of the longest code that the device kernel takes."""

MAX_ITEMS = 2**32 - 1
"""Item ids take 32 bits of a 64-bit sort key."""

INT32_MAX = 2**31 - 1


def hamming_on_device(compiled: Any, queries: Any, database: Any, k: int, bits: int) -> tuple[Any, Any]:
    """Run the search on uint8 tensors [q, bytes] and [n, bytes] of one CUDA device; arguments are checked."""
    torch = sys.modules["torch"]
    wanted = _whole_words(queries)
    items = wanted if database is queries else _whole_words(database)
    q, n, words = wanted.shape[0], items.shape[0], wanted.shape[1] // 8
    mask = (1 << (bits - 64 * (words - 1))) - 1 if words else 0
    place = stream_of(queries)

    def operands(first: int, count: int) -> tuple[int, ...]:
        return wanted.data_ptr() + first * 8 * words, count, items.data_ptr(), n, words, mask

    distances = torch.empty((q, k), dtype=torch.int32, device=queries.device)
    ids = torch.empty((q, k), dtype=torch.int64, device=queries.device)
    if k <= compiled.most_selected:
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


def euclidean_on_device(compiled: Any, queries: Any, database: Any, k: int, normalize: str) -> tuple[Any, Any]:
    """Check and search float tensors [q, d] and [n, d] of one CUDA device."""
    return euclidean_search(compiled, *_float_operands(queries, database, normalize), k)


def euclidean_search(compiled: Any, queries: Any, database: Any, k: int, sidecar: Any = None) -> tuple[Any, Any]:
    """Run the search on contiguous [q, d] and [n, d] of one float dtype and CUDA device; arguments are checked.

    ``sidecar``: what `sidecar_on_device` made of the database, to be used again.
    """
    torch = sys.modules["torch"]
    (q, d), n = queries.shape, database.shape[0]
    place = stream_of(queries)
    size = queries.element_size()

    def operands(first: int, count: int) -> tuple[Any, ...]:
        return queries.data_ptr() + first * d * size, count, database.data_ptr(), n, d, dtype_name(queries)

    distances = torch.empty((q, k), dtype=torch.float32, device=queries.device)
    ids = torch.empty((q, k), dtype=torch.int64, device=queries.device)
    if k > compiled.most_selected:
        distances.fill_(float("inf"))
        _sort_all(
            q,
            n,
            distances.view(torch.int32),
            ids,
            lambda first, count, to: compiled.euclidean_keys(*operands(first, count), to, *place),
        )
    elif q > 1 and k > 0 and n > 0 and n * d >= CERTIFY_ELEMENTS and compiled.certifies(place[0]):
        sidecar = sidecar_on_device(compiled, database) if sidecar is None else sidecar
        block = min(q, CERTIFIED_QUERIES)
        workspace = torch.empty(compiled.certify_bytes(block, n, d, k), dtype=torch.uint8, device=queries.device)
        for first in range(0, q, block):
            rows = slice(first, min(first + block, q))
            memory = sidecar.data_ptr(), workspace.data_ptr(), distances[rows].data_ptr(), ids[rows].data_ptr()
            compiled.certified_topk(*operands(first, rows.stop - first), k, *memory, *place)
    else:
        parts = compiled.euclidean_parts(q, n, k, place[0])
        keys = torch.empty((q, k, parts), dtype=torch.int64, device=queries.device)
        outputs = keys.data_ptr(), distances.data_ptr(), ids.data_ptr()
        compiled.euclidean_topk(*operands(0, q), k, parts, *outputs, *place)
    return distances, ids


def _float_operands(queries: Any, database: Any, normalize: str) -> tuple[Any, Any]:
    """Return both sides as contiguous matrices of one dtype, normalised if asked."""
    torch = sys.modules["torch"]
    if normalize not in ("none", "row"):
        raise ValueError(f"normalize: expected 'none' or 'row', got {normalize!r}")
    wanted = plain_on_device(queries, "queries", "d")
    items = wanted if database is queries else plain_on_device(database, "database", "d")
    if wanted.shape[1] != items.shape[1]:
        raise ValueError(
            f"queries have {wanted.shape[1]} features, the database has {items.shape[1]}; "
            "expected both from the same backbone and layer"
        )
    if items.shape[0] > MAX_ITEMS:
        raise ValueError(f"database: expected at most {MAX_ITEMS} rows, got {items.shape[0]}; search it in parts")
    if normalize == "row":
        rows = gaussian_normalize(wanted)
        return rows, rows if items is wanted else gaussian_normalize(items)
    if wanted.dtype != items.dtype:  # float16 and bfloat16 have no common type but float32
        wide = torch.float64 if torch.float64 in (wanted.dtype, items.dtype) else torch.float32
        return wanted.to(wide), items.to(wide)
    return wanted, items


def sidecar_on_device(compiled: Any, database: Any) -> Any:
    """Return the half-precision copy of a contiguous database with its bounds, as one block of bytes on the device."""
    torch = sys.modules["torch"]
    n, d = database.shape
    sidecar = torch.empty(compiled.sidecar_bytes(n, d), dtype=torch.uint8, device=database.device)
    compiled.make_sidecar(database.data_ptr(), n, d, dtype_name(database), sidecar.data_ptr(), *stream_of(database))
    return sidecar


def _whole_words(codes: Any) -> Any:
    """Return codes as rows of whole 64-bit words, 8-byte aligned: a copy only where they are not so already."""
    torch = sys.modules["torch"]
    missing = -codes.shape[1] % 8
    codes = torch.nn.functional.pad(codes, (0, missing)) if missing else codes.contiguous()
    return codes if codes.data_ptr() % 8 == 0 else codes.clone()


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
