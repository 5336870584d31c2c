"""Gaussian normalisation of feature matrices (Ge et al. 2018, equation 2)."""

from __future__ import annotations

from typing import Any, Literal

from rsir_fast.ops._engine import engine_for
from rsir_fast.ops._tracing import operators_if_traced
from rsir_fast.ops.engines.statistics import GaussianStatistics

__all__ = ["GaussianStatistics", "gaussian_normalize", "gaussian_statistics"]


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
    if out is None and statistics is None:
        operators = operators_if_traced(features, threads=threads, isa=isa)
        if operators is not None:
            return operators.gaussian_normalize(features, axis)
    return engine_for(features).normalize(features, axis, out, statistics, threads=threads, isa=isa)


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
    return engine_for(features).statistics(features, threads=threads, isa=isa)
