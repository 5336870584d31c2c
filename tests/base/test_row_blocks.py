from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rsir_fast as rf

X = np.arange(60, dtype=np.float32).reshape(20, 3)


def same(found, expected) -> bool:
    return found.dtype == expected.dtype and np.array_equal(found, expected)


@given(at=st.lists(st.integers(0, 20), max_size=5).map(sorted), data=st.data())
def test_rows_are_those_of_the_whole(at, data):
    rows = rf.RowBlocks(np.split(X, at))
    assert (rows.shape, rows.dtype, rows.ndim, len(rows)) == (X.shape, X.dtype, 2, 20)
    chosen = data.draw(
        st.one_of(
            st.integers(-20, 19),
            st.slices(20),
            st.lists(st.integers(-20, 19), max_size=9).map(lambda ids: np.array(ids, np.int64)),
            st.lists(st.booleans(), min_size=20, max_size=20).map(np.array),
        )
    )
    assert same(rows[chosen], X[chosen])
    assert same(np.asarray(rows), X)
    assert same(np.asarray(rows.columns(slice(1, 3))), X[:, 1:])
    assert same(np.asarray(pickle.loads(pickle.dumps(rows))), X)
    assert [row.tolist() for row in rows] == X.tolist()


def test_nothing_is_copied_that_need_not_be():
    rows, alone = rf.RowBlocks(np.split(X, [8])), rf.RowBlocks([X])
    assert np.asarray(alone) is X
    assert np.shares_memory(rows[9:12], X)
    assert np.shares_memory(rows[3], X)
    assert np.asarray(rows) is np.asarray(rows)
    assert not np.shares_memory(np.array(alone), X)
    assert np.asarray(rows, np.float64).dtype == np.float64
    assert rf.RowBlocks.of(rows) is rows
    assert rf.RowBlocks.of(X).blocks[0] is X


def test_errors():
    rows = rf.RowBlocks(np.split(X, [8]))
    with pytest.raises(ValueError, match="blocks: expected arrays .* of one width and dtype, got none"):
        rf.RowBlocks([])
    with pytest.raises(ValueError, match=r"got float32 \[20, 3\], float32 \[20, 2\]"):
        rf.RowBlocks([X, X[:, :2]])
    with pytest.raises(ValueError, match=r"got float32 \[3\]"):
        rf.RowBlocks([X[0]])
    for beyond in (20, -21, [3, 20]):
        with pytest.raises(IndexError, match="rows: expected numbers of the 20 rows"):
            rows[beyond]
    with pytest.raises(IndexError, match=r"rows: expected numbers of rows, got float64 \[1\]"):
        rows[[0.5]]
    with pytest.raises(TypeError, match=r"numpy\.asarray\(\.\.\.\) has columns, too"):
        rows[:, 1]
    with pytest.raises(AttributeError, match=r"no attribute 'mean': numpy\.asarray\(\.\.\.\) makes one array of it"):
        rows.mean()
    if np.lib.NumpyVersion(np.__version__) >= "2.0.0":
        with pytest.raises(ValueError, match="copy: expected rows in one block to take without a copy, got 2 blocks"):
            np.array(rows, copy=False)
