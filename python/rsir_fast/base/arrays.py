"""NumPy, torch and DLPack arrays in, NumPy arrays out, and the way back to the caller's kind and device."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rsir_fast.base.foreign import cannot_read, read_foreign, restore_to, tensor_remedy

__all__ = ["STORED", "Array", "Restore", "as_host", "float_kind", "is_torch", "no_plain_numbers", "unchanged"]

Array = NDArray[Any]
Restore = Callable[[Array], Any]
"""Turns a NumPy result into the kind of array that the caller gave, on the caller's device."""

STORED: dict[np.dtype[Any], Literal["f2", "f4", "f8"]] = {
    np.dtype(np.float16): "f2",
    np.dtype(np.float32): "f4",
    np.dtype(np.float64): "f8",
}
"""Native types that the kernels read as they are."""


def unchanged(result: Array) -> Array:
    """Return a result for a caller who gave NumPy arrays."""
    return result


def is_torch(x: object) -> bool:
    """Tell whether ``x`` is a torch tensor, without importing torch."""
    if type(x) is np.ndarray:
        return False
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.Tensor)


def _host_tensor(tensor: Any, name: str) -> tuple[Array, Restore]:
    torch = sys.modules["torch"]
    device = tensor.device
    try:
        host = tensor.detach().resolve_conj().resolve_neg().cpu()
        # NumPy has no bfloat16; widening is exact.
        array = (host.float() if host.dtype == torch.bfloat16 else host).numpy()
    except (TypeError, RuntimeError, NotImplementedError):
        raise no_plain_numbers(tensor, name) from None
    return array, lambda result: torch.from_numpy(result).to(device)


def no_plain_numbers(tensor: Any, name: str) -> TypeError:
    """Return the error for a tensor whose values cannot be read, with a remedy."""
    return TypeError(
        f"{name}: expected a dense torch tensor with data, of a dtype that NumPy or bfloat16 has, got {tensor.dtype} "
        f"({type(tensor).__name__}, {tensor.layout}, {tensor.device}); {tensor_remedy(tensor, name)}"
    )


def as_host(x: object, name: str) -> tuple[Array, Restore]:
    """Return a host view (a copy only if ``x`` lies on another device) and the way back to the caller's kind.

    Parameters
    ----------
    x : numpy.ndarray, torch.Tensor, pyarrow column of fixed-size lists, or any object with ``__dlpack__``,
        ``__array__``, ``__array_interface__`` or ``__array_struct__``
    name : str
        The argument's name, for the error.

    Raises
    ------
    TypeError
        ``x`` is none of these, or cannot be read as a plain array.
    """
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError(
            f"{name}: expected an array without mask, got a masked array; fill it with {name}.filled(value)"
        )
    if isinstance(x, np.ndarray):
        return x, unchanged
    if is_torch(x):
        return _host_tensor(x, name)
    array = read_foreign(x, name)
    if array is None:
        raise cannot_read(x, name)
    return array, restore_to(x) or unchanged


def float_kind(dtype: np.dtype[Any]) -> Literal["f2", "bf2", "f4", "f8"] | None:
    """Return how the kernels call elements of `dtype`, of either byte order; None for what is no such number."""
    kind = STORED.get(dtype.newbyteorder("="))
    return kind or ("bf2" if _is_bfloat16(dtype) else None)


@functools.cache
def _is_bfloat16(dtype: np.dtype[Any]) -> bool:
    """Tell by its bits: NumPy itself has no such type, and libraries have added it by several names."""
    native = dtype.newbyteorder("=")
    if native.itemsize != 2 or native.isbuiltin != 2:
        return False
    try:
        bits = np.array([1.0, -1.5, 2.0**-126, np.inf]).astype(native).view(np.uint16)
    except (TypeError, ValueError):
        return False
    return bool(bits.tolist() == [0x3F80, 0xBFC0, 0x0080, 0x7F80])
