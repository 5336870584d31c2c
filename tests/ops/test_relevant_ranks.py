from __future__ import annotations

import os
import signal
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rsir_fast as rf
from op_support import matrices, same_bits
from rsir_fast import metrics


def by_full_rankings(queries, database, query_labels, item_labels, normalize="none"):
    """Count and ranks of the relevant items, and the whole rankings, from `rank_database`."""
    (block,) = rf.rank_database(queries, database, normalize=normalize, block=max(1, len(queries)), isa="scalar")
    relevant = np.asarray(item_labels)[block.ids] == np.asarray(query_labels)[:, None]
    return relevant.sum(axis=1), np.nonzero(relevant)[1] + 1, block.ids


def joined(blocks):
    parts = list(blocks)
    assert [part.start for part in parts] == np.cumsum([0, *(len(part.counts) for part in parts)])[:-1].tolist()
    own = None if parts[0].self_ranks is None else np.concatenate([part.self_ranks for part in parts])
    return np.concatenate([part.counts for part in parts]), np.concatenate([part.ranks for part in parts]), own


@given(
    data=st.data(), hostile=st.booleans(), threads=st.sampled_from([1, 2, 5]), block=st.sampled_from([None, 1, 3, 100])
)
def test_ranks_are_those_of_the_full_rankings(isa, data, hostile, threads, block):
    database = data.draw(matrices(hostile=hostile))
    queries = data.draw(matrices(rows=7, width=database.shape[1], hostile=hostile))
    if len(queries) == 0:
        return
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    query_labels, item_labels = rng.integers(0, 3, len(queries)), rng.integers(0, 3, len(database))
    counts, ranks, _ = by_full_rankings(queries, database, query_labels, item_labels)
    found = rf.relevant_ranks(queries, database, query_labels, item_labels, isa=isa, threads=threads, block=block)
    assert all(same_bits(a, b) for a, b in zip(joined(found)[:2], (counts, ranks), strict=True))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("rows", [slice(0, 230), slice(30, 200), slice(0, 5)])
def test_rows_that_are_queries_are_measured_once_for_each_pair(isa, dtype, rows):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((230, 40)).astype(dtype)
    x[50:60], x[7] = x[3], np.nan  # ties between blocks, and a row without a bound
    labels, own = rng.permutation(230) % 30, np.arange(230)[rows]
    expected = joined(rf.relevant_ranks(x[rows].copy(), x, labels[rows], labels, self_ids=own, isa="scalar", block=4))
    for threads, block in [(1, None), (2, None), (2, 60)]:
        found = rf.relevant_ranks(x[rows], x, labels[rows], labels, self_ids=own, isa=isa, threads=threads, block=block)
        assert all(same_bits(a, b) for a, b in zip(joined(found), expected, strict=True))
    apart = rf.RowBlocks([x[:100], x[100:]])
    found = rf.relevant_ranks(x[rows], apart, labels[rows], labels, self_ids=own, isa=isa)
    assert all(same_bits(a, b) for a, b in zip(joined(found), expected, strict=True))


@pytest.mark.parametrize("kind", ["continuous", "few values", "far apart", "nearly equal", "tiny", "huge"])
@pytest.mark.parametrize("classes", [1, 2, 30, 400])
def test_many_items_in_every_distribution(isa, kind, classes):
    """Enough relevant items for the radix sort; distances that float32 certifies, or cannot tell apart at all."""
    rng = np.random.default_rng(classes)
    x = rng.standard_normal((1500, 2)).astype(np.float32)
    if kind == "few values":
        x = np.round(x)
    elif kind == "far apart":
        x *= np.exp(rng.uniform(-40, 40, (1500, 1))).astype(np.float32)
        x[7], x[8:12] = np.nan, np.inf
    elif kind == "nearly equal":
        x = (np.eye(1500, 1500)[:, rng.permutation(1500)] + 1e-7 * rng.standard_normal((1500, 1500))).astype(np.float32)
    elif kind == "tiny":
        x *= np.float32(3e-23)  # distances are subnormal, or 0
    elif kind == "huge":
        x *= np.float32(6e18)  # distances are at the largest float, or beyond
    labels = rng.integers(0, classes, 1500)
    picked = rng.permutation(1500)[:40]
    counts, ranks, ids = by_full_rankings(x[picked], x, labels[picked], labels)
    for threads in (1, 3):
        found = rf.relevant_ranks(x[picked], x, labels[picked], labels, self_ids=picked, isa=isa, threads=threads)
        found_counts, found_ranks, own = joined(found)
        assert same_bits(found_counts, counts)
        assert same_bits(found_ranks, ranks)
        assert same_bits(own, np.nonzero(ids == picked[:, None])[1] + 1)


