"""Databases on several devices, and streamed: real streams, pinned memory and copies between devices."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import rsir_fast as rf
from op_support import same_bits

pytestmark = pytest.mark.gpu

MIB = 1 << 20


def devices() -> list[list[str]]:
    """One device, twice the same, and all where there are several."""
    count = torch.cuda.device_count()
    every = [[f"cuda:{number}" for number in range(count)]] if count > 1 else []
    return [["cuda:0"], ["cuda:0", "cuda:0"], *every]


def numbers(n: int, d: int) -> np.ndarray:
    """Rows of which most are there several times, far from each other."""
    rng = np.random.default_rng(d)
    x = rng.standard_normal((n // 4, d)).astype(np.float32)[rng.integers(0, n // 4, n)]
    x[n // 3, 0], x[n // 2, 0] = np.nan, np.inf
    return x


def same_answer(answer, expected) -> bool:
    return all(same_bits(torch.as_tensor(a).cpu().numpy(), b) for a, b in zip(answer, expected, strict=True))


@pytest.mark.parametrize("memory", [None, 4 * MIB])
@pytest.mark.parametrize("kind", ["array", "read-only", "pinned", "on the device"])
@pytest.mark.parametrize("normalize", ["none", "row"])
def test_features(normalize, kind, memory):
    x = numbers(60_001, 65)
    source = torch.from_numpy(x) if kind in ("pinned", "on the device") else x.copy()
    if kind == "read-only":
        source.flags.writeable = False
    elif kind == "pinned":
        source = source.pin_memory()
    elif kind == "on the device":
        if memory is not None:
            pytest.skip("only host memory is streamed")
        source = source.cuda()
    queries = x[:20] + np.float32(0.01)
    expected = {k: rf.euclidean_topk(queries, x, k, normalize) for k in (1, 100, 2049)}
    for places in devices():
        database = rf.prepare(source, normalize, devices=places, memory=memory)
        for q in (1, 20):
            for k, (distances, ids) in expected.items():
                answer = rf.euclidean_topk(torch.from_numpy(queries[:q]).cuda(), database, k)
                assert answer[0].is_cuda
                assert same_answer(answer, (distances[:q], ids[:q]))
                assert same_answer(rf.euclidean_topk(queries[:q], database, k), (distances[:q], ids[:q]))


def test_bfloat16_and_all_devices():
    x = torch.from_numpy(numbers(20_000, 33)).bfloat16()
    expected = [part.numpy() for part in rf.euclidean_topk(x[:9], x, 50)]
    for memory in (None, MIB):
        for source in (x, x.pin_memory()):
            database = rf.prepare(source, devices="all", memory=memory)
            assert len(database.held.devices) == torch.cuda.device_count()
            assert same_answer(rf.euclidean_topk(x[:9].cuda(), database, 50), expected)


@pytest.mark.parametrize("memory", [None, MIB])
@pytest.mark.parametrize("bits", [64, 77])
def test_codes(bits, memory):
    codes = rf.pack_codes(np.random.default_rng(bits).standard_normal((600_000, bits)).astype(np.float32))
    expected = rf.hamming_topk(codes[:20], codes, 100, bits)
    for source in (codes, torch.from_numpy(codes).pin_memory()):
        for places in devices():
            database = rf.prepare(source, metric="hamming", bits=bits, devices=places, memory=memory)
            for q in (1, 20):
                answer = rf.hamming_topk(torch.from_numpy(codes[:q]).cuda(), database, 100)
                assert same_answer(answer, (expected[0][:q], expected[1][:q]))


def test_pinned_rows_are_not_waited_for_and_the_callers_stream_is_used():
    """The host gets on while the device is busy; the answer is right on the stream on which it was asked for."""
    x = numbers(200_000, 64)
    database = rf.prepare(torch.from_numpy(x).pin_memory(), devices=["cuda:0"], memory=8 * MIB)
    queries = torch.from_numpy(x[:5]).cuda()
    expected = rf.euclidean_topk(x[:5], x, 10)
    torch.cuda.synchronize()
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        rf.euclidean_topk(queries, database, 10)  # memory is set aside
        stream.synchronize()
        torch.cuda._sleep(2_000_000_000)  # cycles: about a second
        answer = rf.euclidean_topk(queries, database, 10)
        assert not stream.query()
    stream.synchronize()
    assert same_answer(answer, expected)


def test_a_database_larger_than_what_it_may_take():
    x = numbers(1_000_000, 64)  # 244 MiB
    database = rf.prepare(x, devices=["cuda:0"], memory=16 * MIB)
    queries = torch.from_numpy(x[:4]).cuda()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    answer = rf.euclidean_topk(queries, database, 10)
    torch.cuda.synchronize()
    assert torch.cuda.max_memory_allocated() - before < 40 * MIB
    assert same_answer(answer, rf.euclidean_topk(x[:4], x, 10))


def test_ranking():
    x = numbers(5000, 16)
    for memory in (None, MIB // 8):
        database = rf.prepare(x, devices=["cuda:0", "cuda:0"], memory=memory)
        found = list(rf.rank_database(torch.from_numpy(x[:6]).cuda(), database, block=4))
        for part, wanted in zip(found, rf.rank_database(x[:6], x, block=4), strict=True):
            assert same_answer(part[1:], wanted[1:])


def test_no_such_device():
    with pytest.raises(ValueError, match="such as 'cuda:0', or 'all'; got 'cuda:99'"):
        rf.prepare(numbers(8, 2), devices=["cuda:0", "cuda:99"])
