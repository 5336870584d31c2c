"""A database made ready for many searches on its CUDA device."""

from __future__ import annotations

import sys
from typing import Any, Literal

from rsir_fast.ops._arrays import check_rank
from rsir_fast.ops._device import device_module, dtype_name, plain_on_device, stream_of
from rsir_fast.ops.gaussian_normalize import gaussian_normalize

__all__ = ["PreparedTensor", "make_copy", "prepare_tensor"]

CODES = {"auto": ("half", "int8"), "int16": ("half",), "int8": ("int8",)}
"""Copies of a database by the precision asked for: half precision for many queries at once, int8 for few."""


class PreparedTensor:
    """A feature matrix on a CUDA device with the copies that certified search reads; made by `prepare`.

    Attributes
    ----------
    rows : torch.Tensor, shape [n, d]
        The matrix, normalised if asked.
    normalize : {"none", "row"}
    copies : dict of str to torch.Tensor
        ``"half"``, read for many queries, and ``"int8"``, read for up to 8, as blocks of bytes; either may be missing.
    """

    def __init__(self, rows: Any, normalize: Literal["none", "row"], copies: dict[str, Any]) -> None:
        self.rows = rows
        self.normalize = normalize
        self.copies = copies

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        n, d = self.rows.shape
        return n, d

    @property
    def nbytes(self) -> int:
        """Bytes held on the device: the matrix and its copies."""
        held = [self.rows, *self.copies.values()]
        return sum(int(tensor.numel() * tensor.element_size()) for tensor in held)

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        n, d = self.shape
        return (
            f"PreparedTensor({n} x {d} {dtype_name(self.rows)} on {self.rows.device}, normalize={self.normalize!r}, "
            f"copies={sorted(self.copies)}, {self.nbytes / 2**20:.1f} MiB)"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return PreparedTensor, (self.rows, self.normalize, self.copies)


def prepare_tensor(database: Any, normalize: Literal["none", "row"], precision: str, copy: bool) -> PreparedTensor:
    """Make a CUDA tensor ready; see `rsir_fast.prepare`."""
    compiled = device_module(database)
    rows = plain_on_device(database, "database", "d")
    if normalize == "row":
        rows = gaussian_normalize(rows)
    elif copy and rows.data_ptr() == database.data_ptr():
        rows = rows.clone()
    wanted = CODES[precision] if rows.numel() > 0 else ()
    if rows.shape[1] > compiled.most_integer_width:  # type: ignore[union-attr]
        wanted = tuple(codes for codes in wanted if codes != "int8")
    return PreparedTensor(rows, normalize, {codes: make_copy(compiled, rows, codes) for codes in wanted})


def make_copy(compiled: Any, rows: Any, codes: str) -> Any:
    """Return the copy of a contiguous matrix with its bounds, as one block of bytes on its device."""
    torch = sys.modules["torch"]
    check_rank(rows, "database", "d")
    n, d = rows.shape
    copy = torch.empty(compiled.sidecar_bytes(codes, n, d), dtype=torch.uint8, device=rows.device)
    compiled.make_sidecar(rows.data_ptr(), n, d, dtype_name(rows), codes, copy.data_ptr(), *stream_of(rows))
    return copy
