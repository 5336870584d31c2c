"""NumPy, torch and DLPack arrays in; host arrays for the kernels; the caller's kind and device out."""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Array",
    "FloatRows",
    "Restore",
    "as_codes",
    "as_count",
    "as_float",
    "as_host",
    "as_rows",
    "check_rank",
    "is_cuda_tensor",
    "is_torch",
    "traced",
    "unchanged",
]

Array = NDArray[Any]
Restore = Callable[[Array], Any]
"""Turns a NumPy result into the kind of array that the caller gave, on the caller's device."""


_STORED = {np.dtype(code): code for code in ("f2", "f4", "f8")}
"""Native types that the kernels read as they are."""
_CODE = np.dtype(np.uint8)


def unchanged(result: Array) -> Array:
    return result


def is_torch(x: object) -> bool:
    """Tell whether ``x`` is a torch tensor, without importing torch."""
    if type(x) is np.ndarray:
        return False
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.Tensor)


def traced(*operands: object) -> bool:
    """Tell whether torch is tracing (torch.compile, torch.export) and all `operands` are its tensors."""
    torch = sys.modules.get("torch")
    return torch is not None and torch.compiler.is_compiling() and all(isinstance(x, torch.Tensor) for x in operands)


def is_cuda_tensor(x: object) -> bool:
    """Tell whether ``x`` is a torch tensor in CUDA memory."""
    return is_torch(x) and bool(x.is_cuda)  # type: ignore[attr-defined]


def _host_tensor(tensor: Any, name: str) -> tuple[Array, Restore]:
    torch = sys.modules["torch"]
    device = tensor.device
    try:
        host = tensor.detach().resolve_conj().resolve_neg().cpu()
        # NumPy has no bfloat16; widening is exact.
        array = (host.float() if host.dtype == torch.bfloat16 else host).numpy()
    except (TypeError, RuntimeError, NotImplementedError) as error:
        raise TypeError(
            f"{name}: expected a dense torch tensor with data, of a dtype that NumPy or bfloat16 has, got "
            f"{tensor.dtype} ({tensor.layout}, {device}): {str(error).splitlines()[0]}"
        ) from None
    return array, lambda result: torch.from_numpy(result).to(device)


def as_host(x: object, name: str) -> tuple[Array, Restore]:
    """Return a host view (a copy only if ``x`` lies on another device) and the way back to the caller's kind.

    Parameters
    ----------
    x : numpy.ndarray, torch.Tensor, or any object with ``__dlpack__`` or ``__array__``
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
        return x, lambda result: result
    if is_torch(x):
        return _host_tensor(x, name)
    if hasattr(x, "__dlpack__"):
        namespace = (
            x.__array_namespace__() if hasattr(x, "__array_namespace__") else sys.modules.get(type(x).__module__)
        )
        back = getattr(namespace, "from_dlpack", None)
        return np.from_dlpack(x), back if back is not None else (lambda result: result)
    if hasattr(x, "__array__"):
        return np.asarray(x), lambda result: result
    raise TypeError(
        f"{name}: expected a NumPy array, a torch tensor or an array with DLPack, got {type(x).__name__}; "
        f"convert it with numpy.asarray({name}, dtype=numpy.float32)"
    )


def check_rank(x: Array, name: str, columns: str) -> None:
    """Raise ValueError unless ``x`` has two axes."""
    if x.ndim != 2:
        hint = f"; for a single row use {name}[None, :]" if x.ndim == 1 else ""
        raise ValueError(f"{name}: expected shape [n, {columns}], got {list(x.shape)}{hint}")


def as_float(x: object, name: str) -> tuple[Array, Restore]:
    """Return a C-contiguous native float32 or float64 matrix [n, d]; float16 and bfloat16 are widened exactly.

    Raises
    ------
    TypeError
        The elements are not floating point.
    ValueError
        There are not two axes.
    """
    host, restore = as_host(x, name)
    if host.dtype.name not in ("float16", "bfloat16", "float32", "float64"):
        raise TypeError(
            f"{name}: expected float16, bfloat16, float32 or float64 elements, got {host.dtype.name}; "
            "convert them to float32"
        )
    check_rank(host, name, "d")
    wide = np.float64 if host.dtype.name == "float64" else np.float32
    return np.require(host, wide, ["C", "A"]), restore


@dataclass
class FloatRows:
    """A matrix as the kernels read it.

    Attributes
    ----------
    array : numpy.ndarray
        Shape [n, d], C-contiguous, native: float16, float32, float64, or the uint16 bits of bfloat16.
    dtype : str
        ``"f2"``, ``"f4"``, ``"f8"`` or ``"bf2"``.
    """

    array: Array
    dtype: str

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, rows: slice) -> FloatRows:
        return FloatRows(self.array[rows], self.dtype)


def as_rows(x: object, name: str) -> tuple[FloatRows, Restore]:
    """Return a float matrix [n, d] as it is stored: half precision is not widened.

    Raises
    ------
    TypeError
        The elements are not floating point.
    ValueError
        There are not two axes.
    """
    if type(x) is np.ndarray and x.ndim == 2:  # what nearly every call brings, without the general path's detours
        dtype = _STORED.get(x.dtype)
        if dtype is not None and x.flags.c_contiguous and x.flags.aligned:
            return FloatRows(x, dtype), unchanged
    if is_torch(x) and (torch := sys.modules["torch"]) and x.dtype == torch.bfloat16:  # type: ignore[attr-defined]
        if x.layout != torch.strided:  # type: ignore[attr-defined]
            return as_host(x, name)  # type: ignore[return-value]  # which refuses it
        bits, restore = as_host(x.detach().contiguous().view(torch.int16), name)  # type: ignore[attr-defined]
        check_rank(bits, name, "d")
        return FloatRows(np.require(bits.view(np.uint16), None, ["C", "A"]), "bf2"), restore
    host, restore = as_host(x, name)
    if host.dtype.name == "bfloat16":
        check_rank(host, name, "d")
        return FloatRows(np.require(host.view(np.uint16), None, ["C", "A"]), "bf2"), restore
    if host.dtype.name != "float16":
        wide, restore = as_float(x, name)
        return FloatRows(wide, wide.dtype.str[1:]), restore
    check_rank(host, name, "d")
    return FloatRows(np.require(host, np.float16, ["C", "A"]), "f2"), restore


def as_codes(x: object, name: str) -> tuple[NDArray[np.uint8], Restore]:
    """Return a C-contiguous uint8 matrix [n, bytes].

    Raises
    ------
    TypeError
        The elements are not uint8.
    ValueError
        There are not two axes.
    """
    if type(x) is np.ndarray and x.ndim == 2 and x.dtype is _CODE and x.flags.c_contiguous:
        return x, unchanged
    host, restore = as_host(x, name)
    if host.dtype != np.uint8:
        raise TypeError(
            f"{name}: expected packed codes of dtype uint8, got {host.dtype.name}; make them with rsir_fast.pack_codes"
        )
    check_rank(host, name, "bytes")
    return np.require(host, np.uint8, ["C", "A"]), restore


def as_count(value: object, name: str) -> int:
    """Return a whole number of at least 0.

    Raises
    ------
    TypeError
        ``value`` is not a whole number.
    ValueError
        ``value`` is negative.
    """
    try:
        count = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{name}: expected a whole number, got {type(value).__name__} {value!r}") from None
    if count < 0:
        raise ValueError(f"{name}: expected a number of at least 0, got {count}")
    return count
