"""The integer copy that certified search reads, as one block of bytes: kept in a file, used in place from a map."""

from __future__ import annotations

from typing import Any

import numpy as np

from rsir_fast.base import compiled

__all__ = ["Sidecar", "check_fits"]

ALIGNMENT = 64
DIGEST_BYTES = 32


class Sidecar:
    """What `prepare` makes beside a matrix in host memory, from `Database.sidecar` or from a file.

    Making one takes several searches' time; a saved one is ready as soon as it is mapped. The bytes are the same
    whatever instruction set wrote them, and every machine reads them: 16 rows interleaved, int8 or int16 codes, behind
    a header of 256 bytes with version, sizes and the digest of the matrix (`csrc/kernels/sidecar.h`). Which precision
    ``"auto"`` chooses depends on the machine, so that a sidecar is no part of what identifies a matrix.

    Examples
    --------
    >>> import hashlib
    >>> import numpy as np
    >>> import rsir_fast as rf
    >>> x = np.random.default_rng(0).random((1000, 16), dtype=np.float32)
    >>> digest = hashlib.sha256(x).digest()
    >>> made = rf.prepare(x).sidecar
    >>> made.mark(digest)
    >>> kept = made.tobytes()
    >>> database = rf.prepare(x, copy=False, sidecar=rf.Sidecar.from_buffer(kept, digest))
    >>> int(database.topk(x[7:8], 1)[1].item())
    7
    """

    def __init__(self, compiled: compiled.cpu.Sidecar) -> None:
        self.compiled = compiled

    @classmethod
    def from_buffer(cls, buffer: Any, digest: bytes) -> Sidecar:
        """Return the sidecar in a block of bytes, which is kept alive and must not change.

        Parameters
        ----------
        buffer : bytes, mmap.mmap, numpy.memmap or other buffer
            All of what `tobytes` gave. Read where it lies if that is a multiple of 64 bytes, as every map is, else
            copied.
        digest : bytes
            Of the matrix, 32 bytes: that with which the block was marked.

        Raises
        ------
        ValueError
            It is the block of another matrix, version or panel kind, or none at all.
        """
        block = np.frombuffer(buffer, np.uint8)
        if block.ctypes.data % ALIGNMENT:
            room = np.empty(len(block) + ALIGNMENT, np.uint8)
            first = -room.ctypes.data % ALIGNMENT
            room[first : first + len(block)] = block
            block = room[first : first + len(block)]
        found = cls(compiled.cpu.Sidecar.read(block))
        wanted = _checked(digest)
        if found.digest != wanted:
            made_of = "no matrix that is named" if found.digest is None else f"the matrix {found.digest.hex()[:16]}..."
            raise ValueError(
                f"sidecar: expected one of the matrix {wanted.hex()[:16]}..., got one of {made_of}; make it again"
            )
        return found

    def mark(self, digest: bytes) -> None:
        """Write into the block which matrix it was made of: before it is written to a file.

        Raises
        ------
        ValueError
            The digest has not 32 bytes, or the block was read from a file.
        """
        self.compiled.mark(_checked(digest))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the matrix."""
        return self.compiled.shape

    @property
    def precision(self) -> str:
        """Size of the codes: ``"int8"`` or ``"int16"``."""
        return self.compiled.precision

    @property
    def normalize(self) -> str:
        """With what the rows were normalised before: ``"none"`` or ``"row"``."""
        return self.compiled.normalize

    @property
    def digest(self) -> bytes | None:
        """Of the matrix, if the block is marked with it."""
        digest = self.compiled.digest
        return digest if any(digest) else None

    @property
    def nbytes(self) -> int:
        """Size of the block."""
        return self.compiled.nbytes

    @property
    def buffer(self) -> memoryview:
        """The block, read-only, where it lies."""
        return memoryview(self.compiled)

    def tobytes(self) -> bytes:
        """Return a copy of the block."""
        return self.buffer.tobytes()

    def __repr__(self) -> str:
        n, d = self.shape
        return f"Sidecar({n} x {d}, {self.precision}, normalize={self.normalize!r}, {self.nbytes / 2**20:.1f} MiB)"


def check_fits(sidecar: Sidecar, shape: tuple[int, int], normalize: str, precision: str) -> None:
    """Raise ValueError unless a sidecar was made of such a matrix, with the precision that is asked for."""
    for name, wanted, found in (
        ("shape", shape, sidecar.shape),
        ("normalize", normalize, sidecar.normalize),
        ("precision", sidecar.precision if precision == "auto" else precision, sidecar.precision),
    ):
        if found != wanted:
            raise ValueError(f"sidecar: expected one with {name} {wanted!r}, got {found!r}; make it again")


def _checked(digest: bytes) -> bytes:
    if not isinstance(digest, bytes) or len(digest) != DIGEST_BYTES or not any(digest):
        raise ValueError(f"digest: expected {DIGEST_BYTES} bytes, not all 0, got {digest!r:.80}; use hashlib.sha256")
    return digest
