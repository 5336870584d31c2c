"""What `csrc/bindings/module_cuda.cpp` binds: addresses in device memory, numbers, a device and a stream of it.

`make types` compares the names with the compiled module, `tests/test_compiled_stubs.py` every type.
"""

most_selected: int
most_many_words: int
most_integer_width: int
most_sorted_marks: int
most_placed_marks: int
most_placed_items: int
most_digit_width: int

def build_info() -> dict[str, str]: ...
def certified_topk(
    queries: int,
    q: int,
    database: int,
    n: int,
    d: int,
    dtype: str,
    where: int,
    first: int,
    k: int,
    half: int,
    int8: int,
    workspace: int,
    distances: int,
    ids: int,
    device: int,
    stream: int,
    /,
) -> None: ...
def certifies(device: int, /) -> bool: ...
def certify_bytes(half: int, int8: int, q: int, n: int, d: int, k: int, /) -> int: ...
def count_ranks(
    queries: int,
    q: int,
    database: int,
    n: int,
    d: int,
    dtype: str,
    where: int,
    first: int,
    lists: int,
    count: int,
    total: int,
    most: int,
    members: int,
    own: int,
    keys: int,
    counts: int,
    ranks: int,
    self_ranks: int,
    device: int,
    stream: int,
    /,
) -> None: ...
def counts_many(device: int, /) -> bool: ...
def euclidean_keys(
    queries: int,
    q: int,
    database: int,
    n: int,
    d: int,
    dtype: str,
    where: int,
    first: int,
    keys: int,
    device: int,
    stream: int,
    /,
) -> None: ...
def euclidean_parts(q: int, n: int, k: int, device: int, /) -> int: ...
def euclidean_topk(
    queries: int,
    q: int,
    database: int,
    n: int,
    d: int,
    dtype: str,
    where: int,
    first: int,
    k: int,
    parts: int,
    keys: int,
    distances: int,
    ids: int,
    device: int,
    stream: int,
    /,
) -> None: ...
def gaussian_apply(
    features: int, n: int, d: int, dtype: str, mu: int, sigma: int, scale: int, out: int, device: int, stream: int, /
) -> None: ...
def gaussian_normalize(features: int, n: int, d: int, dtype: str, out: int, device: int, stream: int, /) -> None: ...
def gaussian_statistics(
    features: int, n: int, d: int, dtype: str, workspace: int, mu: int, sigma: int, device: int, stream: int, /
) -> None: ...
def gaussian_statistics_bytes(d: int, /) -> int: ...
def hamming_keys(
    queries: int,
    q: int,
    database: int,
    n: int,
    words: int,
    mask: int,
    where: int,
    first: int,
    keys: int,
    device: int,
    stream: int,
    /,
) -> None: ...
def hamming_many(
    queries: int,
    q: int,
    database: int,
    n: int,
    words: int,
    mask: int,
    where: int,
    first: int,
    k: int,
    workspace: int,
    distances: int,
    ids: int,
    device: int,
    stream: int,
    /,
) -> None: ...
def hamming_many_bytes(q: int, n: int, k: int, /) -> int: ...
def hamming_parts(q: int, n: int, k: int, device: int, /) -> int: ...
def hamming_topk(
    queries: int,
    q: int,
    database: int,
    n: int,
    words: int,
    mask: int,
    where: int,
    first: int,
    k: int,
    parts: int,
    keys: int,
    distances: int,
    ids: int,
    device: int,
    stream: int,
    /,
) -> None: ...
def make_copies(
    matrix: int, n: int, d: int, dtype: str, normalized: int, half: int, int8: int, device: int, stream: int, /
) -> None: ...
def make_placed_items(database: int, n: int, d: int, dtype: str, items: int, device: int, stream: int, /) -> None: ...
def mark_keys(
    queries: int,
    q: int,
    database: int,
    n: int,
    d: int,
    dtype: str,
    where: int,
    first: int,
    lists: int,
    count: int,
    total: int,
    most: int,
    members: int,
    own: int,
    keys: int,
    device: int,
    stream: int,
    /,
) -> None: ...
def most_by_integers(device: int, /) -> int: ...
def pack_codes(values: int, n: int, b: int, dtype: str, codes: int, device: int, stream: int, /) -> None: ...
def place_bytes(q: int, n: int, d: int, /) -> int: ...
def place_ranks(
    queries: int,
    q: int,
    database: int,
    n: int,
    d: int,
    dtype: str,
    where: int,
    first: int,
    lists: int,
    count: int,
    total: int,
    most: int,
    members: int,
    own: int,
    keys: int,
    items: int,
    workspace: int,
    counts: int,
    ranks: int,
    self_ranks: int,
    device: int,
    stream: int,
    /,
) -> None: ...
def placed_items_bytes(n: int, d: int, /) -> int: ...
def places(device: int, /) -> bool: ...
def sidecar_bytes(codes: str, n: int, d: int, /) -> int: ...
