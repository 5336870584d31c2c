"""Every kernel once, on the smallest inputs that reach all its parts, answers compared with the CPU's, bit for bit.

``python benchmarks/gpu_tiny.py [part of a case's name ...]``. Quick enough for compute-sanitizer, which runs kernels a
hundred times slower, and for a host that plays the device (`tests/test_gpu_session.py`).
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

import rsir_fast as rf
from rsir_fast.ops.engines import device_euclidean, device_hamming, device_ranks

__all__ = ["CASES", "run", "sm90_product"]


def numbers(n: int, d: int, seed: int = 0) -> np.ndarray:
    """Not negative, half of them 0, as features are; some rows twice, so that there are ties."""
    rng = np.random.default_rng(seed)
    return np.maximum(rng.standard_normal((n, d)), 0).astype(np.float32)[rng.integers(0, n, n)]


def same(answer: Any, expected: Any) -> None:
    """Assert that tensors of the device are arrays of the host, bit for bit."""
    answer, expected = (x if isinstance(x, tuple) else (x,) for x in (answer, expected))
    for found, wanted in zip(answer, expected, strict=True):
        found = found.cpu().numpy()
        assert found.dtype == wanted.dtype
        assert found.tobytes() == wanted.tobytes()


def check_euclidean(x: np.ndarray, queries: np.ndarray, k: int, device: str, precision: str | None = None) -> None:
    database: Any = torch.from_numpy(x).to(device)
    if precision is not None:
        database = rf.prepare(database, precision=precision)
    same(rf.euclidean_topk(torch.from_numpy(queries).to(device), database, k), rf.euclidean_topk(queries, x, k))


@contextmanager
def sm90_product(by: str) -> Iterator[None]:
    """Choose how devices of sm_90 copy what they multiply; others do not ask."""
    os.environ["RSIR_SM90_PRODUCT"] = by
    try:
        yield
    finally:
        del os.environ["RSIR_SM90_PRODUCT"]


def pack_codes(device: str) -> None:
    x = numbers(40, 77) - np.float32(0.3)
    same(rf.pack_codes(torch.from_numpy(x).to(device)), rf.pack_codes(x))


def gaussian_normalize(device: str) -> None:
    x = numbers(20, 70)
    same(rf.gaussian_normalize(torch.from_numpy(x).to(device)), rf.gaussian_normalize(x))
    same(rf.gaussian_normalize(torch.from_numpy(x).to(device), "feature"), rf.gaussian_normalize(x, "feature"))


def check_hamming(n: int, bits: int, q: int, k: int, device: str) -> None:
    codes = rf.pack_codes(numbers(n, bits) - np.float32(0.3))
    on_device = torch.from_numpy(codes).to(device)
    same(rf.hamming_topk(on_device[:q], on_device, k, bits), rf.hamming_topk(codes[:q], codes, k, bits))


def hamming_topk(device: str) -> None:
    check_hamming(300, 70, 3, 10, device)


def hamming_many(device: str) -> None:
    """Tiles of 64 and 128 queries, two of them, two phases; one word a code, an odd number of words, and many."""
    for n, bits, q in ((8_500, 64, 17), (8_500, 60, 70), (600, 150, 130), (300, 330, 17)):
        check_hamming(n, bits, q, 10, device)


def euclidean_topk(device: str) -> None:
    x = numbers(300, 40)
    for q, k in ((1, 5), (9, 5), (2, 2049)):
        check_euclidean(x, x[:q] + np.float32(0.01), k, device)


def relevant_ranks(device: str) -> None:
    """Two tiles of queries, some of whose own items are not relevant; more marks than shared memory holds, and than a
    block sorts."""
    for n, q, classes in ((300, 9, 4), (1_200, 2, 1), (2_100, 2, 1)):
        x, labels = numbers(n, 40), np.arange(n) % classes
        asked, own = (labels[:q] + 1) % classes, np.arange(q)
        (expected,) = rf.relevant_ranks(x[:q], x, asked, labels, self_ids=own)
        on_device = torch.from_numpy(x).to(device)
        (found,) = rf.relevant_ranks(on_device[:q], on_device, asked, labels, self_ids=own)
        assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def placed_ranks(device: str) -> None:
    """The same by digits, with rows that have none: several tiles with an edge, and more items than one warp takes."""
    least = device_ranks.LEAST_PLACED
    device_ranks.LEAST_PLACED = 0
    try:
        for n, q, d, classes in ((300, 200, 150, 4), (9_000, 3, 9, 30)):
            x, labels = numbers(n, d), np.arange(n) % classes
            x[7, 3], x[8, 1] = np.nan, 1e30
            own = np.arange(q)
            (expected,) = rf.relevant_ranks(x[:q], x, labels[:q], labels, self_ids=own)
            on_device = torch.from_numpy(x).to(device)
            (found,) = rf.relevant_ranks(on_device[:q], on_device, labels[:q], labels, self_ids=own)
            assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))
    finally:
        device_ranks.LEAST_PLACED = least


def certified_half(device: str) -> None:
    """Two tiles of queries and items with an edge; two phases; queries that leave the fast pass; only equal rows."""
    x = numbers(300, 70)
    check_euclidean(x, x[:130] + np.float32(0.01), 10, device, "int16")
    x = numbers(8_500, 20)
    queries = x[:3] + np.float32(0.01)
    queries[1, 3], queries[2, 3] = np.nan, 1e30
    check_euclidean(x, queries, 10, device, "int16")
    check_euclidean(np.full_like(x, 0.25), queries[:2], 10, device, "int16")


def certified_int8(device: str) -> None:
    """Every number of queries that has a kernel; two phases; queries that leave the fast pass."""
    x = numbers(300, 600)
    for q in (1, 2, 3, 8, 9, 64):
        check_euclidean(x, x[:q] + np.float32(0.01), 10, device, "int8")
    x = numbers(8_500, 20)
    for q in (3, 9):
        queries = x[:q] + np.float32(0.01)
        queries[1, 3], queries[2, 3] = np.nan, 1e30
        check_euclidean(x, queries, 10, device, "int8")


def threads_of_two_widths(device: str) -> None:
    """Two threads at once copy rows of two widths, whose kernels ask for different amounts of shared memory."""
    failures = []

    def prepare(width: int) -> None:
        try:
            x = torch.from_numpy(numbers(9, width)).to(device)
            for _ in range(5):
                rf.prepare(x, normalize="row")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=prepare, args=(width,)) for width in (3_200, 4_096)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures


def product_by_tma(device: str) -> None:
    """A cluster, three tiles of queries alone, five in clusters; more tiles than a device has multiprocessors.

    The last case: where it fails, no kernel runs after it.
    """
    with sm90_product("tma"):
        for n, q, d in (
            (300, 130, 330),
            (300, 260, 70),
            (300, 520, 70),
            (40_000 if device == "cuda" else 600, 140, 20),
        ):
            x = numbers(n, d)
            queries = numbers(q, d, seed=1)
            check_euclidean(x, queries, 10, device, "int16")


CASES: dict[str, Callable[[str], None]] = {
    case.__name__: case
    for case in (
        pack_codes,
        gaussian_normalize,
        hamming_topk,
        hamming_many,
        euclidean_topk,
        relevant_ranks,
        placed_ranks,
        certified_half,
        certified_int8,
        threads_of_two_widths,
        product_by_tma,
    )
}


def run(wanted: list[str], device: str = "cuda") -> int:
    """Run the cases whose names have one of the parts in them, or all; returns how many failed."""
    device_hamming.MANY_ITEMS = device_euclidean.CERTIFY_ELEMENTS = 0  # tiny inputs take the paths of large ones
    failed = 0
    for name, case in CASES.items():
        if wanted and not any(part in name for part in wanted):
            continue
        start = time.perf_counter()
        try:
            case(device)
            outcome = "ok"
        except (AssertionError, RuntimeError) as error:
            failed += 1
            outcome = f"FAILED: {type(error).__name__}: {error}"
        print(f"{name}: {outcome}, {time.perf_counter() - start:.1f} s", flush=True)
    return failed


def main(wanted: list[str]) -> int:
    from rsir_fast.base import compiled

    if not torch.cuda.is_available():
        print("gpu_tiny: no CUDA device that torch can use", file=sys.stderr)
        return 1
    if not compiled.has_cuda():
        print(f"gpu_tiny: {rf.__file__} was built without CUDA", file=sys.stderr)
        return 1
    print(torch.cuda.get_device_name(), torch.__version__, rf.__file__, compiled.cuda.build_info(), flush=True)
    return 1 if run(wanted) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
