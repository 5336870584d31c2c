"""A database made ready for many searches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from rsir_fast.base.row_blocks import RowBlocks
from rsir_fast.ops._engine import engine_for
from rsir_fast.ops.database import Database, Metric
from rsir_fast.ops.engines import host, sharded
from rsir_fast.ops.sidecar import Sidecar

__all__ = ["prepare"]


def prepare(
    database: Any,
    normalize: Literal["none", "row"] = "none",
    *,
    metric: Metric = "euclidean",
    bits: int | None = None,
    copy: bool = True,
    precision: Literal["auto", "int8", "int16"] = "auto",
    sidecar: Sidecar | Sequence[Sidecar | None] | None = None,
    devices: Any = None,
    memory: int | None = None,
    threads: int | None = None,
    isa: str | None = None,
) -> Database:
    """Make a database ready for many searches: they then read a quarter of the bytes, and less often.

    Codes are transposed into bit planes: a search adds up, for 512 codes at a time, the planes of the bits in which a
    query is 1 (or 0, if those are fewer), and so reads no more than half of the database.

    Parameters
    ----------
    database : array, shape [n, d], float16, bfloat16, float32 or float64; or [n, bytes], uint8; or list of arrays
        NumPy array, torch tensor (any device) or DLPack array. Half precision stays as it is stored; answers are exact
        with respect to the stored values. A list of such arrays, each read in host memory, or `RowBlocks`, is one
        database of all their rows, block after block: ids and `where` go on from one to the next. With
        ``metric="hamming"``: codes as made by `pack_codes`, in one array or several; the planes are one.
    normalize : {"none", "row"}
        ``"row"``: Gaussian-normalise every vector first, and every query later (`gaussian_normalize`).
    metric : {"euclidean", "hamming"}
        What is searched by: vectors by their Euclidean distance, or binary codes by their Hamming distance.
    bits : int, optional
        With ``metric="hamming"``: length of a code, by default all ``8 * bytes`` bits; bits beyond it are ignored.
    copy : bool
        False: keep a reference to a matrix `database` in host memory where it can be read as it is, a memory-mapped one
        as well; it must then not be changed as long as the result is in use. With ``normalize="row"`` its rows are then
        normalised as they are read, to the same bits, and nothing but the integer copy is held. Codes in one
        array are kept beside their planes then: searches among few allowed ones (`where`) read those alone.
    precision : {"auto", "int8", "int16"}
        Codes of the integer copy. ``"int8"``: half the memory and the work. ``"int16"``: next to nothing left to
        decide; sooner done for wide vectors without structure. ``"auto"``: the cheaper of the two for searches of about
        100 neighbours, judged by a sample. It never changes an answer.
    sidecar : Sidecar, optional
        The integer copy of this matrix in host memory, made before: `Sidecar.from_buffer`. It is not made again. Of a
        list of arrays: one for each, or None.
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
    Database
        What `euclidean_topk`, `hamming_topk`, `rank_database` and `relevant_ranks` take as their database; it also
        answers by itself (`Database.topk`). It can be pickled, unless it is of several devices. Of codes only the
        planes are kept, unless `copy` is False.

        Vectors of a CUDA tensor stay on its device where rsir_fast was built with CUDA, whatever the queries lie on;
        ``threads`` and ``isa`` mean nothing then, and ``precision`` which copies are held: ``"int8"`` for up to 8
        queries at a time (64 on compute capability 9.0), half precision (``"int16"``, compute capability 8.0 and newer)
        for more, both by default. It may be searched on any stream that has waited for the one it was made on, and
        deleted while searches go on.

        With `devices`: the same of several devices, or, with `memory`, of none. Answers come on the device of the
        queries; queries in host memory are merged on the first device.

    Raises
    ------
    TypeError, ValueError
        As `euclidean_topk` and `hamming_topk`; no such CUDA device, or less `memory` than a row takes.

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

    Codes take O(n bits) time. Their planes take ``(bits + log2(bits) + 1) / 8`` bytes a code, 8.9 for 64 bits, for
    n rounded up to 4096 codes (512, if n is smaller); nothing more is needed to make them. On devices the codes lie as
    they are, padded to 64-bit words; a search that sends them keeps two blocks on each device, and, where codes are no
    whole words, a padded one.

    Examples
    --------
    >>> import numpy as np
    >>> import rsir_fast as rf
    >>> database = np.array([[0.0, 0.0], [3.0, 4.0]], dtype=np.float32)
    >>> prepared = rf.prepare(database)
    >>> rf.euclidean_topk(database[1:], prepared, k=1)
    EuclideanTopK(squared=array([[0.]], dtype=float32), ids=array([[1]]))

    Codes:

    >>> codes = np.arange(100, dtype=np.uint8)[:, None]
    >>> found = rf.prepare(codes, metric="hamming")
    >>> found
    Database(100 codes of 8 bits, 0.0 MiB)
    >>> rf.hamming_topk(codes[7:8], found, k=3)
    HammingTopK(distances=array([[0, 1, 1]], dtype=int32), ids=array([[7, 3, 5]]))

    On all CUDA devices of a machine, and streamed to one of them, 8 GiB at a time:

    >>> shards = rf.prepare(database, devices="all")  # doctest: +SKIP
    >>> streamed = rf.prepare(database, devices="cuda:0", memory=8 << 30)  # doctest: +SKIP
    """
    if precision not in ("auto", "int8", "int16"):
        raise ValueError(f"precision: expected 'auto', 'int8' or 'int16', got {precision!r}")
    if normalize not in ("none", "row"):
        raise ValueError(f"normalize: expected 'none' or 'row', got {normalize!r}")
    if metric == "hamming":
        if normalize != "none" or precision != "auto":
            raise ValueError(
                f"normalize, precision: expected 'none' and 'auto' with metric='hamming', got {normalize!r} and "
                f"{precision!r}; leave them out"
            )
        if sidecar is not None:
            raise _no_sidecar("codes")
        return Database(_codes(database, bits, copy, devices, memory, threads, isa), metric)
    if metric != "euclidean":
        raise ValueError(f"metric: expected 'euclidean' or 'hamming', got {metric!r}")
    if bits is not None:
        raise ValueError("bits: expected None with metric='euclidean'; it is the length of a Hamming code")
    if isinstance(database, RowBlocks):
        database = database.blocks[0] if len(database.blocks) == 1 else database.blocks
    if isinstance(database, (list, tuple)) and devices is None and memory is None:
        blocks = host.prepare_blocks(database, normalize, precision, copy, sidecar, threads=threads, isa=isa)
        return Database(blocks, metric)
    if devices is not None:
        if sidecar is not None:
            raise _no_sidecar("vectors on CUDA devices")
        return Database(sharded.prepare(database, normalize, precision, copy, devices, memory), metric)
    _check_resident(memory)
    engine = engine_for(database)
    if sidecar is None:
        return Database(engine.prepare(database, normalize, precision, copy, threads=threads, isa=isa), metric)
    if engine is not host:
        raise _no_sidecar("vectors on a CUDA device")
    return Database(host.prepare(database, normalize, precision, copy, sidecar, threads=threads, isa=isa), metric)


def _codes(
    codes: Any, bits: int | None, copy: bool, devices: Any, memory: int | None, threads: int | None, isa: str | None
) -> Any:
    if devices is not None:
        return sharded.prepare_codes(codes, bits, devices, memory)
    _check_resident(memory)
    return host.prepare_codes(codes, bits, copy, threads=threads, isa=isa)


def _no_sidecar(what: str) -> ValueError:
    return ValueError(f"sidecar: expected None for {what}, which have none in host memory; leave it out")


def _check_resident(memory: object) -> None:
    """Refuse `memory` where there are no devices that it would be of."""
    if memory is not None:
        raise ValueError(
            f"memory: expected None without devices, got {memory!r}; it is for blocks on the devices named by devices="
        )
