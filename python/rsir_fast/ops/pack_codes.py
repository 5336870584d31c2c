"""Binary codes from real-valued hash layers."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from rsir_fast.ops._arrays import as_float, check_rank, is_cuda_tensor
from rsir_fast.ops._dispatch import choose_isa, choose_threads, cpu, cuda

__all__ = ["pack_codes"]


def pack_codes(u: Any, *, threads: int | None = None, isa: str | None = None) -> Any:
    """Pack the signs of real values into bytes: bit = (u > 0).

    Parameters
    ----------
    u : array, shape [n, b], float16, bfloat16, float32 or float64
        NumPy array, torch tensor or DLPack array. CUDA tensors are packed on their device and stream where rsir_fast
        was built with CUDA.
    threads, isa : optional
        As in `gaussian_normalize`.

    Returns
    -------
    array, shape [n, ceil(b / 8)], uint8
        Bit j of a code is bit ``j % 8`` (least significant first) of byte ``j // 8``, as in
        ``numpy.packbits(u > 0, axis=1, bitorder="little")``; unused bits are 0. Zeros and NaN give 0. Of the kind and
        on the device of `u`.

    Raises
    ------
    TypeError
        `u` is no array of floating point numbers.
    ValueError
        `u` has not two axes.

    Notes
    -----
    The code of Song et al. 2021: the sign of the hash layer. O(n b) time, no extra memory.

    Examples
    --------
    >>> import numpy as np
    >>> import rsir_fast as rf
    >>> rf.pack_codes(np.array([[0.3, -2.0, 0.0, 1.0]]))
    array([[9]], dtype=uint8)
    """
    if is_cuda_tensor(u) and u.is_floating_point() and (compiled := cuda()) is not None:
        return _pack_on_device(u, compiled)
    values, restore = as_float(u, "u")
    n, b = values.shape
    codes = np.empty((n, (b + 7) // 8), dtype=np.uint8)
    cpu().pack_codes(
        values.ctypes.data, n, b, values.dtype.str[1:], codes.ctypes.data, choose_threads(threads), choose_isa(isa)
    )
    return restore(codes)


def _pack_on_device(u: Any, compiled: Any) -> Any:
    torch = sys.modules["torch"]
    check_rank(u, "u", "b")
    values = u.detach().resolve_neg().contiguous()
    n, b = values.shape
    codes = torch.empty((n, (b + 7) // 8), dtype=torch.uint8, device=u.device)
    stream = torch.cuda.current_stream(u.device).cuda_stream
    dtype = str(values.dtype).removeprefix("torch.")
    compiled.pack_codes(values.data_ptr(), n, b, dtype, codes.data_ptr(), u.device.index, stream)
    return codes
