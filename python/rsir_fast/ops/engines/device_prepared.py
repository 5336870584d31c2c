"""A database made ready for many searches on its CUDA device."""

from __future__ import annotations

import sys
from typing import Any, Literal

from rsir_fast.base import compiled
from rsir_fast.ops.engines.tensors import Made, dtype_name, plain_on_device, stream_of

__all__ = ["CODES", "DeviceMatrix", "make_copies", "prepare"]

CODES = {"auto": ("half", "int8"), "int16": ("half",), "int8": ("int8",)}
"""Copies of a database by the precision asked for: half precision for many queries at once, int8 for few."""


class DeviceMatrix:
    """A feature matrix on a CUDA device with the copies that certified search reads.

    Attributes
    ----------
    rows : torch.Tensor, shape [n, d]
        The matrix, normalised if asked.
    normalize : {"none", "row"}
    copies : dict of str to torch.Tensor
        ``"half"``, read for many queries, and ``"int8"``, read for few, as blocks of bytes; either may be missing.
    """

    def __init__(self, rows: Any, normalize: Literal["none", "row"], copies: dict[str, Any]) -> None:
        self.rows = rows
        self.normalize = normalize
        self.copies = copies
        self._made = Made(rows, *copies.values())

    def used_here(self) -> None:
        """Keep the memory, without this object too, until what the caller's current stream has queued is done."""
        self._made.used_here()

    def not_finite(self) -> Any:
        """Return the rows with a NaN or an infinity, in host memory; waits for the device."""
        return (~self.rows.isfinite().all(dim=1)).nonzero()[:, 0].cpu().numpy()

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

    def __str__(self) -> str:
        n, d = self.shape
        return (
            f"{n} x {d} {dtype_name(self.rows)} on {self.rows.device}, normalize={self.normalize!r}, "
            f"copies={sorted(self.copies)}, {self.nbytes / 2**20:.1f} MiB"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return DeviceMatrix, (self.rows, self.normalize, self.copies)


def prepare(
    database: Any,
    normalize: Literal["none", "row"],
    precision: str,
    copy: bool,
    *,
    threads: int | None = None,
    isa: str | None = None,
) -> DeviceMatrix:
    """Make a CUDA tensor ready; see `rsir_fast.prepare`. `threads` and `isa` mean nothing here."""
    matrix = plain_on_device(database, "database", "d")
    wanted = CODES[precision] if matrix.numel() > 0 else ()
    readable = {
        "half": compiled.cuda.certifies(stream_of(matrix)[0]),
        "int8": matrix.shape[1] <= compiled.cuda.most_integer_width,
    }
    wanted = tuple(codes for codes in wanted if readable[codes])
    if normalize == "row":
        rows = sys.modules["torch"].empty_like(matrix, dtype=sys.modules["torch"].float32)
        return DeviceMatrix(rows, normalize, make_copies(matrix, wanted, rows))
    rows = matrix.clone() if copy and matrix.data_ptr() == database.data_ptr() else matrix
    return DeviceMatrix(rows, normalize, make_copies(rows, wanted))


def make_copies(matrix: Any, wanted: tuple[str, ...], normalized: Any = None) -> dict[str, Any]:
    """Return copies of a contiguous matrix with their bounds, each as one block of bytes on its device.

    `normalized`, if given, receives the normalised rows, and it is they that are copied.
    """
    torch = sys.modules["torch"]
    n, d = matrix.shape
    copies = {
        codes: torch.empty(compiled.cuda.sidecar_bytes(codes, n, d), dtype=torch.uint8, device=matrix.device)
        for codes in wanted
    }
    written, half, int8 = (0 if x is None else x.data_ptr() for x in (normalized, *map(copies.get, CODES["auto"])))
    compiled.cuda.make_copies(matrix.data_ptr(), n, d, dtype_name(matrix), written, half, int8, *stream_of(matrix))
    return copies
