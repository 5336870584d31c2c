"""Databases on several devices, and streamed: on the host device, bit for bit the answers of a single search."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import rsir_fast as rf
from cuda_on_host import on_host
from op_support import same_bits
from rsir_fast.ops.engines import device_euclidean, sharded
from rsir_fast.ops.engines.shards import Part, search_parts
from rsir_fast.ops.engines.streams import blocks

MEMORY = [None, 1000]
"""None: the shards stay on their devices; else a few rows fit into a block."""


@pytest.fixture(autouse=True)
def module(monkeypatch):
    return on_host(monkeypatch)


def numbers(n: int, d: int, seed: int = 0) -> np.ndarray:
    """Rows of which most are there several times, far from each other: ties between shards and between blocks."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((max(1, n // 4), d)).astype(np.float32)[rng.integers(0, max(1, n // 4), n)]


def same_answer(answer, expected) -> bool:
    return all(same_bits(np.asarray(a), np.asarray(b)) for a, b in zip(answer, expected, strict=True))


def tensor(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(x.copy())


@pytest.mark.parametrize("memory", MEMORY)
@pytest.mark.parametrize("shards", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("q", [1, 11])
def test_euclidean_topk(monkeypatch, shards, q, memory):
    monkeypatch.setattr(sharded, "UPLOADED_BYTES", 60)  # three rows at a time
    x = numbers(43, 5)
    x[3, 2], x[20], x[31, 0] = np.nan, np.inf, np.nan
    queries = x[:q].copy()
    queries[0] += 0.5
    database = rf.prepare(x, devices=["cpu"] * shards, memory=memory)
    assert database.shape == (43, 5)
    assert len(database.held.devices) == shards
    for k in (0, 1, 5, 9, 30, 43, 50):  # 9: as many as a shard of five has
        expected = rf.euclidean_topk(queries, x, k)
        assert same_answer(rf.euclidean_topk(tensor(queries), database, k), expected)
    answer = rf.euclidean_topk(queries, database, 4)
    assert isinstance(answer[0], np.ndarray)
    assert same_answer(answer, rf.euclidean_topk(queries, x, 4))


@pytest.mark.parametrize("memory", MEMORY)
def test_equal_rows_are_ordered_by_id(memory):
    x = np.ones((50, 3), np.float32)
    database = rf.prepare(x, devices=["cpu"] * 3, memory=memory)
    for k in (1, 16, 17, 18, 50):
        ids = rf.euclidean_topk(tensor(x[:2]), database, k)[1]
        assert (ids.numpy() == np.arange(k)).all()


@pytest.mark.parametrize("memory", MEMORY)
@pytest.mark.parametrize("stored", [np.float16, np.float32, np.float64])
def test_dtypes(stored, memory):
    x = numbers(30, 20).astype(stored)
    for normalize in ("none", "row"):
        database = rf.prepare(x, normalize, devices=["cpu"] * 2, memory=memory)
        for asked in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
            queries = tensor(x[:3]).to(asked)
            expected = rf.euclidean_topk(queries.double().numpy(), x, 9, normalize)
            assert same_answer(rf.euclidean_topk(queries, database, 9), expected)


@pytest.mark.parametrize("memory", MEMORY)
@pytest.mark.parametrize("shape", [(0, 4), (2, 4), (9, 0), (0, 0)])
def test_fewer_rows_than_devices(shape, memory):
    x = np.ones(shape, np.float32)
    queries = np.zeros((2, shape[1]), np.float32)
    database = rf.prepare(x, devices=["cpu"] * 4, memory=memory)
    assert len(database.held.devices) == max(1, min(4, shape[0]))
    assert same_answer(rf.euclidean_topk(tensor(queries), database, 3), rf.euclidean_topk(queries, x, 3))
    if memory is None:
        codes = np.ones(shape, np.uint8)
        prepared = rf.prepare(codes, metric="hamming", devices=["cpu"] * 4)
        expected = rf.hamming_topk(queries.astype(np.uint8), codes, 3)
        assert same_answer(rf.hamming_topk(tensor(queries.astype(np.uint8)), prepared, 3), expected)


@pytest.mark.parametrize("blocks_of", [None, 5, 16])
@pytest.mark.parametrize("bits", [1, 9, 63, 64, 77, 130])
def test_hamming_topk(bits, blocks_of):
    codes = rf.pack_codes(numbers(43, bits))
    codes[::3, -1] |= 0x80 if bits % 8 else 0  # beyond the code: to be ignored
    memory = blocks_of and blocks_of * 4 * (bits // 64 + 1) * 8
    for shards in (1, 3):
        database = rf.prepare(codes, metric="hamming", bits=bits, devices=["cpu"] * shards, memory=memory)
        for k in (0, 1, 17, 43, 50):
            expected = rf.hamming_topk(codes[:4], codes, k, bits)
            assert same_answer(rf.hamming_topk(tensor(codes[:4]), database, k), expected)
        assert same_answer(rf.hamming_topk(codes[:4], database, k, bits), expected)


@pytest.mark.parametrize("memory", [None, 100_000])
def test_more_neighbours_than_can_be_selected(memory):
    x = numbers(4300, 2)
    database = rf.prepare(x, devices=["cpu"] * 2, memory=memory)
    for k in (2100, 4300):
        assert same_answer(rf.euclidean_topk(tensor(x[:2]), database, k), rf.euclidean_topk(x[:2], x, k))


@pytest.mark.parametrize("memory", [None, 30_000])
@pytest.mark.parametrize("q", [1, 11])
def test_certified(monkeypatch, q, memory):
    monkeypatch.setattr(device_euclidean, "CERTIFY_ELEMENTS", 0)
    x = numbers(300, 20)
    queries = x[:q] + np.float32(0.01)
    for normalize in ("none", "row"):
        database = rf.prepare(x, normalize, devices=["cpu"] * 2, memory=memory)
        expected = rf.euclidean_topk(queries, x, 7, normalize)
        assert same_answer(rf.euclidean_topk(tensor(queries), database, 7), expected)


def test_a_tensor_on_a_device_is_spread():
    x = numbers(30, 6)
    given = tensor(x)
    database, shared = rf.prepare(given, devices=["cpu"] * 2), rf.prepare(given, copy=False, devices=["cpu"] * 2)
    codes = rf.pack_codes(numbers(30, 64))
    tensor_of_codes = tensor(codes)
    spread = rf.prepare(tensor_of_codes, metric="hamming", devices=["cpu"] * 2)
    assert shared.held.shards[1].rows.data_ptr() == given[15:].data_ptr()
    expected = rf.euclidean_topk(x[:3], x, 8)
    assert same_answer(rf.euclidean_topk(x[:3], shared, 8), expected)
    given.zero_()
    tensor_of_codes.zero_()
    assert same_answer(rf.euclidean_topk(x[:3], database, 8), expected)
    assert same_answer(rf.hamming_topk(codes[:3], spread, 8), rf.hamming_topk(codes[:3], codes, 8))
    for data, metric in ((given, "euclidean"), (tensor_of_codes, "hamming")):
        with pytest.raises(ValueError, match="memory: expected None for a tensor on cpu"):
            rf.prepare(data, metric=metric, devices=["cpu"], memory=10**6)


def test_arrays_that_cannot_be_written(tmp_path):
    x = numbers(40, 7)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    expected = rf.euclidean_topk(x[:5], x, 6)
    for memory in MEMORY:
        database = rf.prepare(mapped, devices=["cpu"] * 2, memory=memory)
        assert same_answer(rf.euclidean_topk(mapped[:5], database, 6), expected)
    strided = rf.prepare(np.repeat(x, 2, axis=1)[:, ::2], devices=["cpu"], memory=1000)
    assert same_answer(rf.euclidean_topk(x[:5], strided, 6), expected)


@pytest.mark.parametrize("memory", MEMORY)
def test_out(memory):
    x = numbers(40, 7)
    codes = rf.pack_codes(x)
    features = rf.prepare(x, devices=["cpu"] * 2, memory=memory)
    prepared = rf.prepare(codes, metric="hamming", bits=7, devices=["cpu"] * 2, memory=memory)
    for search, queries, database, dtype in (
        (rf.euclidean_topk, x[:3], features, torch.float32),
        (rf.hamming_topk, codes[:3], prepared, torch.int32),
    ):
        out = torch.zeros(3, 5, dtype=dtype), torch.zeros(3, 5, dtype=torch.int64)
        answer = search(tensor(queries), database, 5, out=out)
        assert answer[0] is out[0]
        assert same_answer(out, search(queries, database, 5))
        with pytest.raises(ValueError, match=r"out\[0\] \(distances\): expected shape \[3, 4\]"):
            search(tensor(queries), database, 4, out=out)


@pytest.mark.parametrize("memory", MEMORY)
def test_rank_database(memory):
    x = numbers(50, 12)
    codes = rf.pack_codes(x)
    for settings in ({"normalize": "row"}, {"metric": "hamming", "bits": 12}):
        hamming = "metric" in settings
        items = codes if hamming else x
        place = {"devices": ["cpu"] * 3, "memory": memory}
        database = rf.prepare(codes, metric="hamming", bits=12, **place) if hamming else rf.prepare(x, "row", **place)
        expected = list(rf.rank_database(items[:7], items, block=3, **settings))
        found = list(rf.rank_database(tensor(items[:7]), database, block=3, **settings))
        assert [part.start for part in found] == [0, 3, 6]
        for part, wanted in zip(found, expected, strict=True):
            assert same_answer(part[1:], wanted[1:])


@pytest.mark.parametrize("memory", MEMORY)
def test_relevant_ranks(memory):
    x, labels = numbers(50, 6), np.arange(50) % 7
    asked = (labels[:9], labels)
    (expected,) = rf.relevant_ranks(x[:9], x, *asked, self_ids=range(9), normalize="row")
    database = rf.prepare(x, "row", devices=["cpu"] * 3, memory=memory)
    for queries in (x[:9], tensor(x[:9])):
        found = list(rf.relevant_ranks(queries, database, *asked, self_ids=range(9), block=4))
        assert [part.start for part in found] == [0, 4, 8]
        for name in ("counts", "ranks", "self_ranks"):
            assert same_bits(np.concatenate([getattr(part, name) for part in found]), getattr(expected, name))


@pytest.mark.parametrize("memory", MEMORY)
@pytest.mark.parametrize("normalize", ["none", "row"])
def test_nan_is_refused(normalize, memory):
    x = numbers(50, 6)
    x[[30, 44], 2] = np.nan, np.inf
    database = rf.prepare(x, normalize, devices=["cpu"] * 3, memory=memory)
    with pytest.raises(ValueError, match="database: expected finite .* in 2 rows, first in row 30"):
        rf.euclidean_topk(x[:2], database, 3, nan="raise")
    finite = rf.prepare(x[:30], normalize, devices=["cpu"] * 3, memory=memory)
    rf.euclidean_topk(x[:2], finite, 3, nan="raise")


def test_more_rows_than_32_bits_count():
    x = torch.tensor([[1.0], [0.0], [2.0]])
    far = 1 << 33
    parts = [Part(x.device, [(0, x), (far, x)].__iter__), Part(x.device, [(far + 3, x)].__iter__)]

    def search(queries, block, k, where):
        distances, ids = rf.euclidean_topk(queries, block, k, where=where)
        return distances, ids

    distances, ids = search_parts(parts, torch.zeros(1, 1), 5, 9, float("inf"), search)
    assert distances.tolist() == [[0, 0, 0, 1, 1]]
    assert ids.tolist() == [[1, far + 1, far + 4, 0, far]]


@pytest.mark.parametrize("normalize", ["none", "row"])
@pytest.mark.parametrize("asked", [torch.float16, torch.float32, torch.float64])
def test_blocks_fit_into_memory(monkeypatch, module, asked, normalize):
    """Two blocks, what is made of one to be searched, and its copy in half precision."""
    monkeypatch.setattr(device_euclidean, "CERTIFY_ELEMENTS", 0)
    d, memory = 20, 200_000
    x = numbers(1500, d)
    database = rf.prepare(x, normalize, devices=["cpu"], memory=memory)
    sizes, copies = [], []

    def seen(*args):
        for first, block in blocks(*args):
            sizes.append(len(block))
            yield first, block

    monkeypatch.setattr("rsir_fast.ops.engines.sharded.blocks", seen)
    sidecar_bytes = module.sidecar_bytes
    monkeypatch.setattr(module, "sidecar_bytes", lambda *a: copies.append(sidecar_bytes(*a)) or copies[-1])
    queries = tensor(x[:9]).to(asked)
    rf.euclidean_topk(queries, database, 5)
    searched = 4 if normalize == "row" else 8 if asked == torch.float64 else 0
    used = sizes[0] * d * (2 * 4 + searched) + max(copies)
    assert 0.95 * memory < used <= memory + sidecar_bytes("half", 256, d)
    assert len(sizes) == -(-1500 // sizes[0])


def test_errors(monkeypatch):
    x = numbers(20, 4)
    codes = rf.pack_codes(x)
    place = {"devices": ["cpu"] * 2}
    features, prepared = rf.prepare(x, "row", **place), rf.prepare(codes, metric="hamming", bits=4, **place)
    assert repr(features).startswith("Database(20 x 4 float32, normalize='row', on cpu, cpu, ")
    assert repr(prepared) == "Database(20 codes of 4 bits, on cpu, cpu, 0.0 MiB)"
    streamed = rf.prepare(x, devices=["cpu"], memory=1000)
    assert repr(streamed) == "Database(20 x 4 float32, normalize='none', on cpu, streamed, memory=1000)"
    assert streamed.nbytes == 0
    assert features.nbytes == sum(shard.nbytes for shard in features.held.shards) > x.nbytes
    for wrong, message in (
        ([], "at least one CUDA device, got none"),
        (["nowhere"], "such as 'cuda:0', or 'all'; got 'nowhere'"),
    ):
        for data, metric in ((x, "euclidean"), (codes, "hamming")):
            with pytest.raises(ValueError, match=message):
                rf.prepare(data, metric=metric, devices=wrong)
    for data, metric in ((x, "euclidean"), (codes, "hamming")):
        with pytest.raises(ValueError, match="memory: expected None without devices, got 5"):
            rf.prepare(data, metric=metric, memory=5)
        with pytest.raises(ValueError, match="memory: expected at least the .* bytes that a row takes"):
            rf.prepare(data, metric=metric, devices=["cpu"], memory=1)
        with pytest.raises(TypeError, match="memory: expected a whole number"):
            rf.prepare(data, metric=metric, devices=["cpu"], memory=1e9)
    with pytest.raises(TypeError, match="database: expected floating point elements, got torch.int32"):
        rf.prepare(tensor(x).int(), **place)
    with pytest.raises(TypeError, match="database: expected float16, bfloat16, float32 or float64"):
        rf.prepare(x.astype(np.int32), **place)
    for wrong_codes in (x, tensor(x)):
        with pytest.raises(TypeError, match="database: expected packed codes of dtype uint8"):
            rf.prepare(wrong_codes, metric="hamming", **place)
        with pytest.raises(TypeError, match="queries: expected packed codes of dtype uint8"):
            rf.hamming_topk(wrong_codes, prepared, 3)
    with pytest.raises(TypeError, match="queries: expected floating point elements"):
        rf.euclidean_topk(tensor(x).int(), features, 3)
    with pytest.raises(ValueError, match="k: expected a number of at least 0"):
        rf.euclidean_topk(x, features, -1)
    with pytest.raises(ValueError, match="queries have 3 features, the database has 4"):
        rf.euclidean_topk(x[:, 1:], features, 3)
    with pytest.raises(ValueError, match="normalize: expected 'row', with which the database was prepared"):
        rf.euclidean_topk(x, features, 3, normalize="none")
    with pytest.raises(ValueError, match="bits: expected 4, the length of the prepared codes"):
        rf.hamming_topk(codes, prepared, 3, bits=5)
    with pytest.raises(ValueError, match="queries have 2 bytes a code, the database has 1"):
        rf.rank_database(np.repeat(codes, 2, axis=1), prepared, metric="hamming")
    for call in (lambda: rf.euclidean_topk(x, features, 3, method="dense"), lambda: features.plan(x, 3)):
        with pytest.raises(ValueError, match="database: expected one in host memory, where a method is chosen"):
            call()
    with pytest.raises(TypeError, match="got Database; it is a database of hamming_topk"):
        rf.euclidean_topk(x, prepared, 3)
    with pytest.raises(TypeError, match="got Database; it is a database of euclidean_topk"):
        rf.hamming_topk(codes, features, 3)
    monkeypatch.undo()
    with pytest.raises(ValueError, match="got 'cpu': it is no CUDA device"):
        rf.prepare(x, devices="cpu")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="at least one CUDA device, got none from 'all'; leave it out"):
            rf.prepare(x, devices="all")
        with pytest.raises(ValueError, match="such as 'cuda:0', or 'all'; got 'cuda:0'"):
            rf.prepare(codes, metric="hamming", devices="cuda:0")
