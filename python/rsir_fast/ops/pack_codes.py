"""Binary codes from real-valued hash layers."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from rsir_fast.base.compiled import choose_isa, cpu
from rsir_fast.base.cores import choose_threads
from rsir_fast.ops._arrays import as_float, traced
from rsir_fast.ops._device import device_module, dtype_name, plain_on_device, stream_of
from rsir_fast.ops._outputs import delivered, given_array, host_views
from rsir_fast.ops._settings import check_settings

__all__ = ["pack_codes"]


def pack_codes(u: Any, *, out: Any = None, threads: int | None = None, isa: str | None = None) -> Any:
    """Pack the signs of real values into bytes: bit = (u > 0).

    Parameters
    ----------
    u : array, shape [n, b], float16, bfloat16, float32 or float64
        NumPy array, torch tensor or DLPack array. CUDA tensors are packed on their device and stream where rsir_fast
        was built with CUDA.
    out : array, shape [n, ceil(b / 8)], uint8, optional
        Where to write: contiguous, of the kind and on the device of `u`, in memory of its own. It is returned.
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
        `u` is no array of floating point numbers, or `out` no such array.
    ValueError
        `u` has not two axes, or the shape or memory of `out` does not fit.

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
    if out is None and traced(u):
        check_settings(None, threads, isa)
        from rsir_fast.ops import _torch_ops

        return _torch_ops.pack_codes(u)
    if (compiled := device_module(u)) is not None and u.is_floating_point():
        values = plain_on_device(u, "u", "b")
        n, b = values.shape
        codes = values.new_empty((n, (b + 7) // 8), dtype=sys.modules["torch"].uint8) if out is None else _given(out, u)
        compiled.pack_codes(values.data_ptr(), n, b, dtype_name(values), codes.data_ptr(), *stream_of(u))
        return codes if out is None else out
    values, restore = as_float(u, "u")
    n, b = values.shape
    written = None if out is None else host_views((_given(out, u),))
    (codes,) = written or (np.empty((n, (b + 7) // 8), dtype=np.uint8),)
    cpu().pack_codes(values, n, b, values.dtype.str[1:], codes, choose_threads(threads), choose_isa(isa))
    return delivered(None if out is None else (out,), written, (restore(codes),))[0]


def _given(out: Any, u: Any) -> Any:
    n, b = u.shape
    return given_array(out, "out", (u,), (n, (b + 7) // 8), "uint8")
