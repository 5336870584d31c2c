"""NumPy, torch and DLPack arrays in; host arrays for the kernels; the caller's kind and device out."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rsir_fast.base.arrays import (
    STORED,
    Array,
    Restore,
    as_host,
    float_kind,
    is_torch,
    no_plain_numbers,
    unchanged,
)
from rsir_fast.base.foreign import remedy_for

__all__ = ["FloatRows", "as_codes", "as_float", "as_rows", "check_rank", "is_cuda_tensor"]

_CODE = np.dtype(np.uint8)


def is_cuda_tensor(x: object) -> bool:
    """Tell whether ``x`` is a torch tensor in CUDA memory."""
    return is_torch(x) and bool(x.is_cuda)  # type: ignore[attr-defined]


def check_rank(x: Array, name: str, columns: str) -> None:
    """Raise ValueError unless ``x`` has two axes."""
    if x.ndim != 2:
        hint = f"; for a single row use {name}[None, :]" if x.ndim == 1 else ""
        raise ValueError(f"{name}: expected shape [n, {columns}], got {list(x.shape)}{hint}")


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
    normalize : {"none", "row"}
        ``"row"``: Gaussian-normalised by the kernels as they read them.
    """

    array: Array
    dtype: str
    normalize: Literal["none", "row"] = "none"

    @property
    def kind(self) -> str:
        """What the kernels are told."""
        return self.dtype if self.normalize == "none" else f"{self.dtype} row"

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, rows: slice) -> FloatRows:
        return FloatRows(self.array[rows], self.dtype, self.normalize)


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
        dtype = STORED.get(x.dtype)
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
        raise no_plain_numbers(tensor, name) from None
    if plain.device.type == "meta":
        raise no_plain_numbers(tensor, name)
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
