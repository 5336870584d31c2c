from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rsir_fast as rf
from op_support import DTYPES, matrices, same_bits, widen
from rsir_fast.base import compiled
from rsir_fast.ops import reference
from rsir_fast.ops.engines import device_euclidean
from rsir_fast.testing import assert_topk_equivalent


def same_answer(a, b) -> bool:
    return same_bits(a[0], b[0]) and same_bits(a[1], b[1])


@given(data=st.data(), hostile=st.booleans(), k=st.integers(0, 15), threads=st.sampled_from([1, 2, 3, 7]))
def test_bits_are_those_of_the_reference(isa, data, hostile, k, threads):
    database = data.draw(matrices(hostile=hostile))
    queries = data.draw(matrices(rows=5, width=database.shape[1], hostile=hostile))
    expected = reference.euclidean_topk(widen(queries), widen(database), k)
    assert same_answer(rf.euclidean_topk(queries, database, k, isa=isa, threads=threads), expected)


@pytest.mark.parametrize("d", [3, 64, 1000])
def test_same_bits_whatever_the_batch_k_and_threads(isa, d):
    rng = np.random.default_rng(d)
    database = rng.standard_normal((700, d)).astype(np.float32)
    database[300:400] = database[100:200]
    queries = np.concatenate([database[90:110], rng.standard_normal((11, d)).astype(np.float32)])
    distances, ids = rf.euclidean_topk(queries, database, 700, isa="scalar", threads=1)
    assert same_answer((distances, ids), reference.euclidean_topk(queries, database, 700))
    for threads in (1, 2):
        for k in (1, 10, 699, 700):
            answer = rf.euclidean_topk(queries, database, k, isa=isa, threads=threads)
            assert same_answer(answer, (distances[:, :k], ids[:, :k]))
        for j in range(len(queries)):
            answer = rf.euclidean_topk(queries[j : j + 1], database, 700, isa=isa, threads=threads)
            assert same_answer(answer, (distances[j : j + 1], ids[j : j + 1]))


@pytest.mark.parametrize("d", [1, 32, 65])
def test_every_remainder_of_a_tile(isa, d):
    """Tiles are at most 4 queries by 6 rows; a block of rows is 258 for short vectors."""
    rng = np.random.default_rng(d)
    database = rng.standard_normal((300, d)).astype(np.float32)
    queries = rng.standard_normal((70, d)).astype(np.float32)
    distances = reference.squared_distances(queries, database)
    sizes = [*((q, n) for q in range(1, 10) for n in range(1, 14)), (63, 7), (65, 257), (67, 259), (70, 300)]
    for q, n in sizes:
        found, ids = rf.euclidean_topk(queries[:q], database[:n], n, isa=isa, threads=1)
        order = np.argsort(distances[:q, :n], axis=1, kind="stable")
        assert same_bits(ids, order)
        assert same_bits(found, np.take_along_axis(distances[:q, :n], order, axis=1))


def test_selection_buffer_of_a_large_database(isa):
    """Long enough for many cuts of the candidate buffer and for the radix sort; only 40 different distances."""
    rng = np.random.default_rng(5)
    database = rng.integers(0, 40, (20_000, 1)).astype(np.float32)
    queries = np.array([[0.0], [17.0], [100.0]], dtype=np.float32)
    order = np.argsort((queries - database.T) ** 2, axis=1, kind="stable")
    for k in (1, 63, 64, 1000, 20_000):
        for threads in (1, 5):
            assert (rf.euclidean_topk(queries, database, k, isa=isa, threads=threads)[1] == order[:, :k]).all()


def test_ties_are_ordered_by_id_and_self_distance_is_zero(isa):
    row = np.random.default_rng(6).standard_normal((1, 77)).astype(np.float32) * 1e18
    database = np.repeat(row, 50, axis=0)
    distances, ids = rf.euclidean_topk(row, database, 50, isa=isa)
    assert (ids[0] == np.arange(50)).all()
    assert (distances == 0).all()


def test_nan_ranks_after_infinity_and_padding_after_nan(isa):
    database = np.array([[np.nan], [np.inf], [1.0], [3e38]], dtype=np.float32)
    distances, ids = rf.euclidean_topk(np.array([[-3e38]], dtype=np.float32), database, 6, isa=isa)
    assert ids.tolist() == [[1, 2, 3, 0, -1, -1]] or ids.tolist() == [[2, 1, 3, 0, -1, -1]]
    assert distances[0, :3].tolist() == [np.inf] * 3  # (6e38)^2 overflows float32, as does (3e38)^2
    assert np.isnan(distances[0, 3])
    assert distances[0, 4:].tolist() == [np.inf] * 2


