"""A database made ready for many searches."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from rsir_fast.base.compiled import choose_isa, cpu
from rsir_fast.base.cores import choose_threads
from rsir_fast.ops._arrays import FloatRows, as_rows
from rsir_fast.ops._device import device_module
from rsir_fast.ops.gaussian_normalize import gaussian_normalize
from rsir_fast.ops.prepared_tensor import PreparedTensor, prepare_tensor
from rsir_fast.ops.sharded import ShardedDatabase, shard_features

__all__ = [
    "MAX_ITEMS",
    "MAX_WIDTH",
    "PreparedDatabase",
    "check_resident",
    "make_sidecar",
    "normalized_rows",
    "prepare",
    "stored_rows",
]

MAX_ITEMS = 2**32 - 1
"""Item ids take 32 bits of a 64-bit sort key."""

MAX_WIDTH = 65_536
"""Columns of an int8 copy: beyond, a dot product of codes could overflow 32 bits."""


class PreparedDatabase:
    """A feature matrix with the integer copy that certified search reads; made by `prepare`.

    Attributes
    ----------
    rows : FloatRows
        The matrix, normalised if asked, as it is stored.
    normalize : {"none", "row"}
    sidecar : object or None
        The integer copy; None where the matrix has no rows or no (or too many) columns for one.
    """

    instead_of_array = (
        "it is a database of euclidean_topk, rank_database and relevant_ranks; elsewhere pass the matrix it was made of"
    )

    def __init__(self, rows: FloatRows, normalize: Literal["none", "row"], sidecar: Any) -> None:
        self.rows = rows
        self.normalize = normalize
        self.sidecar = sidecar

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        n, d = self.rows.array.shape
        return n, d

    @property
    def precision(self) -> Literal["int8", "int16"] | None:
        """Size of the codes of the integer copy."""
        return None if self.sidecar is None else self.sidecar.precision

    @property
    def nbytes(self) -> int:
        """Bytes held: the matrix and its integer copy."""
        return int(self.rows.array.nbytes) + (0 if self.sidecar is None else int(self.sidecar.nbytes))

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        n, d = self.shape
        stored = {"f2": "float16", "bf2": "bfloat16", "f4": "float32", "f8": "float64"}[self.rows.dtype]
        return (
            f"PreparedDatabase({n} x {d} {stored}, normalize={self.normalize!r}, precision={self.precision!r}, "
            f"{self.nbytes / 2**20:.1f} MiB)"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # The integer copy is quicker to make again than to store.
        return _from_rows, (self.rows, self.normalize, self.precision)


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
        return shard_features(database, normalize, precision, copy, devices, memory)
    check_resident(memory)
    if device_module(database) is not None and database.is_floating_point():
        return prepare_tensor(database, normalize, precision, copy)
    rows, _ = as_rows(database, "database")
    ready = normalized_rows(rows, database, normalize, threads=threads, isa=isa)
    if copy and ready is rows:
        ready = FloatRows(ready.array.copy(), ready.dtype)
    if ready is not rows:
        ready.array.flags.writeable = False  # a change would not reach the integer copy
    check_items(ready)
    return PreparedDatabase(ready, normalize, make_sidecar(ready, precision=precision, threads=threads, isa=isa))


def check_resident(memory: object) -> None:
    """Refuse `memory` where there are no devices that it would be of."""
    if memory is not None:
        raise ValueError(
            f"memory: expected None without devices, got {memory!r}; it is for blocks on the devices named by devices="
        )


def stored_rows(database: PreparedDatabase | FloatRows) -> FloatRows:
    """Return the matrix of a database, prepared or not."""
    return database.rows if isinstance(database, PreparedDatabase) else database


def check_items(rows: FloatRows) -> None:
    """Refuse more rows than ids can name."""
    if rows.array.shape[0] > MAX_ITEMS:
        raise ValueError(f"database: expected at most {MAX_ITEMS} rows, got {rows.array.shape[0]}; search it in parts")


def normalized_rows(rows: FloatRows, source: Any, normalize: str, *, threads: int | None, isa: str | None) -> FloatRows:
    """Return `rows` themselves, or what `gaussian_normalize` makes of the array `source` they were read from."""
    if normalize not in ("none", "row"):
        raise ValueError(f"normalize: expected 'none' or 'row', got {normalize!r}")
    if normalize == "none":
        return rows
    values = source if rows.dtype == "bf2" else rows.array
    return FloatRows(np.asarray(gaussian_normalize(values, threads=threads, isa=isa)), "f4")


def make_sidecar(
    rows: FloatRows, *, precision: str = "auto", k: int = 100, threads: int | None, isa: str | None
) -> Any:
    """Return the integer copy of a matrix, or None where there can be none."""
    n, d = rows.array.shape
    if n == 0 or not 1 <= d <= MAX_WIDTH:
        return None
    return cpu().Sidecar(rows.array, n, d, rows.dtype, precision, k, choose_threads(threads), choose_isa(isa))


def _from_rows(rows: FloatRows, normalize: Literal["none", "row"], precision: str | None) -> PreparedDatabase:
    return PreparedDatabase(rows, normalize, make_sidecar(rows, precision=precision or "auto", threads=None, isa=None))
