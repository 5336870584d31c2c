"""The ops as torch.library has them, so that torch.compile and torch.export keep a pipeline in one piece.

The public functions call these by themselves while torch traces; otherwise they are ``torch.ops.rsir_fast.*``. They
compute by the engines, on the tensors' device, and return plain tuples. Their answers have no gradient: tensors that
require one are taken for their values. Only imported where torch is.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from rsir_fast.ops._engine import engine_for
from rsir_fast.ops.engines.search import answer

__all__ = ["euclidean_topk", "gaussian_normalize", "hamming_topk", "pack_codes"]


@torch.library.custom_op("rsir_fast::gaussian_normalize", mutates_args=())
def gaussian_normalize(features: Tensor, axis: str = "row") -> Tensor:
    """`rsir_fast.gaussian_normalize`, without ``out`` and ``statistics``."""
    result: Tensor = engine_for(features).normalize(features, axis, None, None, threads=None, isa=None)
    return result


@torch.library.custom_op("rsir_fast::euclidean_topk", mutates_args=())
def euclidean_topk(
    queries: Tensor, database: Tensor, k: int, normalize: str = "none", where: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """`rsir_fast.euclidean_topk` of two tensors."""
    search = engine_for(queries, database).euclidean(queries, database, normalize, where=where)
    return answer(search, k, None, (queries, database))


@torch.library.custom_op("rsir_fast::hamming_topk", mutates_args=())
def hamming_topk(
    queries: Tensor, database: Tensor, k: int, bits: int | None = None, where: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """`rsir_fast.hamming_topk` of two tensors."""
    search = engine_for(queries, database, elements="uint8").hamming(queries, database, bits, where=where)
    return answer(search, k, None, (queries, database))


@torch.library.custom_op("rsir_fast::pack_codes", mutates_args=())
def pack_codes(u: Tensor) -> Tensor:
    """`rsir_fast.pack_codes`."""
    result: Tensor = engine_for(u).pack(u, None, threads=None, isa=None)
    return result


@gaussian_normalize.register_fake
def _(features: Tensor, axis: str = "row") -> Tensor:
    _check_matrix("features", features)
    return torch.empty(features.shape, dtype=torch.float32, device=features.device)


@euclidean_topk.register_fake
def _(
    queries: Tensor, database: Tensor, k: int, normalize: str = "none", where: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    return _answer(queries, database, k, torch.float32)


@hamming_topk.register_fake
def _(
    queries: Tensor, database: Tensor, k: int, bits: int | None = None, where: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    return _answer(queries, database, k, torch.int32)


@pack_codes.register_fake
def _(u: Tensor) -> Tensor:
    _check_matrix("u", u)
    n, b = u.shape
    return torch.empty((n, (b + 7) // 8), dtype=torch.uint8, device=u.device)


def _no_gradient(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.mark_non_differentiable(*(output if isinstance(output, tuple) else (output,)))
    ctx.inputs = len(inputs)


for _op in (gaussian_normalize, euclidean_topk, hamming_topk, pack_codes):
    _op.register_autograd(lambda ctx, *_: (None,) * ctx.inputs, setup_context=_no_gradient)


def _answer(queries: Tensor, database: Tensor, k: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    _check_matrix("queries", queries)
    _check_matrix("database", database)
    torch._check(
        queries.shape[1] == database.shape[1],
        lambda: f"queries have {queries.shape[1]} columns, the database has {database.shape[1]}",
    )
    shape, device = (queries.shape[0], k), queries.device
    return torch.empty(shape, dtype=dtype, device=device), torch.empty(shape, dtype=torch.int64, device=device)


def _check_matrix(name: str, x: Tensor) -> None:
    torch._check(x.dim() == 2, lambda: f"{name}: expected two axes, got shape {list(x.shape)}")
