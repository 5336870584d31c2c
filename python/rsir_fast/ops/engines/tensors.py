"""Tensors in CUDA memory: what the device kernels are called with."""

from __future__ import annotations

import sys
from typing import Any

from rsir_fast.base.compiled import has_cuda
from rsir_fast.ops._arrays import check_rank, is_cuda_tensor

__all__ = ["Made", "device_serves", "dtype_name", "plain_on_device", "same_device", "stream_of"]


def device_serves(x: object) -> bool:
    """Tell whether the CUDA kernels can read ``x``: a dense CUDA tensor, where they were built."""
    return is_cuda_tensor(x) and str(x.layout) == "torch.strided" and has_cuda()  # type: ignore[attr-defined]


def same_device(x: Any, y: object) -> bool:
    """Tell whether ``y`` is a tensor on the device of the CUDA tensor ``x``."""
    return is_cuda_tensor(y) and x.device == y.device  # type: ignore[attr-defined]


def stream_of(x: Any) -> tuple[int, int]:
    """Return (device number, address of the caller's current stream on it)."""
    return x.device.index, sys.modules["torch"].cuda.current_stream(x.device).cuda_stream


class Made:
    """Tensors of one device that are kept for later searches, and the stream on which they were made.

    torch gives their memory away, once they are gone, as soon as that stream has come so far. It has to be told of a
    search on another one.
    """

    def __init__(self, *tensors: Any) -> None:
        self.tensors = tensors
        self.stream = stream_of(tensors[0])[1]

    def used_here(self) -> None:
        """Keep their memory until what is now on the caller's current stream is done."""
        if stream_of(self.tensors[0])[1] != self.stream:
            for tensor in self.tensors:
                record_use(tensor)


def record_use(tensor: Any) -> None:
    """Tell torch's allocator that the current stream uses a tensor."""
    tensor.record_stream(sys.modules["torch"].cuda.current_stream(tensor.device))


def dtype_name(x: Any) -> str:
    """Return a tensor's dtype as the device kernels name it."""
    return str(x.dtype).removeprefix("torch.")


def plain_on_device(x: Any, name: str, columns: str) -> Any:
    """Return a float tensor's values, contiguous and detached, without a copy where there need be none."""
    check_rank(x, name, columns)
    return x.detach().resolve_neg().contiguous()
