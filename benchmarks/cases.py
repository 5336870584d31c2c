"""Sizes, inputs and targets of the benchmarks, in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]
Codes = NDArray[np.uint8]


@dataclass(frozen=True)
class Case:
    """One row of the tables.

    ``op``: euclidean_topk, hamming_topk, gaussian_normalize (new result), gaussian_normalize_into (result into given
    memory) or pack_codes. ``d``: features, or bits of a code. ``q`` and ``k`` are 0 where there are no queries.
    ``data``: see `features`. ``targets``: peer -> how many times faster than it we mean to be. ``without``: peers that
    would take a minute a call.
    """

    op: str
    q: int
    n: int
    d: int
    k: int = 0
    data: str = "normal"
    queries_are_items: bool = False
    targets: Mapping[str, float] = field(default_factory=dict)
    without: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        if self.op == "hamming_topk":
            return f"Hamming {self.n:,} x {self.d} bit, {self.q} q, k {self.k}"
        if self.op == "euclidean_topk":
            queries = f"all {self.q:,}" if self.queries_are_items else str(self.q)
            return f"L2 {self.n:,} x {self.d}, {queries} q, k {self.k}" + (", ReLU" if self.data == "relu" else "")
        return f"{self.op} {self.n:,} x {self.d}"

    def small(self) -> Case:
        """Return the same case in a size for smoke tests: its targets do not hold there."""
        n = min(self.n, 20_000 if self.op == "hamming_topk" else 600)
        q = n if self.queries_are_items else min(self.q, 33)
        return replace(
            self, q=q, n=n, k=min(self.k, 20), d=min(self.d, 200 if self.data == "normal" else 64), targets={}
        )


def _faiss_torch_numpy(wheel: float, best: float, torch: float, numpy: float) -> dict[str, float]:
    return {"faiss": wheel, "faiss-best": best, "torch": torch, "numpy": numpy}


CASES = [
    Case("euclidean_topk", 1024, 50_000, 512, 100, targets=_faiss_torch_numpy(20, 4, 12, 7)),
    Case("euclidean_topk", 64, 50_000, 512, 100, targets=_faiss_torch_numpy(25, 23, 10, 6.5)),
    Case("euclidean_topk", 1, 50_000, 512, 10),
    Case("euclidean_topk", 1024, 100_000, 128, 100, targets=_faiss_torch_numpy(15, 5.5, 14, 11)),
    Case("euclidean_topk", 2_100, 2_100, 4096, 100, queries_are_items=True, targets=_faiss_torch_numpy(2, 2, 2, 2)),
    Case("euclidean_topk", 2_100, 2_100, 4096, 100, targets=_faiss_torch_numpy(1.5, 1.5, 1.5, 1.5)),
    Case("euclidean_topk", 1, 250_000, 1024, 10, targets=_faiss_torch_numpy(10, 10, 8, 4)),
    Case("euclidean_topk", 64, 250_000, 1024, 10),
    Case("euclidean_topk", 64, 50_000, 512, 1),
    Case("euclidean_topk", 64, 50_000, 512, 1000),
    Case("euclidean_topk", 1024, 50_000, 512, 100, "relu"),
    Case("euclidean_topk", 64, 50_000, 512, 100, "relu"),
    Case("euclidean_topk", 2_100, 2_100, 4096, 100, "relu", queries_are_items=True),
    Case("euclidean_topk", 1, 250_000, 1024, 10, "relu"),
    Case("hamming_topk", 1, 10_000_000, 64, 100, targets={"faiss": 3, "numpy": 35}),
    Case("hamming_topk", 64, 10_000_000, 64, 100, targets={"faiss": 20}, without=("numpy", "usearch")),
    Case("hamming_topk", 1024, 10_000_000, 64, 100, targets={"faiss": 15}, without=("numpy", "usearch")),
    Case("gaussian_normalize", 0, 100_000, 1024, targets={"torch": 30, "numpy": 15}),
    Case("gaussian_normalize_into", 0, 100_000, 1024, targets={"torch": 30, "numpy": 15}),
    Case("pack_codes", 0, 100_000, 1024),
]
"""The tables of targets, row by row, and rows that show more."""


def of_op(*ops: str) -> list[Case]:
    return [case for case in CASES if case.op in ops]


def inputs(case: Case) -> dict[str, NDArray[np.generic]]:
    """Return the arrays of a case by name: ``database`` and, if there are any, ``queries``."""
    if case.op == "hamming_topk":
        return {"database": codes(case.n, case.d, 1), "queries": codes(case.q, case.d, 2)}
    database = features(case.n, case.d, 1, case.data)
    if case.op != "euclidean_topk":
        return {"database": database}
    return {
        "database": database,
        "queries": database if case.queries_are_items else features(case.q, case.d, 2, case.data),
    }


def features(n: int, d: int, seed: int, data: str = "normal") -> Matrix:
    """Return rows of features.

    ``"normal"``: independent standard normal numbers, the hardest case for a search that excludes by bounds: all
    distances are nearly alike. ``"relu"``: as a network gives them, non-negative, three quarters zero, in 45 classes.
    """
    rng = np.random.default_rng(seed)
    if data == "normal":
        return rng.standard_normal((n, d), dtype=np.float32)
    if data != "relu":
        raise ValueError(f"data: expected 'normal' or 'relu', got {data!r}")
    centres = np.random.default_rng(45).standard_normal((45, d), dtype=np.float32)
    rows = np.empty((n, d), np.float32)
    for first in range(0, n, 8192):
        block = rows[first : first + 8192]
        rng.standard_normal(dtype=np.float32, out=block)
        block += centres[rng.integers(0, len(centres), len(block))]
        block -= 1  # zeroes about three quarters
        np.maximum(block, 0, out=block)
    return rows


def codes(n: int, bits: int, seed: int) -> Codes:
    return np.random.default_rng(seed).integers(0, 256, (n, bits // 8), dtype=np.uint8)
