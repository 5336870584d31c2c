"""What is timed on a CUDA device: inputs, peers, checks, targets and floors; first what was never measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import numpy as np
import torch

import rsir_fast as rf
from gpu_peers import cuvs_euclidean, faiss_euclidean, faiss_hamming
from gpu_reference import euclidean_answer, hamming_answer, rows_to_check
from gpu_tiny import sm90_product
from rsir_fast.ops import reference
from rsir_fast.ops.engines import device, device_ranks

DEVICE = "cuda"

Limits = dict[str, float]


class Case(NamedTuple):
    name: str
    make: Callable[[], tuple[Any, ...]]
    """The inputs, on the device."""
    runs: dict[str, Callable[..., Any]]
    """First rsir_fast, then the peers; each takes the inputs."""
    check: Callable[[tuple[Any, ...], Any], None]
    """Asserts rsir_fast's answer, on a part of it, against the reference."""
    same: Callable[[Any, Any], None]
    """Asserts that a peer's answer is ours, as far as its rounding allows."""
    target_ms: float | None
    floor_ms: Callable[[Limits], float] | None
    """The least time the work can take, from the device's measured ceilings (NaN where one is missing)."""
    report: Mapping[str, Callable[..., None]] = MappingProxyType({})
    """Of the runs that search in two passes: the same, with what takes the counts of the fast one (`Report`)."""


def cases() -> Iterator[Case]:
    for q, target in ((64, None), (1024, 10.0)):
        yield hamming_topk(q, 100_000_000, 64, 100, target)
    yield hamming_topk(64, 10_000_000, 256, 100, None)
    yield euclidean_topk(1, 1_000_000, 4096, 100, 1.5)
    yield euclidean_topk(8, 1_000_000, 4096, 100, None)
    yield euclidean_topk(64, 1_000_000, 4096, 100, 1.6, wild=True)
    for q in (1, 64, 1024):
        yield euclidean_topk(q, 10_000_000, 512, 100, None)
    yield relevant_ranks(31_500, 512, 45)
    yield prepare(262_144, 4096)
    yield gaussian_normalize(262_144, 4096, "feature")
    # Measured before:
    for q, target in ((64, 1.6), (1024, 6.0)):
        yield euclidean_topk(q, 1_000_000, 4096, 100, target)
    yield euclidean_topk(2100, 2100, 4096, 100, 0.25)
    yield euclidean_topk(1024, 50_000, 512, 100, None)
    yield hamming_topk(1, 100_000_000, 64, 100, 0.28)
    yield pack_codes(1_000_000, 512)
    for n, d in ((100_000, 1024), (262_144, 4096)):
        yield gaussian_normalize(n, d, "row")


def tma_cases() -> Iterator[Case]:
    """Both products of sm_90a side by side, of which one has never run."""
    for q, n, d in ((1024, 1_000_000, 4096), (384, 1_000_000, 4096), (1024, 50_000, 512)):
        yield with_tma(euclidean_topk(q, n, d, 100, None))


def with_tma(case: Case) -> Case:
    prepared = case.runs["rsir_fast, prepared"]

    def by_tma(*inputs: Any) -> Any:
        with sm90_product("tma"):
            return prepared(*inputs)

    return case._replace(runs={"rsir_fast, prepared": prepared, "rsir_fast, TMA": by_tma})


def features(n: int, d: int, seed: int = 0) -> torch.Tensor:
    """Non-negative and sparse, as after a ReLU."""
    generator = torch.Generator(DEVICE).manual_seed(seed)
    return torch.randn(n, d, device=DEVICE, generator=generator).relu_()


def streaming(moved: float) -> Callable[[Limits], float]:
    return lambda limits: moved / limits["copy GB/s"] / 1e6


