"""Gaussian normalisation of feature matrices (Ge et al. 2018, equation 2)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rsir_fast.base.arrays import Array, as_host, is_torch
from rsir_fast.base.compiled import choose_isa, cpu
from rsir_fast.base.cores import choose_threads
from rsir_fast.ops._arrays import as_float, traced
from rsir_fast.ops._device import device_module, dtype_name, plain_on_device, same_device, stream_of
from rsir_fast.ops._settings import check_settings

__all__ = ["GaussianStatistics", "gaussian_normalize", "gaussian_statistics"]


class GaussianStatistics(NamedTuple):
    """Mean and population standard deviation of each feature over a database.

    Attributes
    ----------
    mean, std : numpy.ndarray, or torch.Tensor on the device of a CUDA database
        Shape [l], float64.
    """

    mean: Any
    std: Any


def gaussian_normalize(
    features: Any,
    axis: Literal["row", "feature"] = "row",
    out: Any = None,
    *,
    statistics: GaussianStatistics | None = None,
    threads: int | None = None,
    isa: str | None = None,
) -> Any:
    """Map features to ``(1 + (f - mu) / (3 sigma)) / 2``: most values come to lie in [0, 1], nothing is clipped.

    Parameters
    ----------
    features : array, shape [n, l], float16, bfloat16, float32 or float64
        NumPy array, torch tensor (any device) or DLPack array; need not be contiguous (then it is copied once). CUDA
        tensors are normalised on their device and the caller's stream where rsir_fast was built with CUDA; nothing
        waits for the device.
    axis : {"row", "feature"}
        ``"row"``: mu and sigma over the l elements of one image's vector, as in the paper. ``"feature"``: over the n
        images, for each feature.
    out : numpy.ndarray or torch tensor, shape [n, l], float32, optional
        Where to write, in host memory or (for a CUDA tensor) on its device; may be `features` itself or overlap it.
    statistics : GaussianStatistics, optional
        For ``axis="feature"``: mu and sigma of the database, to be applied to queries. By default those of `features`.
        From the host or a device: they are copied to where `features` are; that copy waits for the device.
    threads : int, optional
        Threads; by default ``RSIR_NUM_THREADS`` or all cores this process may use. Never changes a bit of the result.
    isa : str, optional
        Instruction set; by default ``RSIR_FORCE_ISA`` or the best one. Never changes a bit of the result.

    Returns
    -------
    array, shape [n, l], float32
        Of the kind and on the device of `features`. A constant row (column) becomes 0.5. One whose mean or deviation
        is not finite (it holds a NaN, an infinity, or float64 values beyond 1e150) becomes NaN.

    Raises
    ------
    TypeError
        `features` is no array of floating point numbers.
    ValueError
        A shape, an axis or `out` does not fit.

    Notes
    -----
    Sums are taken in float64 in the canonical lane order (`rsir_fast.ops.reference.lane_sum`); sigma is the population
    standard deviation; the result is rounded once to float32. O(n l) time: with ``axis="row"`` one read and one write
    of memory, further passes over a row find it in the cache. No extra memory with ``axis="row"``; that of
    `gaussian_statistics` with ``axis="feature"``. An output of more than 32 MiB is written past the caches.

    Examples
    --------
    >>> import numpy as np
    >>> import rsir_fast as rf
    >>> rf.gaussian_normalize(np.array([[1.0, 2.0, 3.0], [7.0, 7.0, 7.0]]))
    array([[0.29587585, 0.5       , 0.70412415],
           [0.5       , 0.5       , 0.5       ]], dtype=float32)
    """
    if axis not in ("row", "feature"):
        raise ValueError(f"axis: expected 'row' or 'feature', got {axis!r}")
    if axis == "row" and statistics is not None:
        raise ValueError("statistics: expected None with axis='row', whose mean and deviation are each row's own")
    if traced(features) and out is None and statistics is None:
        check_settings(None, threads, isa)
        from rsir_fast.ops import _torch_ops

        return _torch_ops.gaussian_normalize(features, axis)
    if (compiled := device_module(features)) is not None and features.is_floating_point():
        return _normalize_on_device(features, axis, out, statistics, compiled)
    values, restore = as_float(features, "features")
    result, target = _output(out, values)
    n, d = values.shape
    settings = choose_threads(threads), choose_isa(isa)
    dtype = values.dtype.str[1:]
    if axis == "row":
        cpu().gaussian_normalize(values, n, d, dtype, result, *settings)
    else:
        if n == 0 and statistics is None:
            return restore(result) if target is None else out
        given = gaussian_statistics(values, threads=threads, isa=isa) if statistics is None else statistics
        mean, std = _checked(given, d, _on_host)
        cpu().gaussian_apply(values, n, d, dtype, mean, std, result, *settings)
    if target is None:
        return restore(result)
    if target is not result:
        target[...] = result
    return out


def gaussian_statistics(features: Any, *, threads: int | None = None, isa: str | None = None) -> GaussianStatistics:
    """Return mean and population standard deviation of each feature over all images.

    Parameters
    ----------
    features : array, shape [n, l], floating point, n >= 1
    threads, isa : optional
        As in `gaussian_normalize`.

    Returns
    -------
    GaussianStatistics
        ``mean`` and ``std``, NumPy float64 [l], or for a CUDA tensor float64 tensors on its device; keep them with the
        database and pass them for its queries.

    Raises
    ------
    TypeError, ValueError
        As `gaussian_normalize`; also for an empty matrix, which has no mean.

    Notes
    -----
    O(n l) time: two reads of `features`. Extra memory: 256 l bytes, and 64 KiB a thread; on a device 288 l bytes. The
    lane order leaves 32 l sums to be taken at a time, each of n / 32 additions: too few to fill a device where l is
    small.

    Examples
    --------
    >>> import numpy as np
    >>> import rsir_fast as rf
    >>> rf.gaussian_statistics(np.array([[1.0, 10.0], [3.0, 10.0]]))
    GaussianStatistics(mean=array([ 2., 10.]), std=array([1., 0.]))
    """
    if (compiled := device_module(features)) is not None and features.is_floating_point():
        return _statistics_on_device(plain_on_device(features, "features", "d"), compiled)
    values, _ = as_float(features, "features")
    n, d = values.shape
    _check_rows(n, d)
    mean, std = np.empty(d), np.empty(d)
    cpu().gaussian_statistics(
        values,
        n,
        d,
        values.dtype.str[1:],
        mean,
        std,
        choose_threads(threads),
        choose_isa(isa),
    )
    return GaussianStatistics(mean, std)


def _check_rows(n: int, d: int) -> None:
    if n == 0:
        raise ValueError("features: expected at least one row to take statistics of, got shape " + str([n, d]))


def _checked(statistics: GaussianStatistics, d: int, take: Callable[[Any], Any]) -> GaussianStatistics:
    """Return given statistics as `take` makes float64 arrays of them, where the features are."""
    try:
        mean, std = (take(values) for values in statistics)
    except (TypeError, ValueError):
        raise TypeError(
            f"statistics: expected what gaussian_statistics returns, got {type(statistics).__name__}"
        ) from None
    for name, values in (("mean", mean), ("std", std)):
        if tuple(values.shape) != (d,):
            raise ValueError(
                f"statistics.{name}: expected shape [{d}], one value per feature, got {list(values.shape)}; "
                "take them from a database with as many features"
            )
    return GaussianStatistics(mean, std)


def _on_host(values: Any) -> NDArray[np.float64]:
    return np.ascontiguousarray(as_host(values, "statistics")[0] if is_torch(values) else values, dtype=np.float64)


def _on_device(values: Any, device: Any) -> Any:
    torch = sys.modules["torch"]
    given = values.detach().resolve_neg() if is_torch(values) else torch.from_numpy(np.array(values, dtype=np.float64))
    return given.to(device, torch.float64).contiguous()


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


def _normalize_on_device(
    features: Any, axis: str, out: Any, statistics: GaussianStatistics | None, compiled: Any
) -> Any:
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
    given = None
    if axis == "feature":
        if statistics is not None:
            given = _checked(statistics, d, lambda x: _on_device(x, values.device))
        elif n > 0:
            given = _statistics_on_device(values, compiled)
    # The kernels read what they write before they write it, so that they may work in place; any other overlap could be
    # overwritten.
    direct = out is not None and out.is_contiguous() and (_in_place(values, out) or not _overlap(values, out))
    target = out.detach() if direct else torch.empty((n, d), dtype=torch.float32, device=features.device)
    matrix = values.data_ptr(), n, d, dtype_name(values)
    if axis == "row":
        compiled.gaussian_normalize(*matrix, target.data_ptr(), *stream_of(features))
    elif given is not None:
        scale = torch.empty_like(given.mean)
        places = (x.data_ptr() for x in (*given, scale, target))
        compiled.gaussian_apply(*matrix, *places, *stream_of(features))
    if out is None:
        return target
    if not direct:
        out.detach().copy_(target)
    return out


def _statistics_on_device(values: Any, compiled: Any) -> GaussianStatistics:
    torch = sys.modules["torch"]
    n, d = values.shape
    _check_rows(n, d)
    workspace = torch.empty(compiled.gaussian_statistics_bytes(d), dtype=torch.uint8, device=values.device)
    mean, std = (torch.empty(d, dtype=torch.float64, device=values.device) for _ in range(2))
    places = (x.data_ptr() for x in (workspace, mean, std))
    compiled.gaussian_statistics(values.data_ptr(), n, d, dtype_name(values), *places, *stream_of(values))
    return GaussianStatistics(mean, std)


def _in_place(values: Any, out: Any) -> bool:
    return bool(values.data_ptr() == out.data_ptr() and values.dtype == out.dtype)


def _overlap(a: Any, b: Any) -> bool:
    ends = a.data_ptr() + a.numel() * a.element_size(), b.data_ptr() + b.numel() * b.element_size()
    return bool(a.data_ptr() < ends[1] and b.data_ptr() < ends[0])
