"""What the package does with CUDA tensors, on the host: the kernels and all Python code around them, bit for bit."""

from __future__ import annotations

import importlib
import pickle

import numpy as np
import pytest
import torch

import rsir_fast as rf
from cuda_on_host import on_host, pretend
from op_support import copied_rows, same_bits
from rsir_fast.base import compiled
from rsir_fast.ops.engines import device_euclidean, device_hamming, device_prepared, tensors


@pytest.fixture(autouse=True)
def _on_host(monkeypatch):
    on_host(monkeypatch)


@pytest.fixture
def _capability(request):
    pretend(request.param)
    yield
    pretend(8)


@pytest.fixture
def _certified(monkeypatch):
    monkeypatch.setattr(device_euclidean, "CERTIFY_ELEMENTS", 0)


def numbers(n: int, d: int, seed: int = 0) -> np.ndarray:
    """Rows with duplicates among them, so that there are ties."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)).astype(np.float32)[rng.integers(0, n, n)]


def same_answer(answer, expected) -> bool:
    """`answer`: tensors, or NumPy arrays; `expected`: NumPy arrays."""
    return all(same_bits(np.asarray(a), np.asarray(b)) for a, b in zip(answer, expected, strict=True))


def tensor(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(x)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_gaussian_normalize(dtype):
    x = tensor(numbers(7, 70)).to(dtype)
    expected = rf.gaussian_normalize(x.float().numpy() if dtype != torch.float64 else x.numpy())
    assert same_bits(rf.gaussian_normalize(x).numpy(), expected)
    out = torch.empty(7, 70)
    assert rf.gaussian_normalize(x, out=out) is out
    assert same_bits(out.numpy(), expected)
    assert same_bits(rf.gaussian_normalize(x[:, ::2]).numpy(), rf.gaussian_normalize(x.double().numpy()[:, ::2]))
    both = x.float().clone()
    rf.gaussian_normalize(both, out=both)
    assert same_bits(both.numpy(), rf.gaussian_normalize(x.float().numpy()))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_gaussian_normalize_by_feature(dtype):
    x = tensor(numbers(70, 12)).to(dtype)
    x[:, 3], x[5, 4] = 0.1, float("nan")
    wide = x.double().numpy() if dtype == torch.float64 else x.float().numpy()
    expected, taken = rf.gaussian_normalize(wide, "feature"), rf.gaussian_statistics(wide)
    statistics = rf.gaussian_statistics(x)
    assert all(isinstance(values, torch.Tensor) for values in statistics)
    assert same_answer(statistics, taken)
    assert same_bits(rf.gaussian_normalize(x, "feature").numpy(), expected)
    for given in (statistics, taken):  # from the device and from the host, for features on either
        assert same_bits(rf.gaussian_normalize(x[7:9], "feature", statistics=given).numpy(), expected[7:9])
        assert same_bits(rf.gaussian_normalize(wide[7:9], "feature", statistics=given), expected[7:9])
    for out in (torch.full((70, 24), 7.0)[:, ::2], torch.full((70, 12), 7.0)):
        assert rf.gaussian_normalize(x, "feature", out) is out
        assert same_bits(out.contiguous().numpy(), expected)
    both = x.float().clone()
    rf.gaussian_normalize(both, "feature", both)
    assert same_bits(both.numpy(), rf.gaussian_normalize(x.float().numpy(), "feature"))
    assert same_bits(
        rf.gaussian_normalize(x[::2, ::3], "feature").numpy(), rf.gaussian_normalize(wide[::2, ::3], "feature")
    )


def test_by_feature_without_rows_or_features():
    x = torch.empty(0, 5)
    assert rf.gaussian_normalize(x, "feature").shape == (0, 5)
    assert rf.gaussian_normalize(x, "feature", statistics=rf.gaussian_statistics(torch.rand(2, 5))).shape == (0, 5)
    assert rf.gaussian_normalize(x.T, "feature").shape == (5, 0)
    with pytest.raises(ValueError, match=r"at least one row to take statistics of, got shape \[0, 5\]"):
        rf.gaussian_statistics(x)
    with pytest.raises(ValueError, match=r"statistics.mean: expected shape \[5\].*got \[4\]"):
        rf.gaussian_normalize(x, "feature", statistics=rf.gaussian_statistics(torch.rand(2, 4)))
    with pytest.raises(TypeError, match="expected what gaussian_statistics returns, got int"):
        rf.gaussian_normalize(x, "feature", statistics=5)
    with pytest.raises(ValueError, match=r"out: expected float32 of shape \[3, 5\]"):
        rf.gaussian_normalize(torch.rand(3, 5), "feature", torch.empty(3, 4))


def test_torch_op_by_feature():
    x = numbers(40, 6)
    op = importlib.import_module("rsir_fast.torch_ops").gaussian_normalize
    assert same_bits(op(tensor(x), "feature").numpy(), rf.gaussian_normalize(x, "feature"))


def test_codes():
    u = numbers(90, 77)
    codes = rf.pack_codes(u)
    assert same_bits(rf.pack_codes(tensor(u)).numpy(), codes)
    for bits, k in ((77, 5), (74, 90), (77, 2100)):
        expected = rf.hamming_topk(codes[:9], codes, k, bits)
        assert same_answer(rf.hamming_topk(tensor(codes[:9]), tensor(codes), k, bits), expected)


@pytest.mark.usefixtures("_capability")
@pytest.mark.parametrize(
    ("_capability", "counts"), [(7, False), (8, True), (9, True), (12, False)], indirect=["_capability"]
)
def test_codes_of_many_queries(monkeypatch, counts):
    monkeypatch.setattr(device_hamming, "MANY_ITEMS", 300)
    monkeypatch.setattr(device_hamming, "MANY_AT_ONCE", 13)
    u = numbers(400, 130)
    codes = rf.pack_codes(u)
    searched = []
    module = compiled.cuda
    many = module.hamming_many
    monkeypatch.setattr(module, "hamming_many", lambda *args: searched.append(args[1]) or many(*args))
    cases = [(20, 400, 7, [13, 7]), (20, 299, 7, []), (8, 400, 7, []), (20, 400, 2049, []), (20, 400, 0, [])]
    for q, n, k, blocks in cases:
        searched.clear()
        for bits in (130, 129):
            expected = rf.hamming_topk(codes[:q], codes[:n], k, bits)
            assert same_answer(rf.hamming_topk(tensor(codes[:q]), tensor(codes[:n]), k, bits), expected)
        assert searched == (2 * blocks if counts else [])


@pytest.mark.parametrize("k", [0, 1, 9, 300, 2049])
@pytest.mark.parametrize("q", [1, 11])
def test_euclidean_topk(q, k):
    x = numbers(200, 33)
    assert same_answer(rf.euclidean_topk(tensor(x[:q]), tensor(x), k), rf.euclidean_topk(x[:q], x, k))
    normalized = rf.euclidean_topk(x[:q], x, k, normalize="row")
    assert same_answer(rf.euclidean_topk(tensor(x[:q]), tensor(x), k, normalize="row"), normalized)


def test_dtypes_that_differ():
    x = tensor(numbers(60, 20))
    kinds = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
    for first in kinds:
        for second in kinds:
            queries, database = x[:5].to(first), x.to(second)
            expected = rf.euclidean_topk(queries.double().numpy(), database.double().numpy(), 9)
            assert same_answer(rf.euclidean_topk(queries, database, 9), expected)
            assert same_answer(rf.euclidean_topk(queries, rf.prepare(database), 9), expected)


@pytest.mark.usefixtures("_certified")
@pytest.mark.parametrize("d", [1, 64, 65])
@pytest.mark.parametrize("q", [1, 8, 9, 130])
@pytest.mark.parametrize("precision", ["auto", "int8", "int16"])
def test_prepared(precision, q, d):
    x = numbers(400, d)
    prepared = rf.prepare(tensor(x), precision=precision)
    assert prepared.shape == (400, d)
    assert len(prepared) == 400
    queries = x[:q] + np.float32(0.01)
    for k in (1, 20):
        assert same_answer(rf.euclidean_topk(tensor(queries), prepared, k), rf.euclidean_topk(queries, x, k))
    brought = rf.euclidean_topk(queries, prepared, 3)  # NumPy in, NumPy out
    assert isinstance(brought[0], np.ndarray)
    assert same_answer(brought, rf.euclidean_topk(queries, x, 3))


@pytest.mark.usefixtures("_certified")
@pytest.mark.parametrize("precision", ["int8", "int16"])
def test_queries_are_certified_a_block_at_a_time(monkeypatch, precision):
    monkeypatch.setattr(device_euclidean, "CERTIFIED_QUERIES", 3)
    x = numbers(300, 20)
    queries = x[:8] + np.float32(0.01)
    prepared = rf.prepare(tensor(x), precision=precision)
    assert same_answer(rf.euclidean_topk(tensor(queries), prepared, 5), rf.euclidean_topk(queries, x, 5))


@pytest.mark.usefixtures("_certified")
def test_prepared_and_normalized():
    x = numbers(300, 40)
    prepared = rf.prepare(tensor(x), normalize="row")
    expected = rf.euclidean_topk(x[:9], x, 5, normalize="row")
    assert same_answer(rf.euclidean_topk(tensor(x[:9]), prepared, 5), expected)
    assert same_answer(rf.euclidean_topk(tensor(x[:1]), prepared, 5), (expected[0][:1], expected[1][:1]))
    again = pickle.loads(pickle.dumps(prepared))
    assert same_answer(rf.euclidean_topk(tensor(x[:9]), again, 5, normalize="row"), expected)
    with pytest.raises(ValueError, match="normalize: expected 'row', with which the database was prepared"):
        rf.euclidean_topk(tensor(x[:9]), prepared, 5, normalize="none")
    with pytest.raises(ValueError, match="queries have 39 features, the database has 40"):
        rf.euclidean_topk(tensor(x[:9, 1:]), prepared, 5)
    with pytest.raises(ValueError, match="database: expected one in host memory, where a method is chosen"):
        prepared.plan(tensor(x[:9]), 5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("d", [40, 1100, 4100])
def test_copies_made_together_are_those_made_alone(dtype, d):
    """Normalised and copied in one pass over the matrix, where rows are short, or in several."""
    x = tensor(numbers(21, d)).to(dtype)
    x[3], x[4, d // 2] = 0.1, float("inf")
    together = rf.prepare(x, normalize="row").held
    assert same_bits(together.rows.numpy(), rf.gaussian_normalize(x).numpy())
    assert sorted(together.copies) == ["half", "int8"]
    for precision, codes in (("int16", "half"), ("int8", "int8")):
        alone = rf.prepare(together.rows, precision=precision).held
        assert list(alone.copies) == [codes]
        assert copied_rows(together.copies[codes], codes, 21, d) == copied_rows(alone.copies[codes], codes, 21, d)


def test_prepared_is_normalized_where_there_can_be_no_copies():
    x = torch.rand(2, 65_600)
    prepared = rf.prepare(x, normalize="row", precision="int8")
    assert prepared.held.copies == {}
    assert same_bits(prepared.held.rows.numpy(), rf.gaussian_normalize(x.numpy()))


def test_prepared_is_a_copy_of_its_own():
    x = tensor(numbers(50, 8))
    prepared, shared = rf.prepare(x), rf.prepare(x, copy=False)
    assert shared.held.rows.data_ptr() == x.data_ptr()
    assert prepared.held.rows.data_ptr() != x.data_ptr()
    assert prepared.nbytes > 50 * 8 * 4
    assert "50 x 8 float32" in repr(prepared)
    for empty in (torch.empty(0, 8), torch.empty(5, 0)):
        distances, ids = rf.euclidean_topk(torch.empty(2, empty.shape[1]), rf.prepare(empty), 2)
        assert same_answer((distances, ids), rf.euclidean_topk(np.empty((2, empty.shape[1])), empty.numpy(), 2))


def test_nan_in_a_prepared_tensor_is_refused():
    x = numbers(20, 8)
    x[7, 3] = np.nan
    with pytest.raises(ValueError, match="database: expected finite values .* first in row 7"):
        rf.euclidean_topk(tensor(x[:2]), rf.prepare(tensor(x)), 3, nan="raise")


def test_rank_database():
    x = numbers(150, 24)
    for normalize in ("none", "row"):
        expected = list(rf.rank_database(x[:7], x, normalize=normalize, block=3))
        for database in (tensor(x), rf.prepare(tensor(x), normalize=normalize)):
            blocks = list(rf.rank_database(tensor(x[:7]), database, normalize=normalize, block=3))
            assert [block.start for block in blocks] == [0, 3, 6]
            for block, wanted in zip(blocks, expected, strict=True):
                assert same_answer(block[1:], wanted[1:])


@pytest.mark.parametrize("bits", [64, 77])
def test_rank_database_of_codes(bits):
    codes = rf.pack_codes(numbers(50, bits))
    blocks = rf.rank_database(tensor(codes[:7]), tensor(codes), metric="hamming", bits=bits, block=3)
    expected = list(rf.rank_database(codes[:7], codes, metric="hamming", bits=bits, block=3))
    for block, (start, *answer) in zip(blocks, expected, strict=True):
        assert block.start == start
        assert isinstance(block.ids, torch.Tensor)
        assert same_answer(block[1:], answer)


@pytest.mark.parametrize("normalize", ["none", "row"])
@pytest.mark.parametrize("n", [40, 2800])
def test_relevant_ranks(n, normalize):
    x = numbers(n, 9)
    x[3, 2], x[7] = np.nan, np.inf
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 5, n) ** 2
    labels[:11] = 3  # of the queries: ties, rows that are not finite, and a label that one of them has alone
    labels[5] = 99
    asked = (x[:11], x, labels[:11], labels)
    settings = {"normalize": normalize, "self_ids": np.arange(11)}
    (expected,) = rf.relevant_ranks(*asked, **settings)
    tensors = tuple(tensor(a) for a in asked)
    for database in (tensors[1], rf.prepare(tensors[1], normalize=normalize)):
        found = list(rf.relevant_ranks(tensors[0], database, *tensors[2:], block=4, **settings))
        assert [part.start for part in found] == [0, 4, 8]
        for name in ("counts", "ranks", "self_ranks"):
            joined = np.concatenate([getattr(part, name) for part in found])
            assert same_bits(joined, getattr(expected, name))
    (without,) = rf.relevant_ranks(*tensors, normalize=normalize)
    assert without.self_ranks is None
    few = labels == 3  # and for all others more than a block sorts
    asked = [few[[8, 12, 0]] * 1, few * 1]
    (expected,) = rf.relevant_ranks(x[[8, 12, 0]], x, *asked, normalize=normalize, self_ids=[8, 12, 13])
    (found,) = rf.relevant_ranks(tensor(x[[8, 12, 0]]), tensors[1], *asked, normalize=normalize, self_ids=[8, 12, 13])
    assert same_answer(found[1:], expected[1:])
    with pytest.raises(ValueError, match="block: expected a number of at least 1"):
        rf.relevant_ranks(*tensors, block=0)
    with pytest.raises(ValueError, match="self_ids: expected database rows 0 to"):
        rf.relevant_ranks(*tensors, self_ids=tensors[2] + n)


@pytest.mark.usefixtures("_certified")
def test_memory_is_kept_for_searches_on_other_streams(monkeypatch):
    """Only the word to torch's allocator is replaced: the host has one stream, and no memory that is handed on."""
    kept: list[int] = []
    stream = [0]
    monkeypatch.setattr(tensors, "record_use", lambda held: kept.append(held.data_ptr()))
    for module in (tensors, device_euclidean, device_hamming, device_prepared):
        monkeypatch.setattr(module, "stream_of", lambda x: (0, stream[0]))
    x = numbers(60, 8)
    prepared = rf.prepare(tensor(x))
    codes = rf.prepare(rf.pack_codes(x), metric="hamming", devices=["cpu", "cpu"])
    expected = rf.euclidean_topk(x[:3], x, 5)
    assert same_answer(rf.euclidean_topk(tensor(x[:3]), prepared, 5), expected)
    rf.hamming_topk(rf.pack_codes(x[:3]), codes, 5)
    assert kept == []
    stream[0] = 7
    assert same_answer(rf.euclidean_topk(tensor(x[:3]), prepared, 5), expected)
    assert set(kept) == {held.data_ptr() for held in (prepared.held.rows, *prepared.held.copies.values())}
    kept.clear()
    list(rf.rank_database(tensor(x[:3]), prepared))
    assert len(set(kept)) == 3
    kept.clear()
    rf.hamming_topk(rf.pack_codes(x[:3]), codes, 5)
    assert kept == [shard.data_ptr() for shard in codes.held.shards]


