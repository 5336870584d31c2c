"""A database made ready for many searches."""

from __future__ import annotations

from typing import Any, Literal

from rsir_fast.ops._engine import engine_for
from rsir_fast.ops.engines import host, sharded
from rsir_fast.ops.engines.device_prepared import PreparedTensor
from rsir_fast.ops.engines.host_euclidean import PreparedDatabase
from rsir_fast.ops.engines.host_hamming import PreparedCodes
from rsir_fast.ops.engines.sharded import ShardedCodes, ShardedDatabase

__all__ = [
    "PreparedCodes",
    "PreparedDatabase",
    "PreparedTensor",
    "ShardedCodes",
    "ShardedDatabase",
    "prepare",
    "prepare_codes",
]


def prepare(
    database: Any,
    normalize: Literal["none", "row"] = "none",
    *,
    copy: bool = True,
    precision: Literal["auto", "int8", "int16"] = "auto",
    devices: Any = None,
    memory: int | None = None,
    threads: int | None = None,
    isa: str | None = None,
) -> PreparedDatabase | PreparedTensor | ShardedDatabase:
    """Make a database ready for many searches: `euclidean_topk` then reads a quarter of the bytes, and less often.

    Parameters
    ----------
    database : array, shape [n, d], float16, bfloat16, float32 or float64
        NumPy array, torch tensor (any device) or DLPack array. Half precision stays as it is stored; answers are exact
        with respect to the stored values.
    normalize : {"none", "row"}
        ``"row"``: Gaussian-normalise every vector first, and every query later (`gaussian_normalize`).
    copy : bool
        False: keep a reference to `database` where it can be read as it is; it must then not be changed as long as
        the result is in use.
    precision : {"auto", "int8", "int16"}
        Codes of the integer copy. ``"int8"``: half the memory and the work. ``"int16"``: next to nothing left to
        decide; sooner done for wide vectors without structure. ``"auto"``: the cheaper of the two for searches of about
        100 neighbours, judged by a sample. It never changes an answer.
    devices : sequence of torch.device, str or int, or "all", optional
        CUDA devices that share the search: each is given consecutive rows, nearly equally many, and searches them on
        its current stream; the answers are merged by (distance, id). A device may be named more than once.
    memory : int, optional
        With `devices`: leave the database in host memory, and send each device its rows in every search, through
        blocks of at most this many bytes (at least one row). For databases larger than the devices' memory. A database
        that can be read as it is, a memory-mapped one as well, is not copied and must not be changed during a search;
        one in pinned memory (``tensor.pin_memory()``) is read by the devices themselves, until the answer is there.
    threads, isa : optional
        As in `gaussian_normalize`.

    Returns
    -------
    PreparedDatabase, or PreparedTensor for a CUDA tensor where rsir_fast was built with CUDA
        What `euclidean_topk` and `rank_database` take as their database. It can be pickled. A PreparedTensor stays on
        its device, whatever the queries lie on; ``threads`` and ``isa`` mean nothing for it, and ``precision`` which
        copies it holds: ``"int8"`` for up to 8 queries at a time, half precision (``"int16"``, compute capability 8.0
        and newer) for more, both by default. It may be searched on any stream that has waited for the one it was made
        on, and deleted while searches go on.
    ShardedDatabase
        With `devices`: the same of several devices, or, with `memory`, of none. Its answers come on the device of the
        queries; queries in host memory are merged on the first device.

    Raises
    ------
    TypeError, ValueError
        As `euclidean_topk`; no such CUDA device, or less `memory` than a row takes.

    Notes
    -----
    O(n d) time. Memory: the matrix as it is stored, and d + 12 bytes a row (int16: 2 d + 12) for integer codes, their
    scale, the norm of what they leave out, and their own norm. On a device: 3 d + 24 bytes a row for both copies, d
    rounded up to 64; made on the caller's stream, nothing waits. Rows of up to 4096 columns (1024 of float64)
    are read once there, to be normalised and copied.

    Several devices: the same for the rows of each, which come through two blocks of 64 MiB; this waits for the devices
    unless the database is a CUDA tensor. With `memory` nothing is made here; in a search, each device holds two blocks
    of rows and what one of them takes to be searched (a wider copy with ``normalize="row"`` or queries of another
    dtype, one in half precision for several queries), in `memory` bytes and what rounds the last copy up to 256 rows.
    To these add the workspace of `euclidean_topk` for one block and up to 160 q k bytes for merging. While one block is
    searched, the next is copied; rows that are not pinned pass through 128 MiB of pinned host memory a device, and the
    host waits for these copies.

    Examples
    --------
    >>> import numpy as np
    >>> import rsir_fast as rf
    >>> database = np.array([[0.0, 0.0], [3.0, 4.0]], dtype=np.float32)
    >>> prepared = rf.prepare(database)
    >>> rf.euclidean_topk(database[1:], prepared, k=1)
    (array([[0.]], dtype=float32), array([[1]]))

    On all CUDA devices of a machine, and streamed to one of them, 8 GiB at a time:

    >>> shards = rf.prepare(database, devices="all")  # doctest: +SKIP
    >>> streamed = rf.prepare(database, devices="cuda:0", memory=8 << 30)  # doctest: +SKIP
    """
    if precision not in ("auto", "int8", "int16"):
        raise ValueError(f"precision: expected 'auto', 'int8' or 'int16', got {precision!r}")
    if normalize not in ("none", "row"):
        raise ValueError(f"normalize: expected 'none' or 'row', got {normalize!r}")
    if devices is not None:
        return sharded.prepare(database, normalize, precision, copy, devices, memory)
    _check_resident(memory)
    prepared: PreparedDatabase | PreparedTensor = engine_for(database).prepare(
        database, normalize, precision, copy, threads=threads, isa=isa
    )
    return prepared


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
        return sharded.prepare_codes(codes, bits, devices, memory)
    _check_resident(memory)
    return host.prepare_codes(codes, bits, threads=threads, isa=isa)


def _check_resident(memory: object) -> None:
    """Refuse `memory` where there are no devices that it would be of."""
    if memory is not None:
        raise ValueError(
            f"memory: expected None without devices, got {memory!r}; it is for blocks on the devices named by devices="
        )
