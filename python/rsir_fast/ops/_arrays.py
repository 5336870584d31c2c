"""NumPy, torch and DLPack arrays in; host arrays for the kernels; the caller's kind and device out."""

from __future__ import annotations

import functools
import operator
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rsir_fast.base.text import printable
from rsir_fast.ops._foreign import cannot_read, read_foreign, remedy_for, restore_to, tensor_remedy

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


_STORED: dict[np.dtype[Any], Literal["f2", "f4", "f8"]] = {
    np.dtype(np.float16): "f2",
    np.dtype(np.float32): "f4",
    np.dtype(np.float64): "f8",
}
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
    except (TypeError, RuntimeError, NotImplementedError):
        raise _no_plain_numbers(tensor, name) from None
    return array, lambda result: torch.from_numpy(result).to(device)


def _no_plain_numbers(tensor: Any, name: str) -> TypeError:
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


def check_rank(x: Array, name: str, columns: str) -> None:
    """Raise ValueError unless ``x`` has two axes."""
    if x.ndim != 2:
        hint = f"; for a single row use {name}[None, :]" if x.ndim == 1 else ""
        raise ValueError(f"{name}: expected shape [n, {columns}], got {list(x.shape)}{hint}")


def float_kind(dtype: np.dtype[Any]) -> Literal["f2", "bf2", "f4", "f8"] | None:
    """Return how the kernels call elements of `dtype`, of either byte order; None for what is no such number."""
    kind = _STORED.get(dtype.newbyteorder("="))
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


def _checked_kind(host: Array, name: str) -> Literal["f2", "bf2", "f4", "f8"]:
    kind = float_kind(host.dtype)
    if kind is None:
        raise TypeError(
            f"{name}: expected float16, bfloat16, float32 or float64 elements, got {host.dtype.name}; "
            f"{remedy_for(host, name)}"
        )
    check_rank(host, name, "d")
    return kind


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
    wide = np.float64 if _checked_kind(host, name) == "f8" else np.float32
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
        return _bfloat16_tensor(x, name)
    host, restore = as_host(x, name)
    kind = _checked_kind(host, name)
    if kind == "bf2":
        bits = host.view(np.uint16 if host.dtype.isnative else np.dtype(np.uint16).newbyteorder())
        return FloatRows(np.require(bits, np.uint16, ["C", "A"]), kind), restore
    return FloatRows(np.require(host, f"={kind}", ["C", "A"]), kind), restore


def _bfloat16_tensor(tensor: Any, name: str) -> tuple[FloatRows, Restore]:
    torch = sys.modules["torch"]
    try:
        plain = tensor.detach().resolve_neg().contiguous().view(torch.int16)
    except (TypeError, RuntimeError, NotImplementedError):
        raise _no_plain_numbers(tensor, name) from None
    if plain.device.type == "meta":
        raise _no_plain_numbers(tensor, name)
    bits, restore = as_host(plain, name)
    check_rank(bits, name, "d")
    return FloatRows(np.require(bits.view(np.uint16), None, ["C", "A"]), "bf2"), restore


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


def as_count(
    value: object,
    name: str,
    *,
    least: int = 0,
    most: int = 2**63 - 1,
    noun: str = "a number of ",
    unit: str = "",
) -> int:
    """Return a whole number of `least` to `most`; True and False are none.

    Parameters
    ----------
    noun, unit
        What the errors say before and behind the bound.

    Raises
    ------
    TypeError
        ``value`` is not a whole number.
    ValueError
        ``value`` is out of range.
    """
    try:
        count = value if isinstance(value, bool) else operator.index(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, RuntimeError):
        count = True  # as little a number as True is
    if isinstance(count, bool):
        raise TypeError(f"{name}: expected a whole number, got {type(value).__name__} {printable(repr(value)[:80])}")
    if least <= count <= most:
        return count
    bound = f"at least {least}" if count < least else f"at most {most}"
    shown = str(count) if abs(count) < 2**70 else f"a number of {count.bit_length()} bits"
    raise ValueError(f"{name}: expected {noun}{bound}{unit}, got {shown}")