def test_nan_raise_names_the_row():
    good, bad = np.zeros((2, 3), np.float32), np.zeros((5, 3), np.float32)
    bad[3, 1] = np.nan
    with pytest.raises(ValueError, match=r"database: expected finite values .* 1 rows, first in row 3; .*nan='last'"):
        rf.euclidean_topk(good, bad, 1, nan="raise", normalize="row")
    bad[3, 1] = np.inf
    with pytest.raises(ValueError, match="queries: .* NaN or infinity in 1 rows"):
        rf.euclidean_topk(bad, good, 1, nan="raise")
    assert np.isfinite(rf.euclidean_topk(good, good, 1, nan="raise")[0]).all()


@given(x=matrices(hostile=True), k=st.integers(1, 14))
def test_normalize_row_is_search_on_normalised_rows(isa, x, k):
    if x.shape[1] == 0:
        return
    rows = rf.gaussian_normalize(x)
    assert same_answer(rf.euclidean_topk(x[:4], x, k, normalize="row", isa=isa), rf.euclidean_topk(rows[:4], rows, k))


@pytest.mark.parametrize("first", DTYPES)
@pytest.mark.parametrize("second", DTYPES)
def test_mixed_dtypes_are_compared_exactly(isa, first, second):
    rng = np.random.default_rng(7)
    queries, database = rng.random((3, 40)).astype(first), rng.random((9, 40)).astype(second)
    expected = reference.euclidean_topk(queries, database, 9)
    assert same_answer(rf.euclidean_topk(queries, database, 9, isa=isa), expected)


def test_agrees_with_a_plain_float64_search():
    rng = np.random.default_rng(8)
    queries, database = rng.random((30, 200), dtype=np.float32), rng.random((500, 200), dtype=np.float32)
    truth = ((queries[:, None].astype(np.float64) - database[None]) ** 2).sum(2)
    assert_topk_equivalent(*rf.euclidean_topk(queries, database, 25), truth, rtol=1e-6)


def test_empty_and_degenerate_shapes(isa):
    zeros = np.zeros
    distances, ids = rf.euclidean_topk(zeros((2, 3)), zeros((0, 3)), 2, isa=isa)
    assert ids.tolist() == [[-1, -1], [-1, -1]]
    assert (distances == np.inf).all()
    assert rf.euclidean_topk(zeros((0, 3)), zeros((4, 3)), 2, isa=isa)[0].shape == (0, 2)
    assert rf.euclidean_topk(zeros((0, 3)), zeros((4, 3)), 2, method="certified", isa=isa)[0].shape == (0, 2)
    assert rf.euclidean_topk(zeros((0, 3)), rf.prepare(zeros((600, 3))), 2, isa=isa)[0].shape == (0, 2)
    assert rf.euclidean_topk(zeros((2, 3)), zeros((4, 3)), 0, isa=isa)[1].shape == (2, 0)
    assert rf.euclidean_topk(zeros((1, 0)), zeros((3, 0)), 2, isa=isa)[1].tolist() == [[0, 1]]


def test_errors_name_expected_got_and_fix():
    x = np.zeros((3, 4), np.float32)
    with pytest.raises(ValueError, match="queries have 4 features, the database has 5"):
        rf.euclidean_topk(x, np.zeros((3, 5)), 1)
    with pytest.raises(ValueError, match="k: expected a number of at least 0, got -1"):
        rf.euclidean_topk(x, x, -1)
    with pytest.raises(TypeError, match="k: expected a whole number, got float 1.5"):
        rf.euclidean_topk(x, x, 1.5)
    with pytest.raises(ValueError, match=r"expected shape \[n, d\], got \[4\]; for a single row use queries\["):
        rf.euclidean_topk(x[0], x, 1)
    with pytest.raises(TypeError, match="expected float16.*got int64; convert"):
        rf.euclidean_topk(x.astype(np.int64), x, 1)
    with pytest.raises(TypeError, match="expected a NumPy array, a torch tensor or an array with DLPack, got list"):
        rf.euclidean_topk([[1.0]], x, 1)
    with pytest.raises(ValueError, match="normalize: expected 'none' or 'row', got 'l2'"):
        rf.euclidean_topk(x, x, 1, normalize="l2")
    with pytest.raises(ValueError, match="nan: expected"):
        rf.euclidean_topk(x, x, 1, nan="first")


