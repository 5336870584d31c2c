"""A database of binary codes, transposed once for many Hamming searches."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsir_fast.base.compiled import choose_isa, cpu
from rsir_fast.base.cores import choose_threads
from rsir_fast.ops._arrays import as_codes
from rsir_fast.ops._codes import code_length
from rsir_fast.ops.prepare import MAX_ITEMS, check_resident
from rsir_fast.ops.sharded import ShardedCodes, shard_codes

__all__ = ["PreparedCodes", "prepare_codes"]


class PreparedCodes:
    """Binary codes in bit planes, as made by `prepare_codes`: a database for `hamming_topk`.

    Attributes
    ----------
    n : int
        Codes; also ``len(...)``.
    bits : int
        Length of a code.
    nbytes : int
        Size in memory.
    planes : numpy.ndarray, shape [nbytes], uint8
        The same bytes on every machine; read-only.
    """

    instead_of_array = (
        "it is a database of hamming_topk and rank_database(metric='hamming'); elsewhere pass the codes it was made of"
    )

    def __init__(self, planes: NDArray[np.uint8], n: int, bits: int) -> None:
        self.planes = planes
        self.n = n
        self.bits = bits

    @property
    def nbytes(self) -> int:
        """Size in memory."""
        return self.planes.nbytes

    def __len__(self) -> int:
        return self.n

    def __repr__(self) -> str:
        return f"PreparedCodes(n={self.n}, bits={self.bits}, nbytes={self.nbytes})"


def prepare_codes(
    codes: Any,
    bits: int | None = None,
    *,
    devices: Any = None,
    memory: int | None = None,
    threads: int | None = None,
    isa: str | None = None,
) -> PreparedCodes | ShardedCodes:
    """Transpose codes into bit planes, the form that `hamming_topk` searches fastest.

    A search adds up, for 512 codes at a time, the planes of the bits in which a query is 1 (or 0, if those are fewer),
    and so reads no more than half of the database. Unprepared codes are transposed in every search.

    Parameters
    ----------
    codes : array, shape [n, bytes], uint8
        Codes as made by `pack_codes`: a NumPy array, a torch tensor (any device) or a DLPack array.
    bits : int, optional
        Length of a code, by default all ``8 * bytes`` bits; bits beyond it are ignored.
    devices, memory : optional
        As in `prepare`: put consecutive codes on each of several CUDA devices, or send them there in each search.
    threads, isa : optional
        As in `gaussian_normalize`; they never change a byte of the result.

    Returns
    -------
    PreparedCodes, or ShardedCodes with `devices`
        PreparedCodes hold no reference to `codes`, which may be deleted: the planes alone answer a search.

    Raises
    ------
    TypeError
        The codes are no uint8 array.
    ValueError
        The shape is not [n, bytes], `bits` does not fit into the bytes given or is more than 65535, or `devices` or
        `memory` are not as in `prepare`.

    Notes
    -----
    O(n bits) time. The planes take ``(bits + log2(bits) + 1) / 8`` bytes a code, that is 8.9 for 64 bits, for n rounded
    up to 4096 codes (512, if n is smaller); nothing more is needed to make them. On devices
    the codes lie as they are, padded to 64-bit words; a search that sends them keeps two blocks on each device, and,
    where codes are no whole words, a padded one.

    Examples
    --------
    >>> import numpy as np
    >>> import rsir_fast as rf
    >>> codes = np.arange(100, dtype=np.uint8)[:, None]
    >>> database = rf.prepare_codes(codes)
    >>> database
    PreparedCodes(n=100, bits=8, nbytes=768)
    >>> rf.hamming_topk(codes[7:8], database, k=3)
    (array([[0, 1, 1]], dtype=int32), array([[7, 3, 5]]))
    """
    if devices is not None:
        return shard_codes(codes, bits, devices, memory)
    check_resident(memory)
    items, _ = as_codes(codes, "codes")
    length = code_length(items.shape[1], bits)
    check_items(items.shape[0], "codes")
    module = cpu()
    planes = _aligned(module.hamming_planes_bytes(items.shape[0], length))
    module.hamming_prepare(items, items.shape[0], length, planes, choose_threads(threads), choose_isa(isa))
    planes.flags.writeable = False
    return PreparedCodes(planes, items.shape[0], length)


def check_items(n: int, name: str) -> None:
    """Raise ValueError for more rows than an id can name."""
    if n > MAX_ITEMS:
        raise ValueError(f"{name}: expected at most {MAX_ITEMS} rows, got {n}; search it in parts")


def _aligned(size: int, boundary: int = 64) -> NDArray[np.uint8]:
    # One vector of a plane is then one cache line.
    room = np.empty(size + boundary, dtype=np.uint8)
    start = -room.ctypes.data % boundary
    return room[start : start + size]
