"""What every library does for every op: prepare the database once, then the call that is timed.

A peer gets what its users would precompute: an index where it has one, else norms and scaled copies. Where a matrix of
distances is unavoidable it is made for at most `BLOCK` distances at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Answer = tuple[Any, Any]
Call = Callable[[Any, int], Answer]
"""(queries, k) -> (distances, ids); for ops without queries (None, 0) -> (result, None)."""

BLOCK = 2**28
"""Distances in memory at a time, 1 GiB."""


def _in_blocks(search: Call, items: int) -> Call:
    def call(queries: Any, k: int) -> Answer:
        step = max(1, BLOCK // max(1, items))
        if len(queries) <= step:
            return search(queries, k)
        parts = [search(queries[first : first + step], k) for first in range(0, len(queries), step)]
        return tuple(np.concatenate(part) for part in zip(*parts, strict=True))  # type: ignore[return-value]

    return call


def euclidean_rsir(database: Any) -> Call:
    import rsir_fast as rf

    prepared, address, shape = rf.prepare(database), database.ctypes.data, database.shape

    def search(queries: Any, k: int) -> Any:
        itself = queries.ctypes.data == address and queries.shape == shape
        return prepared.topk(prepared if itself else queries, k)

    return search


def euclidean_rsir_plain(database: Any) -> Call:
    import rsir_fast as rf

    return lambda queries, k: rf.euclidean_topk(queries, database, k)


def euclidean_faiss(database: Any) -> Call:
    import faiss

    index = faiss.IndexFlatL2(database.shape[1])
    index.add(database)
    return lambda queries, k: index.search(queries, k)


def euclidean_numpy(database: Any) -> Call:
    norms = np.einsum("nd,nd->n", database, database)
    items = (-2 * database).T

    def search(queries: Any, k: int) -> Answer:
        scores = queries @ items
        scores += norms
        ids = np.argpartition(scores, k - 1, axis=1)[:, :k]
        nearest = np.take_along_axis(scores, ids, 1)
        order = np.argsort(nearest, axis=1)
        nearest = np.take_along_axis(nearest, order, 1) + np.einsum("qd,qd->q", queries, queries)[:, None]
        return nearest, np.take_along_axis(ids, order, 1)

    return _in_blocks(search, len(database))


def euclidean_torch(database: Any) -> Call:
    import torch

    items = torch.from_numpy(database)
    norms = (items * items).sum(1)

    def search(queries: Any, k: int) -> Answer:
        rows = torch.from_numpy(queries)
        scores = torch.addmm(norms, rows, items.T, alpha=-2)
        distances, ids = scores.topk(k, dim=1, largest=False)
        distances += (rows * rows).sum(1, keepdim=True)
        return distances.numpy(), ids.numpy()

    return _in_blocks(search, len(database))


def euclidean_sklearn(database: Any) -> Call:
    from sklearn.neighbors import NearestNeighbors

    index = NearestNeighbors(algorithm="brute", metric="sqeuclidean", n_jobs=-1).fit(database)
    return lambda queries, k: index.kneighbors(queries, n_neighbors=k)


def euclidean_usearch(database: Any) -> Call:
    from usearch.index import MetricKind, search

    def call(queries: Any, k: int) -> Answer:
        found = search(database, queries, k, MetricKind.L2sq, exact=True, threads=_cores())
        return _rows(found.distances, k), _rows(found.keys, k)

    return call


def hamming_rsir(database: Any) -> Call:
    import rsir_fast as rf

    prepared = rf.prepare(database, metric="hamming")
    return lambda queries, k: rf.hamming_topk(queries, prepared, k)


def hamming_rsir_plain(database: Any) -> Call:
    import rsir_fast as rf

    return lambda queries, k: rf.hamming_topk(queries, database, k)


def hamming_faiss(database: Any) -> Call:
    import faiss

    index = faiss.IndexBinaryFlat(8 * database.shape[1])
    index.add(database)
    return lambda queries, k: index.search(queries, k)


def hamming_numpy(database: Any) -> Call:
    if database.shape[1] == 8:
        database = database.view(np.uint64)

    def call(queries: Any, k: int) -> Answer:
        distances, ids = [], []
        for query in queries.view(database.dtype):
            row = np.bitwise_count(database ^ query)
            row = row[:, 0] if row.shape[1] == 1 else row.sum(1, dtype=np.int32)
            nearest = np.argpartition(row, k - 1)[:k]
            nearest = nearest[np.argsort(row[nearest], kind="stable")]
            ids.append(nearest)
            distances.append(row[nearest])
        return np.array(distances, np.int32), np.array(ids)

    return call


def hamming_usearch(database: Any) -> Call:
    from usearch.index import MetricKind, search

    def call(queries: Any, k: int) -> Answer:
        found = search(database, queries, k, MetricKind.Hamming, exact=True, threads=_cores(), dtype="b1")
        return _rows(found.distances, k), _rows(found.keys, k)

    return call


def normalize_rsir(database: Any) -> Call:
    import rsir_fast as rf

    return lambda _, __: (rf.gaussian_normalize(database), None)


def normalize_numpy(database: Any) -> Call:
    def call(_: Any, __: int) -> Answer:
        centred = database - database.mean(1, keepdims=True)
        return centred / (6 * database.std(1, keepdims=True)) + np.float32(0.5), None

    return call


def normalize_torch(database: Any) -> Call:
    import torch

    rows = torch.from_numpy(database)

    def call(_: Any, __: int) -> Answer:
        centred = rows - rows.mean(1, keepdim=True)
        return (centred / (6 * rows.std(1, correction=0, keepdim=True)) + 0.5).numpy(), None

    return call


def normalize_layer_norm(database: Any) -> Call:
    import torch

    rows = torch.from_numpy(database)

    def call(_: Any, __: int) -> Answer:
        return torch.nn.functional.layer_norm(rows, rows.shape[1:], eps=0.0).div_(6).add_(0.5).numpy(), None

    return call


def normalize_sklearn(database: Any) -> Call:
    from sklearn.preprocessing import scale

    return lambda _, __: (scale(database, axis=1) / np.float32(6) + np.float32(0.5), None)


def into_rsir(database: Any) -> Call:
    import rsir_fast as rf

    out = np.zeros_like(database)
    return lambda _, __: (rf.gaussian_normalize(database, out=out), None)


def into_numpy(database: Any) -> Call:
    out = np.zeros_like(database)

    def call(_: Any, __: int) -> Answer:
        np.subtract(database, database.mean(1, keepdims=True), out=out)
        np.multiply(out, 1 / (6 * database.std(1, keepdims=True)), out=out)
        return np.add(out, np.float32(0.5), out=out), None

    return call


def into_torch(database: Any) -> Call:
    import torch

    rows = torch.from_numpy(database)
    out = torch.zeros_like(rows)

    def call(_: Any, __: int) -> Answer:
        std, mean = torch.std_mean(rows, 1, correction=0, keepdim=True)
        torch.sub(rows, mean, out=out)
        return out.mul_(1 / (6 * std)).add_(0.5).numpy(), None

    return call


def pack_rsir(database: Any) -> Call:
    import rsir_fast as rf

    return lambda _, __: (rf.pack_codes(database), None)


def pack_numpy(database: Any) -> Call:
    return lambda _, __: (np.packbits(database > 0, axis=1, bitorder="little"), None)


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0))


def _rows(answer: Any, k: int) -> Any:
    return np.asarray(answer).reshape(-1, k)


PEERS: dict[str, dict[str, Callable[[Any], Call]]] = {
    "euclidean_topk": {
        "rsir_fast": euclidean_rsir,
        "rsir_fast-plain": euclidean_rsir_plain,
        "faiss": euclidean_faiss,
        "faiss-best": euclidean_faiss,
        "torch": euclidean_torch,
        "numpy": euclidean_numpy,
        "sklearn": euclidean_sklearn,
        "usearch": euclidean_usearch,
    },
    "hamming_topk": {
        "rsir_fast": hamming_rsir,
        "rsir_fast-plain": hamming_rsir_plain,
        "faiss": hamming_faiss,
        "numpy": hamming_numpy,
        "usearch": hamming_usearch,
    },
    "gaussian_normalize": {
        "rsir_fast": normalize_rsir,
        "torch": normalize_torch,
        "torch-layer_norm": normalize_layer_norm,
        "numpy": normalize_numpy,
        "sklearn": normalize_sklearn,
    },
    "gaussian_normalize_into": {"rsir_fast": into_rsir, "torch": into_torch, "numpy": into_numpy},
    "pack_codes": {"rsir_fast": pack_rsir, "numpy": pack_numpy},
}
"""op -> peer -> how it prepares. `rsir_fast-plain` is ours on a plain array: nothing prepared."""