def cuda_answer(queries, database, k, **options):
    on_device = [torch.from_numpy(x).cuda() for x in (queries, database)]
    distances, ids = rf.euclidean_topk(*on_device, k, **options)
    assert distances.is_cuda
    assert ids.is_cuda
    return distances.cpu().numpy(), ids.cpu().numpy()


@pytest.mark.gpu
@given(data=st.data(), hostile=st.booleans(), k=st.integers(0, 15))
def test_cuda_bits_of_hostile_numbers(data, hostile, k):
    database = data.draw(matrices(hostile=hostile))
    queries = data.draw(matrices(rows=11, width=database.shape[1], hostile=hostile))
    assert same_answer(cuda_answer(queries, database, k), rf.euclidean_topk(queries, database, k))


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("d", [1, 3, 31, 32, 33, 64, 300, 1000])
def test_cuda_bits_are_those_of_the_cpu(dtype, d):
    """Sizes around a block's tile, around one part of the database and several; duplicates make ties."""
    rng = np.random.default_rng(d)
    pool = rng.standard_normal((1500, d)).astype(dtype)
    for n in (0, 1, 31, 32, 33, 63, 64, 65, 1500, 6001):
        database = pool[rng.integers(0, 1500 if n % 2 else 20, n)]
        for q in (1, 2, 7, 8, 9):
            queries = pool[:q] + dtype(0.5)
            whole = rf.euclidean_topk(queries, database, n + 1)
            for k in sorted({0, 1, 10, 256, 257, 2048, 2049, n + 1}):
                if k <= n + 1:
                    answer = cuda_answer(queries, database, k)
                    assert same_answer(answer, (whole[0][:, :k], whole[1][:, :k]))


@pytest.mark.gpu
def test_cuda_dtypes_streams_and_normalised_rows():
    rng = np.random.default_rng(9)
    x = torch.from_numpy(rng.random((700, 70)))
    kinds = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
    for first in kinds:
        for second in kinds:
            queries, database = x[:5].to(first), x.to(second)
            expected = rf.euclidean_topk(queries, database, 9)
            stream = torch.cuda.Stream()
            with torch.cuda.stream(stream):
                distances, ids = rf.euclidean_topk(queries.cuda(), database.cuda(), 9)
            stream.synchronize()
            assert same_bits(distances.cpu().numpy(), expected[0].numpy())
            assert same_bits(ids.cpu().numpy(), expected[1].numpy())
    rows = x.float().numpy()
    expected = rf.euclidean_topk(rows[:20], rows, 30, normalize="row")
    assert same_answer(cuda_answer(rows[:20], rows, 30, normalize="row"), expected)
    assert same_answer(
        cuda_answer(rows[:20, ::2], rows[:, ::2], 30), rf.euclidean_topk(rows[:20, ::2], rows[:, ::2], 30)
    )
    with pytest.raises(ValueError, match="queries have 70 features, the database has 69"):
        rf.euclidean_topk(x.cuda(), x.cuda()[:, 1:], 1)


@pytest.fixture
def _certified(monkeypatch):
    monkeypatch.setattr(device_euclidean, "CERTIFY_ELEMENTS", 0)
    monkeypatch.setattr(device_euclidean, "SECOND_ELEMENTS", 0)
    if not compiled.cuda.certifies(torch.cuda.current_device()):
        pytest.skip("the tensor cores of this device are too old")


@pytest.mark.gpu
@pytest.mark.usefixtures("_certified")
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("d", [1, 63, 64, 65, 300])
def test_cuda_bits_of_the_certified_search(dtype, d):
    """Sizes around the tiles of the product and the phases of the search; duplicates make ties, some by the hundred."""
    rng = np.random.default_rng(d)
    pool = rng.standard_normal((3000, d)).astype(dtype)
    for n in (1, 255, 256, 257, 8191, 8192, 8193, 20_000):
        database = pool[rng.integers(0, 3000 if n % 2 else 40, n)]
        for q in (2, 127, 128, 129):
            queries = pool[:q] + dtype(0.01)
            whole = rf.euclidean_topk(queries, database, 2048)
            for k in (1, 10, 257, 2048):
                answer = cuda_answer(queries, database, k)
                assert same_answer(answer, (whole[0][:, :k], whole[1][:, :k]))


@pytest.mark.gpu
@pytest.mark.usefixtures("_certified")
@given(data=st.data(), hostile=st.booleans(), k=st.integers(1, 15))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_cuda_certified_search_of_hostile_numbers(data, hostile, k):
    database = data.draw(matrices(hostile=hostile))
    queries = data.draw(matrices(rows=11, width=database.shape[1], hostile=hostile))
    assert same_answer(cuda_answer(queries, database, k), rf.euclidean_topk(queries, database, k))


