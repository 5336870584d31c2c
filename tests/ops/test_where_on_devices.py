"""`where` of searches on CUDA devices, played by the host: the answers of the host's own engine, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import rsir_fast as rf
from cuda_on_host import on_host
from op_support import same_bits
from rsir_fast.ops import reference
from rsir_fast.ops.engines import device_euclidean, device_hamming, device_ranks, device_where, sharded, streams

SHARES = [0, 0.02, 0.3, 1]


@pytest.fixture(autouse=True)
def module(monkeypatch):
    monkeypatch.setattr(device_euclidean, "CERTIFY_ELEMENTS", 0)
    monkeypatch.setattr(device_hamming, "MANY_ITEMS", 300)
    return on_host(monkeypatch)


@pytest.fixture(params=["by kernels", "gathered"])
def way(monkeypatch, request):
    """Few allowed rows are copied and searched alone, or none ever."""
    monkeypatch.setattr(device_where, "FEW_ROWS", 10**9 if request.param == "gathered" else -1)
    monkeypatch.setattr(device_where, "FEW_SHARE", 1 if request.param == "gathered" else 10**9)
    return request.param


def numbers(n: int, d: int) -> np.ndarray:
    """Rows of which most are there several times: ties between shards and between blocks."""
    rng = np.random.default_rng(n)
    return rng.standard_normal((max(1, n // 4), d)).astype(np.float32)[rng.integers(0, max(1, n // 4), n)]


def chosen(n: int, share: float) -> np.ndarray:
    return np.random.default_rng(1).random(n) < share


def tensor(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(x.copy())


def forms(allowed: np.ndarray) -> list:
    """Ids, booleans and a bitmap, on the host and on the device."""
    ids = np.flatnonzero(allowed)
    plain = [np.concatenate([ids[::-1], ids[:2]]), allowed, np.packbits(allowed, bitorder="little")]
    return [*plain, *map(tensor, plain)]


def same_answer(answer, expected) -> bool:
    return all(same_bits(np.asarray(a), np.asarray(b)) for a, b in zip(answer, expected, strict=True))


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("q", [1, 11, 20])
def test_hamming(q):
    codes = rf.pack_codes(numbers(400, 77))
    for share in SHARES:
        allowed = chosen(400, share)
        for k in (0, 5, 400, 2100):
            expected = reference.hamming_topk(codes[:q], codes, k, 77, where=allowed)
            for where in forms(allowed) if k == 5 else [allowed, tensor(allowed)]:
                found = rf.hamming_topk(tensor(codes[:q]), tensor(codes), k, 77, where=where)
                assert same_answer(found, expected)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(("q", "normalize"), [(1, "none"), (9, "row")])
def test_euclidean(q, normalize):
    x = numbers(300, 12)
    x[5, 2], x[100] = np.nan, np.inf
    queries = x[:q].copy()
    queries[-1] += 0.5
    databases = [tensor(x), *(rf.prepare(tensor(x), normalize, precision=codes) for codes in ("auto", "int8"))]
    for share in SHARES:
        allowed = chosen(300, share)
        for k in (5, 2100 if q == 1 else 300):
            expected = rf.euclidean_topk(queries, x, k, normalize, where=allowed)
            for database in databases:
                for where in forms(allowed) if k == 5 and q == 1 else [allowed, tensor(allowed)]:
                    found = rf.euclidean_topk(tensor(queries), database, k, normalize, where=where)
                    assert same_answer(found, expected)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("memory", [None, 2400])
@pytest.mark.parametrize("shards", [1, 3])
def test_sharded_and_streamed(shards, memory):
    """Shards and blocks begin anywhere within a byte of the bitmap; NaN and empty slots keep their places."""
    x = numbers(83, 5)
    x[3, 2], x[20], x[71, 0] = np.nan, np.inf, np.nan
    codes = rf.pack_codes(numbers(83, 40))
    database = rf.prepare(x, devices=["cpu"] * shards, memory=memory)
    coded = rf.prepare(codes, metric="hamming", devices=["cpu"] * shards, memory=memory)
    for share in SHARES:
        allowed = chosen(83, share)
        allowed[[3, 20]] |= share > 0
        for k in (4, 90):
            for where in [allowed, tensor(np.packbits(allowed, bitorder="little"))]:
                expected = rf.euclidean_topk(x[:4], x, k, where=allowed)
                assert same_answer(rf.euclidean_topk(tensor(x[:4]), database, k, where=where), expected)
                expected = rf.hamming_topk(codes[:4], codes, k, where=allowed)
                assert same_answer(rf.hamming_topk(tensor(codes[:4]), coded, k, where=where), expected)


@pytest.mark.parametrize("metric", ["euclidean", "hamming"])
def test_streamed_blocks_without_an_allowed_row_are_not_sent(monkeypatch, metric):
    x = numbers(200, 8)
    rows = x if metric == "euclidean" else rf.pack_codes(x)
    database = rf.prepare(rows, metric=metric, devices=["cpu"] * 2, memory=1200)
    sent = []
    reader = streams.HostRows.reader

    def watched(self, device, side):
        bring = reader(self, device, side)
        return lambda first, target: sent.append(range(first, first + len(target))) or bring(first, target)

    monkeypatch.setattr(streams.HostRows, "reader", watched)
    search = rf.euclidean_topk if metric == "euclidean" else rf.hamming_topk
    for ids in ([], [7], [199, 7, 8]):
        sent.clear()
        for where in (ids, tensor(np.isin(np.arange(200), ids))):
            assert same_answer(search(rows[:3], database, 5, where=where), search(rows[:3], rows, 5, where=ids))
        assert all(any(i in block for i in ids) for block in sent)
        assert {i for block in sent for i in block} >= set(ids)
        assert len(sent) == 2 * len({i // 10 for i in ids})


@pytest.mark.parametrize("form", ["bitmap", "booleans"])
def test_what_lies_on_the_device_stays_there(monkeypatch, form):
    x = numbers(300, 20)
    allowed = chosen(300, 0.2)
    where = tensor(np.packbits(allowed, bitorder="little") if form == "bitmap" else allowed)
    expected = rf.euclidean_topk(x[:3], x, 5, where=allowed)
    for name in ("item", "cpu", "numpy", "tolist"):
        monkeypatch.setattr(torch.Tensor, name, lambda *_: pytest.fail("the host waits for the device"))
    found = rf.euclidean_topk(tensor(x[:3]), tensor(x), 5, where=where)
    monkeypatch.undo()
    assert same_answer(found, expected)


@pytest.mark.usefixtures("way")
def test_rankings_and_ranks(monkeypatch):
    monkeypatch.setattr(device_ranks, "LEAST_PLACED", 3 * 150 * 24)  # of the first blocks of queries
    x = numbers(150, 24)
    codes = rf.pack_codes(x)
    labels = np.random.default_rng(2).integers(0, 4, 150)
    for share in SHARES:
        allowed = chosen(150, share)
        for where in (allowed, tensor(allowed)):
            for metric, rows in (("euclidean", x), ("hamming", codes)):
                expected = list(rf.rank_database(rows[:7], rows, metric=metric, block=3, where=allowed))
                held = [tensor(rows), rf.prepare(rows, metric=metric, devices=["cpu"] * 3)]
                for database in held:
                    blocks = rf.rank_database(tensor(rows[:7]), database, metric=metric, block=3, where=where)
                    for block, wanted in zip(blocks, expected, strict=True):
                        assert same_answer(block[1:], wanted[1:])
            for database in (tensor(x), rf.prepare(tensor(x)), rf.prepare(x, devices=["cpu"] * 3)):
                options = {"self_ids": np.arange(7), "block": 3, "where": where}
                found = rf.relevant_ranks(tensor(x[:7]), database, labels[:7], labels, **options)
                options["where"] = allowed
                for part, wanted in zip(found, rf.relevant_ranks(x[:7], x, labels[:7], labels, **options), strict=True):
                    assert part.start == wanted.start
                    assert same_answer(part[1:], wanted[1:])


def test_errors():
    x = numbers(30, 4)
    with pytest.raises(ValueError, match="where: expected a bitmap of 4 bytes for 30 rows, got 30"):
        rf.euclidean_topk(tensor(x[:2]), tensor(x), 1, where=torch.zeros(30, dtype=torch.uint8))
    with pytest.raises(ValueError, match="where: expected one boolean for each of 30 rows, got 31"):
        rf.euclidean_topk(tensor(x[:2]), rf.prepare(tensor(x)), 1, where=torch.zeros(31, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"where: expected one axis .* got shape \[2, 2\]"):
        rf.euclidean_topk(tensor(x[:2]), tensor(x), 1, where=torch.zeros(2, 2, dtype=torch.uint8))
    with pytest.raises(ValueError, match="where: expected ids of rows 0 to 29, got 30 to 30"):
        rf.euclidean_topk(tensor(x[:2]), tensor(x), 1, where=torch.tensor([30]))
    sharded_rows = rf.prepare(x, devices=["cpu"] * 2)
    assert isinstance(sharded_rows.held, sharded.ShardedMatrix)
    with pytest.raises(ValueError, match="where: expected one boolean for each of 30 rows, got 29"):
        rf.euclidean_topk(tensor(x[:2]), sharded_rows, 1, where=np.zeros(29, bool))