@pytest.mark.parametrize("normalize", ["none", "row"])
def test_drop_self_is_that_of_the_metrics(isa, normalize):
    rng = np.random.default_rng(3)
    x = rng.standard_normal((90, 12)).astype(np.float32)
    x[40:50] = x[3]  # duplicates: the query is not always its own nearest
    labels = rng.integers(0, 4, 90)
    # The last queries are of another class than their own item.
    query_labels = np.concatenate([labels[:80], labels[80:] + 1])
    _, _, ids = by_full_rankings(x, x, query_labels, labels, normalize)
    relevant = labels[metrics.drop_self(ids, np.arange(90))] == query_labels[:, None]
    for found in rf.relevant_ranks(
        x, x, query_labels, labels, self_ids=np.arange(90), normalize=normalize, block=90, isa=isa
    ):
        others = found.drop_self()
        assert same_bits(others.counts, relevant.sum(axis=1))
        assert same_bits(others.ranks, np.nonzero(relevant)[1] + 1)
        with pytest.raises(ValueError, match="self_ranks: expected the rank of each query's own item, got None"):
            others.drop_self()


def test_empty():
    assert list(rf.relevant_ranks(np.zeros((0, 3)), np.zeros((4, 3)), [], [0, 0, 1, 1])) == []
    (found,) = rf.relevant_ranks(np.zeros((2, 3)), np.zeros((0, 3)), [0, 1], [])
    assert found.counts.tolist() == [0, 0]
    assert found.ranks.size == 0
    (found,) = rf.relevant_ranks(np.zeros((2, 3)), np.zeros((3, 3)), [7, 8], [0, 1, 2], self_ids=[2, 0])
    assert found.ranks.size == 0
    assert found.self_ranks.tolist() == [3, 1]
    assert found.drop_self().counts.tolist() == [0, 0]


def test_arguments_are_checked_before_the_first_block():
    x = np.zeros((3, 2), np.float32)
    with pytest.raises(ValueError, match=r"query_labels: expected one for each of 3 rows, got shape \[2\]"):
        rf.relevant_ranks(x, x, [0, 0], [0, 0, 0])
    with pytest.raises(TypeError, match="item_labels: expected integers, got float64"):
        rf.relevant_ranks(x, x, [0, 0, 0], [0.0, 0.0, 0.0])
    with pytest.raises(ValueError, match="self_ids: expected database rows 0 to 2, got 0 to 3"):
        rf.relevant_ranks(x, x, [0, 0, 0], [0, 0, 0], self_ids=[0, 1, 3])
    with pytest.raises(ValueError, match="at least 1 query a block"):
        rf.relevant_ranks(x, x, [0, 0, 0], [0, 0, 0], block=0)
    with pytest.raises(ValueError, match="queries have 2 features, the database has 1"):
        rf.relevant_ranks(x, x[:, :1], [0, 0, 0], [0, 0, 0])


def test_ctrl_c_stops_it():
    x = np.random.default_rng(0).standard_normal((6000, 2000)).astype(np.float32)
    labels = np.zeros(6000, np.int64)

    def rank() -> None:  # the signal comes within, however late the machine goes on
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        list(rf.relevant_ranks(x, x, labels, labels, threads=2, isa="scalar"))

    start = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        rank()
    assert time.perf_counter() - start < 15  # whole it takes a minute