@pytest.mark.usefixtures("_capability")
@pytest.mark.parametrize("_capability", [7], indirect=True)
def test_no_copy_is_made_that_the_device_cannot_read(monkeypatch):
    monkeypatch.setattr(device_euclidean, "CERTIFY_ELEMENTS", 0)
    x = numbers(60, 8)
    held = {
        precision: sorted(rf.prepare(tensor(x), precision=precision).held.copies)
        for precision in ("auto", "int16", "int8")
    }
    assert held == {"auto": ["int8"], "int16": [], "int8": ["int8"]}
    for q in (2, 9):
        assert same_answer(rf.euclidean_topk(tensor(x[:q]), rf.prepare(tensor(x)), 5), rf.euclidean_topk(x[:q], x, 5))


@pytest.mark.usefixtures("_capability")
@pytest.mark.parametrize(("_capability", "most"), [(8, 8), (9, 64)], indirect=["_capability"])
def test_int8_copies_are_read_for_as_many_queries_as_the_device_takes(monkeypatch, most):
    monkeypatch.setattr(device_euclidean, "CERTIFY_ELEMENTS", 0)
    x = numbers(300, 33)
    database = rf.prepare(tensor(x))
    by_int8 = []
    module = compiled.cuda
    certified = module.certified_topk
    monkeypatch.setattr(module, "certified_topk", lambda *args: by_int8.append(args[10] != 0) or certified(*args))
    for q in (most, most + 1):
        assert same_answer(rf.euclidean_topk(tensor(x[:q]), database, 5), rf.euclidean_topk(x[:q], x, 5))
    assert by_int8 == [True, False]


@pytest.mark.usefixtures("_certified")
def test_few_queries_take_half_precision_where_int8_leaves_too_many(monkeypatch):
    """One large element a row hides all others from int8; on a device that has no use for halves nothing does."""
    monkeypatch.setattr(device_euclidean, "SECOND_ELEMENTS", 0)
    x = numbers(17_000, 33) / 256
    x[:, 0] = 1
    counted: list[torch.Tensor] = []
    for precision, enough in (("auto", True), ("int8", False)):
        search = device_euclidean.euclidean(tensor(x[:1]), rf.prepare(tensor(x), precision=precision).held, None)
        answer = search.topk(5, report=counted.append)
        assert same_answer(answer, rf.euclidean_topk(x[:1], x, 5))
        candidates, failed = counted.pop().flatten().tolist()
        assert failed == 0
        assert (candidates < 8_000) == enough