def pack_codes(n: int, b: int) -> Case:
    def by_cupy(u: torch.Tensor) -> Any:
        import cupy

        return torch.from_dlpack(cupy.packbits(cupy.from_dlpack(u) > 0, bitorder="little")).view(n, b // 8)

    def by_torch(u: torch.Tensor) -> Any:
        weights = torch.tensor([1, 2, 4, 8, 16, 32, 64, 128], dtype=torch.uint8, device=u.device)
        return ((u > 0).view(n, b // 8, 8) * weights).sum(2, dtype=torch.uint8)

    def check(inputs: tuple[Any, ...], codes: Any) -> None:
        assert (codes[:500].cpu().numpy() == reference.pack_codes(inputs[0][:500].cpu().numpy())).all()

    return Case(
        f"pack_codes {n} x {b}",
        lambda: (features(n, b),),
        {"rsir_fast": rf.pack_codes, "torch": by_torch, "cupy": by_cupy},
        check,
        torch.testing.assert_close,
        None,
        streaming(n * b * 4 + n * b / 8),
    )


def gaussian_normalize(n: int, d: int, axis: str) -> Case:
    out = torch.empty(0)
    dim = 1 if axis == "row" else 0

    def ours(x: torch.Tensor) -> Any:
        nonlocal out
        if out.shape != x.shape:
            out = torch.empty_like(x)
        return rf.gaussian_normalize(x, axis, out)

    def by_torch(x: torch.Tensor) -> Any:
        return (1 + (x - x.mean(dim, keepdim=True)) / (3 * x.std(dim, correction=0, keepdim=True))) / 2

    def by_layer_norm(x: torch.Tensor) -> Any:
        return torch.nn.functional.layer_norm(x, x.shape[1:], eps=0.0) / 6 + 0.5

    def check(inputs: tuple[Any, ...], result: Any) -> None:
        if axis == "feature":
            part = (slice(None), slice(None, None, max(1, d // 16)))
            expected = rf.gaussian_normalize(inputs[0][part].cpu().numpy(), "feature")
        else:
            part = (slice(None, None, max(1, n // 200)), slice(None))
            expected = reference.gaussian_normalize(inputs[0][part].cpu().numpy())
        assert np.array_equal(result[part].cpu().numpy(), expected)

    bytes_moved = (2 if axis == "row" else 4) * n * d * 4
    return Case(
        f"gaussian_normalize {n} x {d}" + (" by feature" if axis == "feature" else ""),
        lambda: (features(n, d),),
        {"rsir_fast": ours, "torch": by_torch} | ({"torch layer_norm": by_layer_norm} if axis == "row" else {}),
        check,
        lambda a, b: torch.testing.assert_close(a[:1000], b[:1000], rtol=1e-4, atol=1e-5),
        None,
        streaming(bytes_moved),
    )


def prepare(n: int, d: int) -> Case:
    """Normalised and with both copies: each row is read once."""

    def check(inputs: tuple[Any, ...], prepared: Any) -> None:
        part = slice(None, None, max(1, n // 200))
        expected = reference.gaussian_normalize(inputs[0][part].cpu().numpy())
        assert np.array_equal(prepared.held.rows[part].cpu().numpy(), expected)

    return Case(
        f"prepare {n} x {d}, normalised",
        lambda: (features(n, d),),
        {"rsir_fast": lambda x: rf.prepare(x, normalize="row")},
        check,
        lambda ours, theirs: None,
        None,
        streaming(11 * n * d),
    )


def codes(n: int, bits: int, seed: int) -> torch.Tensor:
    generator = torch.Generator(DEVICE).manual_seed(seed)
    return torch.randint(0, 256, (n, bits // 8), dtype=torch.uint8, device=DEVICE, generator=generator)


def hamming_topk(q: int, n: int, bits: int, k: int, target: float | None) -> Case:
    def by_cupy(queries: torch.Tensor, database: torch.Tensor) -> Any:
        import cupy

        count = cupy.ElementwiseKernel("uint64 a, uint64 b", "int32 z", "z = __popcll(a ^ b)", "popcount_xor")
        words = cupy.from_dlpack(database).view(cupy.uint64)
        rows = []
        for query in cupy.from_dlpack(queries).view(cupy.uint64):
            distances = torch.from_dlpack(count(words, query))
            whole = distances.sum(1, dtype=torch.int32) if distances.shape[1] > 1 else distances[:, 0]
            rows.append(whole.topk(k, largest=False))
        return torch.stack([row.values for row in rows]), torch.stack([row.indices for row in rows])

    def check(inputs: tuple[Any, ...], answer: Any) -> None:
        queries, database = inputs
        rows = rows_to_check(q)
        expected = hamming_answer(queries[rows], database, k)
        assert torch.equal(answer[0][rows], expected[0])
        assert torch.equal(answer[1][rows], expected[1])

    def counted(queries: torch.Tensor, database: torch.Tensor, report: Any) -> None:
        device.hamming(queries, database, bits).topk(k, report=report)

    def floor(limits: Limits) -> float:
        reading = n * bits / 8 / limits["read GB/s"] / 1e6
        popc = q * n * bits / 32 / limits.get("POPC T/s", float("nan")) / 1e9
        products = q * n * -(-2 * bits // 256) / limits.get("binary T pairs/s", float("nan")) / 1e9
        return max(reading, min(popc, products) if products == products else popc)

    return Case(
        f"hamming_topk {q} x {n} x {bits} bits, k {k}",
        lambda: (codes(q, bits, 0), codes(n, bits, 1)),
        {"rsir_fast": lambda a, b: rf.hamming_topk(a, b, k)}
        | {"faiss": lambda a, b: faiss_hamming(a, b, k)}
        | ({"cupy, torch topk": by_cupy} if q <= 64 else {}),
        check,
        lambda ours, theirs: torch.testing.assert_close(ours[0], theirs[0]),
        target,
        floor,
        {"rsir_fast": counted},
    )


def euclidean_topk(q: int, n: int, d: int, k: int, target: float | None, wild: bool = False) -> Case:
    """`wild`: one of the queries is not finite, so that it cannot be certified."""

    def by_torch(queries: torch.Tensor, database: torch.Tensor) -> Any:
        squared = torch.addmm((database**2).sum(1), queries, database.T, alpha=-2)
        squared += (queries**2).sum(1, keepdim=True)
        return squared.topk(k, largest=False)

    few = q <= 64  # queries that read int8 copies, on sm_90
    prepared: dict[tuple[int, str], Any] = {}

    def ready(database: torch.Tensor, precision: Literal["auto", "int16"] = "auto" if few else "int16") -> Any:
        place = database.data_ptr(), precision
        if place not in prepared:
            prepared[place] = rf.prepare(database, copy=False, precision=precision)
        return prepared[place]

    def make() -> tuple[Any, ...]:
        queries = features(q, d, 0)
        if wild:
            queries[q // 2, d // 2] = float("inf")
        return queries, features(n, d, 1)

    def counted(queries: torch.Tensor, database: Any, report: Any) -> None:
        device.euclidean(queries, getattr(database, "held", database), None).topk(k, report=report)

    def by_torch_tf32(queries: torch.Tensor, database: torch.Tensor) -> Any:
        torch.backends.cuda.matmul.allow_tf32 = True
        try:
            return by_torch(queries, database)
        finally:
            torch.backends.cuda.matmul.allow_tf32 = False

    def check(inputs: tuple[Any, ...], answer: Any) -> None:
        queries, database = inputs
        rows = sorted({*rows_to_check(q), q // 2})
        expected = euclidean_answer(queries[rows], database, k)
        assert torch.equal(answer[0][rows].view(torch.int32), expected[0].view(torch.int32))
        assert torch.equal(answer[1][rows], expected[1])

    def same(ours: Any, theirs: Any) -> None:
        ordinary = torch.arange(q, device=DEVICE) != (q // 2 if wild else -1)
        torch.testing.assert_close(ours[0][ordinary], theirs[0][ordinary], rtol=1e-2, atol=1.0)

    def floor(limits: Limits) -> float:
        bytes_read = n * d * (1 if few else 2)  # of the copies of a prepared database
        products = 2 * q * n * d / limits.get("half TFLOP/s", float("nan")) / 1e9
        return max(bytes_read / limits["read GB/s"] / 1e6, 0.0 if few else products)

    peers: dict[str, Any] = {}
    if few and q > 8:  # beside what reads twice as much
        peers = {"rsir_fast, prepared by halves": lambda a, b: rf.euclidean_topk(a, ready(b, "int16"), k)}
    peers |= {"faiss": lambda a, b: faiss_euclidean(a, b, k), "cuvs": lambda a, b: cuvs_euclidean(a, b, k)}
    if 8 * q * n < 20e9:  # distances, and as many again while they are made
        peers |= {"torch": by_torch, "torch tf32": by_torch_tf32}
    return Case(
        f"euclidean_topk {q} x {n} x {d}, k {k}" + (", one query infinite" if wild else ""),
        make,
        {"rsir_fast, prepared": lambda a, b: rf.euclidean_topk(a, ready(b), k)}
        | {"rsir_fast": lambda a, b: rf.euclidean_topk(a, b, k)}
        | peers,
        check,
        same,
        target,
        floor,
        {"rsir_fast, prepared": lambda a, b, report: counted(a, ready(b), report), "rsir_fast": counted},
    )


def relevant_ranks(n: int, d: int, classes: int) -> Case:
    labels = np.arange(n) % classes

    def ours(x: torch.Tensor) -> Any:
        return np.concatenate([found.ranks for found in rf.relevant_ranks(x, x, labels, labels)])

    def measured(x: torch.Tensor) -> Any:
        """Every distance in float64, as where the digits of rows do not help."""
        least = device_ranks.LEAST_PLACED
        device_ranks.LEAST_PLACED = n * n * d + 1
        try:
            return ours(x)
        finally:
            device_ranks.LEAST_PLACED = least

    def by_torch(x: torch.Tensor) -> Any:
        norms, on_device = (x**2).sum(1), torch.from_numpy(labels).to(x.device)
        ranks = []
        for rows in torch.arange(n, device=x.device).split(1024):
            squared = torch.addmm(norms, x[rows], x.T, alpha=-2)
            relevant = on_device[squared.argsort(1)] == on_device[rows, None]
            ranks.append((relevant.nonzero()[:, 1] + 1).cpu().numpy())
        return np.concatenate(ranks)

    def check(inputs: tuple[Any, ...], ranks: Any) -> None:
        x = inputs[0].cpu()
        (expected,) = rf.relevant_ranks(x[:40], x, labels[:40], labels)
        assert np.array_equal(ranks[: len(expected.ranks)], expected.ranks)

    def same(ours: Any, theirs: Any) -> None:
        assert len(ours) == len(theirs)
        assert abs(ours.mean() - theirs.mean()) < 1e-3 * ours.mean()

    def floor(limits: Limits) -> float:
        """Of what is done by digits: six products of int8, at twice the rate of halves; distances written and read."""
        products = 12.0 * n * n * d / (2 * limits.get("half TFLOP/s", np.nan)) / 1e9
        return max(products, 8.0 * n * n / limits["copy GB/s"] / 1e6)

    return Case(
        f"relevant_ranks {n} x {n} x {d}",
        lambda: (features(n, d),),
        {"rsir_fast": ours, "rsir_fast, no digits": measured, "torch": by_torch},
        check,
        same,
        None,
        floor,
    )