@pytest.mark.gpu
@pytest.mark.usefixtures("_certified")
@pytest.mark.parametrize("kind", ["equal", "far", "rows with NaN", "queries with NaN", "scales", "nearer and nearer"])
def test_cuda_certified_search_where_nothing_can_be_excluded(kind):
    """More candidates than there is room for, so that some or all queries are searched without the fast pass."""
    rng = np.random.default_rng(10)
    database = rng.standard_normal((40_000, 33)).astype(np.float32)
    queries = rng.standard_normal((20, 33)).astype(np.float32)
    if kind == "equal":
        database[:] = database[0]
    elif kind == "far":
        database += 1e6
    elif kind == "rows with NaN":
        database[rng.integers(0, 40_000, 30_000), 5] = np.nan
        database[7, 3] = np.inf
    elif kind == "queries with NaN":
        queries[3, 3], queries[4, 4], queries[5, 5] = np.nan, np.inf, 1e30
    elif kind == "scales":
        database *= np.float32(10.0) ** rng.integers(-30, 18, (40_000, 1)).astype(np.float32)
    else:
        database = np.linspace(9, 1, 40_000, dtype=np.float32)[:, None] * database
    prepared = rf.prepare(torch.from_numpy(database).cuda())
    for k in (1, 100, 1000):
        expected = rf.euclidean_topk(queries, database, k)
        assert same_answer(cuda_answer(queries, database, k), expected)
        few = rf.euclidean_topk(queries[:6], prepared, k)  # int8, half precision after it
        assert same_answer(few, (expected[0][:6], expected[1][:6]))


@pytest.mark.gpu
def test_cuda_memory_of_a_prepared_database_is_not_handed_on_too_early():
    """Searched on one stream behind much other work, deleted, and its memory asked for on the stream that made it."""
    rng = np.random.default_rng(13)
    x = np.maximum(rng.standard_normal((60_000, 256)), 0).astype(np.float32)
    expected = rf.euclidean_topk(x[:3], x, 10)
    queries, database = torch.from_numpy(x[:3]).cuda(), torch.from_numpy(x).cuda()
    for _ in range(3):
        prepared = rf.prepare(database)
        torch.cuda.synchronize()
        other = torch.cuda.Stream()
        with torch.cuda.stream(other):
            torch.cuda._sleep(200_000_000)
            distances, ids = rf.euclidean_topk(queries, prepared, 10)
        sizes = [held.numel() * held.element_size() for held in (prepared.held.rows, *prepared.held.copies.values())]
        del prepared
        overwritten = [torch.full((size,), 77, dtype=torch.uint8, device="cuda") for size in sizes]
        other.synchronize()
        assert same_answer((distances.cpu().numpy(), ids.cpu().numpy()), expected)
        del overwritten


@pytest.mark.gpu
def test_cuda_certified_search_of_long_rows():
    """As long as features are, where the bound of the tensor cores' sum is widest; two blocks of queries."""
    rng = np.random.default_rng(11)
    database = np.maximum(rng.standard_normal((30_000, 1000)), 0).astype(np.float32)
    queries = np.concatenate([database[:50] * np.float32(1.001), database[-50:]])
    assert same_answer(cuda_answer(queries, database, 100), rf.euclidean_topk(queries, database, 100))
    many = np.repeat(database[:50, :64], 100, axis=0)
    some = rf.euclidean_topk(many[::100], database[:, :64], 5)
    distances, ids = cuda_answer(many, np.ascontiguousarray(database[:, :64]), 5)
    assert same_answer((distances[::100], ids[::100]), some)
    assert (ids == np.repeat(some[1], 100, axis=0)).all()


@pytest.mark.gpu
@pytest.mark.parametrize("q", [1, 8])
def test_cuda_graph_of_a_search(q):
    """Captured once, replayed on other numbers: so nothing in a search waits for the device."""
    rng = np.random.default_rng(12)
    first, second = (rng.standard_normal((20_000, 65)).astype(np.float32) for _ in range(2))
    database = torch.from_numpy(first).cuda()
    queries = database[:q].clone()
    rf.euclidean_topk(queries, database, 10)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        distances, ids = rf.euclidean_topk(queries, database, 10, normalize="row")
    database.copy_(torch.from_numpy(second))
    graph.replay()
    expected = rf.euclidean_topk(first[:q], second, 10, normalize="row")
    assert same_answer((distances.cpu().numpy(), ids.cpu().numpy()), expected)
