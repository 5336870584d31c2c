"""Searches among allowed rows: the answers of the matrix of these rows, with the ids of the whole database."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import rsir_fast as rf
from op_support import matrices, same_bits, widen
from rsir_fast.ops import reference

SHARES = (0.0, 1e-3, 0.01, 0.1, 0.5, 1.0)


def same_answer(a, b) -> bool:
    return same_bits(a[0], b[0]) and same_bits(a[1], b[1])


def forms(allowed: np.ndarray) -> list:
    ids = np.flatnonzero(allowed)
    return [allowed, np.packbits(allowed, bitorder="little"), np.concatenate([ids[::-1], ids[:3]])]


@given(
    data=st.data(),
    hostile=st.booleans(),
    k=st.integers(0, 15),
    threads=st.sampled_from([1, 2, 7]),
    form=st.integers(0, 2),
)
def test_bits_are_those_of_the_reference(isa, data, hostile, k, threads, form):
    database = data.draw(matrices(hostile=hostile))
    queries = data.draw(matrices(rows=5, width=database.shape[1], hostile=hostile))
    allowed = np.array(data.draw(st.lists(st.booleans(), min_size=len(database), max_size=len(database))), dtype=bool)
    expected = reference.euclidean_topk(widen(queries), widen(database), k, allowed)
    where = forms(allowed)[form]
    assert same_answer(rf.euclidean_topk(queries, database, k, where=where, isa=isa, threads=threads), expected)
    assert same_answer(rf.prepare(database).topk(queries, k, where=where, isa=isa, threads=threads), expected)


@pytest.mark.parametrize("kind", ["normal", "few values", "wild"])
@pytest.mark.parametrize("precision", ["int8", "int16"])
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.float64])
def test_every_share_and_method(isa, kind, precision, dtype):
    rng = np.random.default_rng(3)
    x = rng.standard_normal((2500, 40))
    if kind == "few values":
        x = np.round(x[:, :2])
    if kind == "wild":
        x[rng.integers(0, 2500, 40), 3] = np.nan
        x[rng.integers(0, 2500, 40), 4] = -np.inf
    x = x.astype(dtype)
    queries = np.concatenate([x[:4], rng.standard_normal((7, x.shape[1])).astype(dtype)])
    database = rf.prepare(x, precision=precision)
    for share in SHARES:
        allowed = rng.random(2500) < share
        expected = reference.euclidean_topk(queries, x, 12, allowed)
        for method in ("auto", "dense", *(["certified"] if allowed.sum() >= 12 else [])):
            for threads, where in ((1, allowed), (3, np.flatnonzero(allowed))):
                options = {"where": where, "method": method, "isa": isa, "threads": threads}
                assert same_answer(rf.euclidean_topk(queries, database, 12, **options), expected)
                assert same_answer(rf.euclidean_topk(queries, x, 12, **options), expected)


def test_normalised_rows(isa):
    rng = np.random.default_rng(4)
    x, allowed = rng.random((900, 33), dtype=np.float32), rng.random(900) < 0.3
    rows = rf.gaussian_normalize(x)
    expected = reference.euclidean_topk(rows[:5], rows, 8, allowed)
    assert same_answer(rf.euclidean_topk(x[:5], x, 8, normalize="row", where=allowed, isa=isa), expected)
    assert same_answer(rf.prepare(x, normalize="row").topk(x[:5], 8, where=allowed, isa=isa), expected)


@pytest.mark.parametrize("share", SHARES)
def test_rankings_and_ranks_among_allowed_rows(isa, share):
    rng = np.random.default_rng(5)
    x = np.round(rng.standard_normal((800, 6)), 1).astype(np.float32)
    labels, allowed = rng.integers(0, 9, 800), rng.random(800) < share
    queries = np.arange(0, 800, 37)
    counts, ranks, ids = reference.relevant_ranks(x[queries], x, labels[queries], labels, allowed)
    (block,) = rf.rank_database(x[queries], x, where=allowed, isa=isa, block=100)
    assert same_bits(block.ids, ids)
    assert same_bits(block.distances, reference.euclidean_topk(x[queries], x, int(allowed.sum()), allowed)[0])
    for database in (x, rf.prepare(x)):
        options = {"self_ids": queries, "where": allowed, "isa": isa, "threads": 2, "block": 100}
        (found,) = rf.relevant_ranks(x[queries], database, labels[queries], labels, **options)
        assert same_bits(found.counts, counts)
        assert same_bits(found.ranks, ranks)
        assert same_bits(found.self_ranks > 0, allowed[queries])
        assert (
            ids[found.self_ranks > 0, found.self_ranks[found.self_ranks > 0] - 1] == queries[allowed[queries]]
        ).all()


def test_dropping_an_item_that_is_not_allowed_leaves_the_ranking():
    rng = np.random.default_rng(6)
    x, labels, allowed = rng.standard_normal((60, 4)).astype(np.float32), rng.integers(0, 4, 60), rng.random(60) < 0.5
    (found,) = rf.prepare(x).ranks(x, labels, labels, self_ids=range(60), where=allowed, block=60)
    others = found.drop_self()
    (ids,) = (block.ids for block in rf.rank_database(x, x, where=allowed))
    for query, (count, ranks) in enumerate(
        zip(others.counts, np.split(others.ranks, np.cumsum(others.counts)[:-1]), strict=True)
    ):
        ranking = ids[query][ids[query] != query]
        assert len(ranking) == allowed.sum() - allowed[query]
        assert count == (labels[ranking] == labels[query]).sum()
        assert ranks.tolist() == (np.flatnonzero(labels[ranking] == labels[query]) + 1).tolist()


def test_what_is_read_is_told():
    rng = np.random.default_rng(8)
    x = rng.standard_normal((4000, 16)).astype(np.float32)
    database = rf.prepare(x)
    plan = database.plan(x[:8], 5, where=rng.random(4000) < 0.2)
    assert (plan.method, plan.dense_queries) == ("certified", 0)
    assert database.plan(x[:8], 5, where=range(1000, 2000)).method == "certified"
    scattered = rf.prepare(np.tile(x, (4, 1)), precision="int8").plan(x[:8], 5, where=range(0, 16000, 16))
    assert scattered.method == "dense"
    assert scattered.reason.startswith("the 1000 allowed rows lie among 16000 whose codes would be read")
    assert database.plan(x[:8], 5, where=range(511)).reason.startswith("the 511 allowed rows are below 512")
    assert "k = 5 is not within 1 and the 3 allowed rows" in database.plan(x[:1], 5, where=range(3)).reason
    with pytest.raises(ValueError, match="k = 5 is not within 1 and the 3 allowed rows; use method='auto'"):
        rf.euclidean_topk(x[:1], database, 5, where=[1, 2, 3], method="certified")


def test_fewer_allowed_than_asked_for(isa):
    x = np.arange(8, dtype=np.float32)[:, None]
    distances, ids = rf.euclidean_topk(x[:1], x, 4, where=[6, 2], isa=isa)
    assert ids.tolist() == [[2, 6, -1, -1]]
    assert distances.tolist() == [[4.0, 36.0, np.inf, np.inf]]
    assert rf.euclidean_topk(x[:1], x, 2, where=[], isa=isa)[1].tolist() == [[-1, -1]]
    (block,) = rf.rank_database(x[:2], x, where=[])
    assert block.ids.shape == (2, 0)


def test_tensors():
    x = torch.randn(300, 8)
    allowed = torch.rand(300) < 0.5
    expected = rf.euclidean_topk(x[:3].numpy(), x.numpy(), 4, where=allowed.numpy())
    squared, ids = rf.euclidean_topk(x[:3], x, 4, where=allowed)
    assert same_answer((squared.numpy(), ids.numpy()), expected)

    def search(q, x, where):
        return rf.euclidean_topk(q, x, 4, where=where)

    compiled = torch.compile(search, backend="eager", fullgraph=True)
    for where in (allowed, allowed.nonzero()[:, 0]):
        squared, ids = compiled(x[:3], x, where)
        assert same_answer((squared.numpy(), ids.numpy()), expected)
    torch.library.opcheck(torch.ops.rsir_fast.euclidean_topk, (x[:3], x, 4, "none", allowed))
    with pytest.raises(Exception, match=r"where: expected a tensor within torch\.compile"):
        torch.compile(lambda q, x: rf.euclidean_topk(q, x, 4, where=[1, 2]), backend="eager", fullgraph=True)(x[:3], x)


def test_checked_before_any_search():
    x = np.zeros((10, 3), np.float32)
    for call in (
        lambda where: rf.euclidean_topk(x, x, 1, where=where),
        lambda where: rf.rank_database(x, x, where=where),
        lambda where: rf.relevant_ranks(x, x, [0] * 10, [0] * 10, where=where),
        lambda where: rf.prepare(x).topk(x, 1, where=where),
    ):
        with pytest.raises(ValueError, match="where: expected ids of rows 0 to 9, got 3 to 10"):
            call([3, 10])
