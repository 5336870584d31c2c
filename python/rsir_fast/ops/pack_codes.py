"""Binary codes from real-valued hash layers."""

from __future__ import annotations

from typing import Any

from rsir_fast.ops._engine import engine_for
from rsir_fast.ops._tracing import operators_if_traced

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
    operators = operators_if_traced(u, threads=threads, isa=isa) if out is None else None
    if operators is not None:
        return operators.pack_codes(u)
    return engine_for(u).pack(u, out, threads=threads, isa=isa)
