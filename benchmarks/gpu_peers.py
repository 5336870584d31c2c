"""Searches of other libraries on CUDA tensors, where they can be imported; untested where there is no device."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch

__all__ = ["cuvs_euclidean", "faiss_euclidean", "faiss_hamming"]


@cache
def _faiss_resources() -> Any:
    import faiss

    resources = faiss.StandardGpuResources()
    resources.setDefaultNullStreamAllDevices()  # that of torch, on which the events stand
    return resources


def faiss_euclidean(queries: torch.Tensor, database: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Run faiss-gpu's brute force; k up to 2048."""
    import faiss
    import faiss.contrib.torch_utils  # lets the call below take tensors

    distances, ids = faiss.knn_gpu(_faiss_resources(), queries, database, k)
    return distances, ids


@cache
def _faiss_binary(address: int, n: int, width: int) -> Any:  # `address`: of the database, as a part of the key
    import faiss

    return faiss.GpuIndexBinaryFlat(_faiss_resources(), 8 * width)


def faiss_hamming(queries: torch.Tensor, database: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Run faiss-gpu's binary flat index, built once a database; it takes queries and gives answers in host memory."""
    index = _faiss_binary(database.data_ptr(), *database.shape)
    if index.ntotal == 0:
        index.add(database.cpu().numpy())
    distances, ids = index.search(queries.cpu().numpy(), k)
    return torch.from_numpy(distances).to(queries.device), torch.from_numpy(ids).to(queries.device)


@cache
def _cuvs_resources() -> Any:
    from cuvs.common import Resources

    return Resources(stream=torch.cuda.current_stream().cuda_stream)


def cuvs_euclidean(queries: torch.Tensor, database: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Run cuVS's brute force, its norms included."""
    from cuvs.neighbors import brute_force

    resources = _cuvs_resources()
    index = brute_force.build(database, metric="sqeuclidean", resources=resources)
    distances, ids = brute_force.search(index, queries, k, resources=resources)
    resources.sync()
    return torch.as_tensor(distances, device=queries.device), torch.as_tensor(ids, device=queries.device)
