"""Ranks by the digits of rows on a CUDA device, played by the host: the CPU's, bit for bit."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
import torch

import rsir_fast as rf
from cuda_on_host import on_host, pretend
from op_support import same_bits
from rsir_fast.base import compiled
from rsir_fast.ops.engines import device_ranks


@pytest.fixture(autouse=True)
def _ampere_afterwards():
    yield
    pretend(8)


@pytest.mark.parametrize(("capability", "placed"), [(7, False), (8, True), (9, True)])
def test_ranks_by_digits(monkeypatch, capability, placed):
    """Of several blocks of queries; of too many relevant items, or pairs that are left open, as without digits."""
    on_host(monkeypatch)
    pretend(capability)
    monkeypatch.setattr(device_ranks, "LEAST_PLACED", 0)
    calls = []
    place, count = compiled.cuda.place_ranks, compiled.cuda.count_ranks
    monkeypatch.setattr(compiled.cuda, "place_ranks", lambda *args: calls.append("placed") or place(*args))
    monkeypatch.setattr(compiled.cuda, "count_ranks", lambda *args: calls.append("counted") or count(*args))
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1100, 9)).astype(np.float32)[rng.integers(0, 1100, 1100)]
    x[3, 2], x[7] = np.nan, np.inf
    labels = np.arange(1100) % 3

    def check(q: int, labels: np.ndarray, expected_calls: list[str]) -> None:
        settings = {"self_ids": np.arange(q)}
        (expected,) = rf.relevant_ranks(x[:q], x, labels[:q], labels, **settings)
        found = list(
            rf.relevant_ranks(torch.from_numpy(x[:q]), torch.from_numpy(x), labels[:q], labels, block=4, **settings)
        )
        for name in ("counts", "ranks", "self_ranks"):
            assert same_bits(np.concatenate([getattr(part, name) for part in found]), getattr(expected, name))
        assert calls == expected_calls
        calls.clear()

    check(11, labels, ["placed"] * 3 if placed else ["counted"] * 3)
    check(1, labels * 0, ["counted"])
    if placed:  # and none later, once too many pairs were left open
        monkeypatch.setattr(
            compiled.cuda,
            "place_ranks",
            lambda *args: (calls.append("placed"), place(*args), ctypes.memset(args[16], 1, 8)),
        )
        check(11, labels, ["placed", "counted", "counted", "counted"])
    monkeypatch.setattr(device_ranks, "LEAST_PLACED", 11 * 1100 * 9 + 1)
    check(11, labels, ["counted"] * 3)
