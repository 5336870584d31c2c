"""Normalisation on the host's cores."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsir_fast.base import compiled
from rsir_fast.base.arrays import Array, as_host, is_torch
from rsir_fast.base.cores import choose_threads
from rsir_fast.base.isa import choose_isa
from rsir_fast.ops._arrays import FloatRows, as_float
from rsir_fast.ops.engines.statistics import GaussianStatistics, check_not_empty, checked

__all__ = ["normalize", "normalized_rows", "statistics"]


def normalize(
    features: Any,
    axis: str,
    out: Any,
    given: GaussianStatistics | None,
    *,
    threads: int | None,
    isa: str | None,
) -> Any:
    """See `rsir_fast.gaussian_normalize`."""
    values, restore = as_float(features, "features")
    result, target = _output(out, values)
    n, d = values.shape
    if axis == "row":
        _by_row(values, result, threads=threads, isa=isa)
    else:
        if n == 0 and given is None:
            return restore(result) if target is None else out
        taken = statistics(values, threads=threads, isa=isa) if given is None else given
        mean, std = checked(taken, d, _read)
        settings = choose_threads(threads), choose_isa(isa)
        compiled.cpu.gaussian_apply(values, n, d, values.dtype.str[1:], mean, std, result, *settings)
    if target is None:
        return restore(result)
    if target is not result:
        target[...] = result
    return out


def statistics(features: Any, *, threads: int | None, isa: str | None) -> GaussianStatistics:
    """See `rsir_fast.gaussian_statistics`."""
    values, _ = as_float(features, "features")
    n, d = values.shape
    check_not_empty(n, d)
    mean, std = np.empty(d), np.empty(d)
    settings = choose_threads(threads), choose_isa(isa)
    compiled.cpu.gaussian_statistics(values, n, d, values.dtype.str[1:], mean, std, *settings)
    return GaussianStatistics(mean, std)


def normalized_rows(rows: FloatRows, source: Any, by: str, *, threads: int | None, isa: str | None) -> FloatRows:
    """Return `rows` themselves, or normalised; `source` is the array that they were read from."""
    if by == "none":
        return rows
    values, _ = as_float(source if rows.dtype == "bf2" else rows.array, "features")
    result = np.empty(values.shape, dtype=np.float32)
    _by_row(values, result, threads=threads, isa=isa)
    return FloatRows(result, "f4")


def _by_row(values: Array, result: NDArray[np.float32], *, threads: int | None, isa: str | None) -> None:
    n, d = values.shape
    settings = choose_threads(threads), choose_isa(isa)
    compiled.cpu.gaussian_normalize(values, n, d, values.dtype.str[1:], result, *settings)


def _read(values: Any) -> NDArray[np.float64]:
    return np.ascontiguousarray(as_host(values, "statistics")[0] if is_torch(values) else values, dtype=np.float64)


def _output(out: Any, values: Array) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Return (where the kernel writes, the caller's array or None); the two differ where the kernel cannot write."""
    if out is None:
        return np.empty(values.shape, dtype=np.float32), None
    plain = isinstance(out, np.ndarray)
    if not (plain or (is_torch(out) and str(out.device) == "cpu" and str(out.dtype) == "torch.float32")):
        kind = f"{type(out).__name__} {getattr(out, 'dtype', '')} {getattr(out, 'device', '')}".strip()
        raise TypeError(f"out: expected a NumPy array or a float32 torch tensor in host memory, got {kind}")
    target, _ = as_host(out, "out")
    if target.shape != values.shape or target.dtype.name != "float32":
        raise ValueError(
            f"out: expected float32 of shape {list(values.shape)}, got {target.dtype.name} of shape "
            f"{list(target.shape)}"
        )
    if not target.flags.writeable:
        raise ValueError("out: expected a writable array, got a read-only one")
    in_place = target.ctypes.data == values.ctypes.data and values.dtype == np.float32
    apart = in_place or not np.may_share_memory(target, values)
    direct = apart and target.flags.c_contiguous and target.flags.aligned and target.dtype.isnative
    return (target if direct else np.empty(values.shape, dtype=np.float32)), target
