"""Tensors in CUDA memory: what the device kernels are called with."""

from __future__ import annotations

import sys
from typing import Any

from rsir_fast.ops._arrays import check_rank, is_cuda_tensor
from rsir_fast.ops._dispatch import cuda

__all__ = ["device_module", "dtype_name", "plain_on_device", "same_device", "stream_of"]


def device_module(x: object) -> Any | None:
    """Return the compiled CUDA module if it can serve ``x``: a dense CUDA tensor where it was built, else None."""
    return cuda() if is_cuda_tensor(x) and str(x.layout) == "torch.strided" else None  # type: ignore[attr-defined]


def same_device(x: Any, y: object) -> bool:
    """Tell whether ``y`` is a tensor on the device of the CUDA tensor ``x``."""
    return is_cuda_tensor(y) and x.device == y.device  # type: ignore[attr-defined]


def stream_of(x: Any) -> tuple[int, int]:
    """Return (device number, address of the caller's current stream on it)."""
    return x.device.index, sys.modules["torch"].cuda.current_stream(x.device).cuda_stream


def dtype_name(x: Any) -> str:
    """Return a tensor's dtype as the device kernels name it."""
    return str(x.dtype).removeprefix("torch.")


def plain_on_device(x: Any, name: str, columns: str) -> Any:
    """Return a float tensor's values, contiguous and detached, without a copy where there need be none."""
    check_rank(x, name, columns)
    return x.detach().resolve_neg().contiguous()
