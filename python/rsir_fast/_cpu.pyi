"""What `csrc/bindings` binds; parameters have no names there, so that none can be passed by name.

`make types` compares the names with the compiled module, `tests/test_compiled_stubs.py` every type.
"""

from typing import Literal, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Buffer

_Scalar = TypeVar("_Scalar", bound=np.generic)

_Memory: TypeAlias = Buffer | NDArray[np.generic] | int
"""A contiguous array of what another argument says, or its address."""

_Rows = TypeVar("_Rows", bound=_Memory)

_Array: TypeAlias = NDArray[_Scalar] | int
"""A contiguous array, or its address; 0 in place of one that is not wanted."""

_Counts: TypeAlias = tuple[str, int, int, int]
"""Of a search: the instruction set that ran; candidates, decided pairs, dense queries."""

MAX_CODE_BITS: int

def build_info() -> dict[str, str]: ...
def environment(name: str, /) -> str | None: ...
def supported_isas() -> list[str]: ...
def count_allowed(bits: _Array[np.uint8], first: int, n: int, /) -> int: ...
def count_allowed_panels(bits: _Array[np.uint8], first: int, n: int, /) -> int: ...
def gaussian_normalize(
    features: _Memory, n: int, d: int, dtype: str, out: _Array[np.float32], threads: int, isa: str, /
) -> str: ...
def gaussian_statistics(
    features: _Memory,
    n: int,
    d: int,
    dtype: str,
    mu: _Array[np.float64],
    sigma: _Array[np.float64],
    threads: int,
    isa: str,
    /,
) -> str: ...
def gaussian_apply(
    features: _Memory,
    n: int,
    d: int,
    dtype: str,
    mu: _Array[np.float64],
    sigma: _Array[np.float64],
    out: _Array[np.float32],
    threads: int,
    isa: str,
    /,
) -> str: ...
def hamming_topk(
    queries: _Array[np.uint8],
    q: int,
    database: _Array[np.uint8],
    n: int,
    bits: int,
    where: _Array[np.uint8],
    k: int,
    distances: _Array[np.int32],
    ids: _Array[np.int64],
    threads: int,
    isa: str,
    /,
) -> str: ...
def hamming_topk_prepared(
    queries: _Array[np.uint8],
    q: int,
    planes: _Array[np.uint8],
    rows: _Array[np.uint8],
    n: int,
    bits: int,
    where: _Array[np.uint8],
    k: int,
    distances: _Array[np.int32],
    ids: _Array[np.int64],
    threads: int,
    isa: str,
    /,
) -> str: ...
def hamming_planes_bytes(n: int, bits: int, /) -> int: ...
def hamming_prepare(
    database: _Array[np.uint8], n: int, bits: int, planes: _Array[np.uint8], threads: int, isa: str, /
) -> str: ...
def pack_codes(
    values: _Memory, n: int, b: int, dtype: str, codes: _Array[np.uint8], threads: int, isa: str, /
) -> str: ...
def first_disorder(ranks: _Array[np.int64], offsets: _Array[np.int64], q: int, /) -> int: ...
def sum_precisions(
    ranks: _Array[np.int64], offsets: _Array[np.int64], q: int, most: int, sums: _Array[np.float64], threads: int, /
) -> str: ...
def sum_within(
    ranks: _Array[np.int64],
    offsets: _Array[np.int64],
    q: int,
    limits: _Array[np.int64],
    found: _Array[np.int64],
    sums: _Array[np.int64],
    threads: int,
    /,
) -> str: ...
def count_within(
    ranks: _Array[np.int64],
    offsets: _Array[np.int64],
    q: int,
    cutoffs: _Array[np.int64],
    p: int,
    counts: _Array[np.int64],
    threads: int,
    /,
) -> str: ...
def drop_own(
    ranks: _Array[np.int64],
    offsets: _Array[np.int64],
    q: int,
    own: _Array[np.int64],
    counts: _Array[np.int64],
    left: _Array[np.int64],
    /,
) -> None: ...

class RelevantRanks:
    def __init__(
        self,
        queries: _Memory,
        q: int,
        query_dtype: str,
        blocks: list[tuple[_Rows, int, str]],
        d: int,
        n: int,
        where: _Array[np.uint8],
        members: _Array[np.int64],
        first: _Array[np.int64],
        offsets: _Array[np.int64],
        self_ids: _Array[np.int64],
        threads: int,
        isa: str,
        /,
    ) -> None: ...
    def take(
        self, begin: int, end: int, ranks: _Array[np.int64], self_ranks: _Array[np.int64], threads: int, /
    ) -> str: ...

class Sidecar(Buffer):
    def __init__(
        self,
        rows: _Memory,
        n: int,
        d: int,
        dtype: str,
        precision: str,
        k: int,
        is_normalized: bool,
        threads: int,
        isa: str,
        /,
    ) -> None: ...
    @staticmethod
    def read(block: Buffer | NDArray[np.uint8], /) -> Sidecar: ...
    def mark(self, digest: _Array[np.uint8] | bytes, /) -> None: ...
    @property
    def digest(self) -> bytes: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def shape(self) -> tuple[int, int]: ...
    @property
    def precision(self) -> Literal["int8", "int16"]: ...
    @property
    def normalize(self) -> Literal["none", "row"]: ...
    @property
    def wild(self) -> int: ...
    @property
    def centred(self) -> bool: ...

def euclidean_topk(
    queries: _Memory,
    q: int,
    query_dtype: str,
    database: _Memory,
    n: int,
    dtype: str,
    d: int,
    where: _Array[np.uint8],
    sidecar: Sidecar | None,
    k: int,
    distances: _Array[np.float32],
    ids: _Array[np.int64],
    threads: int,
    isa: str,
    /,
) -> _Counts: ...
def euclidean_topk_within(
    memory: int,
    queries: _Memory,
    q: int,
    query_dtype: str,
    database: _Memory,
    n: int,
    dtype: str,
    d: int,
    where: _Array[np.uint8],
    sidecar: Sidecar | None,
    k: int,
    distances: _Array[np.float32],
    ids: _Array[np.int64],
    threads: int,
    isa: str,
    /,
) -> _Counts: ...
def least_own_memory(k: int, /) -> int: ...
def euclidean_topk_blocks(
    queries: _Memory,
    q: int,
    query_dtype: str,
    blocks: list[tuple[_Rows, int, str, Sidecar | None]],
    d: int,
    n: int,
    where: _Array[np.uint8],
    k: int,
    distances: _Array[np.float32],
    ids: _Array[np.int64],
    threads: int,
    isa: str,
    /,
) -> _Counts: ...
