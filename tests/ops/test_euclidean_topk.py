from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rsir_fast as rf
from op_support import DTYPES, matrices, same_bits, widen
from rsir_fast.ops import reference
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
