"""Searches that write into arrays of the caller."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import rsir_fast as rf
from cuda_on_host import on_host
from op_support import same_bits

Q, N, K = 5, 60, 7
ROWS = np.random.default_rng(0).standard_normal((N, 33)).astype(np.float32)
SEARCHES = {
    "euclidean": (np.float32, rf.euclidean_topk, ROWS),
    "hamming": (np.int32, rf.hamming_topk, rf.pack_codes(ROWS)),
}
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


@pytest.fixture(params=SEARCHES)
def case(request):
    return SEARCHES[request.param]


def new(dtype, shape=(Q, K)) -> tuple[np.ndarray, np.ndarray]:
    return np.full(shape, 77, dtype), np.full(shape, 77, np.int64)


def assert_written(out, answer, expected) -> None:
    for given, returned, wanted in zip(out, answer, expected, strict=True):
        assert returned is given
        assert same_bits(np.asarray(given.cpu() if isinstance(given, torch.Tensor) else given), wanted)


def test_numpy(case):
    dtype, search, x = case
    out = new(dtype)
    assert_written(out, search(x[:Q], x, K, out=out), search(x[:Q], x, K))


@pytest.mark.parametrize("device", DEVICES)
def test_torch(case, device):
    dtype, search, x = case
    out = tuple(torch.from_numpy(a).to(device) for a in new(dtype))
    rows = torch.from_numpy(x).to(device)
    assert_written(out, search(rows[:Q], rows, K, out=out), search(x[:Q], x, K))


def test_on_the_device_and_by_prepared_databases(monkeypatch):
    queries = ROWS[:Q].astype(np.float64)
    expected = rf.euclidean_topk(queries, ROWS, K)
    out = new(np.float32)
    assert_written(out, rf.euclidean_topk(queries, rf.prepare(ROWS), K, out=out), expected)
    assert_written(out, rf.prepare(ROWS).topk(queries, K, out=out), expected)
    on_host(monkeypatch)
    rows = torch.from_numpy(ROWS)
    out = tuple(map(torch.from_numpy, new(np.float32)))
    answer = rf.euclidean_topk(rows[:Q], rows, K, out=out)
    assert_written(out, answer, rf.euclidean_topk(ROWS[:Q], ROWS, K))
    out = new(np.float32)  # host queries of a device's database
    assert_written(out, rf.euclidean_topk(queries, rf.prepare(rows), K, out=out), expected)
    codes = torch.from_numpy(SEARCHES["hamming"][2])
    out = tuple(map(torch.from_numpy, new(np.int32)))
    assert_written(
        out, rf.hamming_topk(codes[:Q], codes, K, out=out), rf.hamming_topk(codes[:Q].numpy(), codes.numpy(), K)
    )


def wrong(dtype):
    distances, ids = new(dtype)
    yield distances, TypeError, "expected a pair"
    yield (distances, ids.astype(np.int32)), TypeError, r"out\[1\] \(ids\): expected int64 NumPy array, got int32"
    yield (torch.from_numpy(distances), ids), TypeError, "expected .* NumPy array, got .* torch tensor on cpu"
    yield (list(distances), ids), TypeError, "got list"
    yield (distances[:, 1:], ids), ValueError, rf"expected shape \[{Q}, {K}\], got \[{Q}, {K - 1}\]"
    yield (new(dtype, (K, Q))[0].T, ids), ValueError, "contiguous"
    frozen = ids.copy()
    frozen.flags.writeable = False
    yield (distances, frozen), ValueError, "can be written"
    shared = np.zeros(2 * Q * K + 1, np.int64)
    part = shared.view(dtype)[2 * Q * K - 1 :][: Q * K].reshape(Q, K)
    yield (part, shared[: Q * K].reshape(Q, K)), ValueError, "memory of its own"


def test_wrong_arrays_are_refused_and_left_alone(case):
    dtype, search, x = case
    for out, error, match in wrong(dtype):
        with pytest.raises(error, match=match):
            search(x[:Q], x, K, out=out)
        for array in out:
            assert np.isin(np.asarray(array), [77, 0]).all()


def test_memory_that_is_searched_is_refused():
    x = np.random.default_rng(0).standard_normal((N, 2 * K)).astype(np.float32)
    before = x.copy()
    with pytest.raises(ValueError, match=r"out\[0\] .*memory of its own"):
        rf.euclidean_topk(x[:Q], x, K, out=(x.reshape(-1, K)[Q : 2 * Q], np.empty((Q, K), np.int64)))
    assert same_bits(x, before)


@pytest.mark.parametrize("device", DEVICES)
def test_codes(device):
    u = ROWS.astype(np.float64)
    expected = rf.pack_codes(u)
    out = np.empty_like(expected)
    assert rf.pack_codes(u, out=out) is out
    assert same_bits(out, expected)
    codes = torch.empty(expected.shape, dtype=torch.uint8, device=device)
    assert rf.pack_codes(torch.from_numpy(u).to(device), out=codes) is codes
    assert same_bits(codes.cpu().numpy(), expected)
    with pytest.raises(ValueError, match=r"out: expected shape \[60, 5\], got \[60, 4\]"):
        rf.pack_codes(u, out=out[:, 1:])
