"""Normalisation on a CUDA device."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from rsir_fast.base import compiled
from rsir_fast.base.arrays import is_torch
from rsir_fast.ops.engines.statistics import GaussianStatistics, check_not_empty, checked
from rsir_fast.ops.engines.tensors import dtype_name, plain_on_device, same_device, stream_of

__all__ = ["normalize", "normalized", "statistics"]


def normalize(
    features: Any,
    axis: str,
    out: Any,
    given: GaussianStatistics | None,
    *,
    threads: int | None = None,
    isa: str | None = None,
) -> Any:
    """See `rsir_fast.gaussian_normalize`; `threads` and `isa` mean nothing here."""
    torch = sys.modules["torch"]
    values = plain_on_device(features, "features", "d")
    n, d = values.shape
    if out is not None:
        if not same_device(features, out) or out.dtype != torch.float32:
            kind = f"{type(out).__name__} {getattr(out, 'dtype', '')} {getattr(out, 'device', '')}".strip()
            raise TypeError(f"out: expected a float32 torch tensor on {features.device}, as features is, got {kind}")
        if out.shape != values.shape:
            raise ValueError(
                f"out: expected float32 of shape {list(values.shape)}, got float32 of shape {list(out.shape)}"
            )
    taken = None
    if axis == "feature":
        if given is not None:
            taken = checked(given, d, lambda x: _brought(x, values.device))
        elif n > 0:
            taken = _statistics(values)
    # The kernels read what they write before they write it, so that they may work in place; any other overlap could be
    # overwritten.
    direct = out is not None and out.is_contiguous() and (_in_place(values, out) or not _overlap(values, out))
    target = out.detach() if direct else torch.empty((n, d), dtype=torch.float32, device=features.device)
    matrix = values.data_ptr(), n, d, dtype_name(values)
    if axis == "row":
        compiled.cuda.gaussian_normalize(*matrix, target.data_ptr(), *stream_of(features))
    elif taken is not None:
        scale = torch.empty_like(taken.mean)
        places = taken.mean.data_ptr(), taken.std.data_ptr(), scale.data_ptr(), target.data_ptr()
        compiled.cuda.gaussian_apply(*matrix, *places, *stream_of(features))
    if out is None:
        return target
    if not direct:
        out.detach().copy_(target)
    return out


def normalized(rows: Any) -> Any:
    """Return rows normalised, each by its own mean and deviation."""
    return normalize(rows, "row", None, None)


def statistics(features: Any, *, threads: int | None = None, isa: str | None = None) -> GaussianStatistics:
    """See `rsir_fast.gaussian_statistics`; `threads` and `isa` mean nothing here."""
    return _statistics(plain_on_device(features, "features", "d"))


def _statistics(values: Any) -> GaussianStatistics:
    torch = sys.modules["torch"]
    n, d = values.shape
    check_not_empty(n, d)
    workspace = torch.empty(compiled.cuda.gaussian_statistics_bytes(d), dtype=torch.uint8, device=values.device)
    mean, std = (torch.empty(d, dtype=torch.float64, device=values.device) for _ in range(2))
    places = workspace.data_ptr(), mean.data_ptr(), std.data_ptr()
    compiled.cuda.gaussian_statistics(values.data_ptr(), n, d, dtype_name(values), *places, *stream_of(values))
    return GaussianStatistics(mean, std)


def _brought(values: Any, device: Any) -> Any:
    torch = sys.modules["torch"]
    given = values.detach().resolve_neg() if is_torch(values) else torch.from_numpy(np.array(values, dtype=np.float64))
    return given.to(device, torch.float64).contiguous()


def _in_place(values: Any, out: Any) -> bool:
    return bool(values.data_ptr() == out.data_ptr() and values.dtype == out.dtype)


def _overlap(a: Any, b: Any) -> bool:
    ends = a.data_ptr() + a.numel() * a.element_size(), b.data_ptr() + b.numel() * b.element_size()
    return bool(a.data_ptr() < ends[1] and b.data_ptr() < ends[0])
