"""A database whose rows lie in several blocks: the answers of their concatenation."""

from __future__ import annotations

import gc
import pickle
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rsir_fast as rf
from op_support import matrices, same_bits
from rsir_fast.ops import reference
from rsir_fast.ops.engines import host_blocks


def same_answer(a, b) -> bool:
    return same_bits(a[0], b[0]) and same_bits(a[1], b[1])


def cut(x: np.ndarray, *at: int) -> list[np.ndarray]:
    return np.split(x, at)


@given(data=st.data(), hostile=st.booleans(), k=st.integers(0, 15), threads=st.sampled_from([1, 3]))
def test_bits_are_those_of_the_whole(isa, data, hostile, k, threads):
    x = data.draw(matrices(hostile=hostile))
    at = sorted(data.draw(st.lists(st.integers(0, len(x)), max_size=4)))
    allowed = np.array(data.draw(st.lists(st.booleans(), min_size=len(x), max_size=len(x))), dtype=bool)
    rows = rf.RowBlocks(cut(x, *at))
    database = rf.prepare(rows.blocks)
    assert (len(database), database.shape) == (len(x), x.shape)
    for where in (None, allowed):
        expected = rf.euclidean_topk(x[:5], x, k, where=where, method="dense")
        for of in (database, rows):
            assert same_answer(rf.euclidean_topk(x[:5], of, k, where=where, isa=isa, threads=threads), expected)


@pytest.mark.parametrize("kind", ["normal", "few values", "wild", "equal"])
@pytest.mark.parametrize("normalize", ["none", "row"])
@pytest.mark.parametrize("copy", [True, False])
def test_every_share_and_method(isa, kind, normalize, copy):
    """Blocks that begin at no multiple of 8, one without rows, some too small for codes to be worth it."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal((4000, 30)).astype(np.float32)
    if kind == "few values":
        x = np.round(x)
    elif kind == "wild":
        x[rng.integers(0, 4000, 40), 3] = np.nan
        x[rng.integers(0, 4000, 40), 4] = 1e30
    elif kind == "equal":
        x[:] = x[0]
    queries = np.concatenate([x[1499:1502], rng.standard_normal((4, 30)).astype(np.float32)])
    lying = rf.RowBlocks(cut(x, 13, 13, 1501, 3207, 3300))
    database = rf.prepare(lying, normalize=normalize, copy=copy)
    rows = rf.gaussian_normalize(x) if normalize == "row" else x
    wanted = rf.gaussian_normalize(queries) if normalize == "row" else queries
    for share in (0.0, 1e-3, 0.05, 0.5, 1.0):
        allowed = rng.random(4000) < share
        for k in (1, 20):
            expected = reference.euclidean_topk(wanted, rows, k, allowed)
            for method in ("auto", "dense", *(["certified"] if allowed.sum() >= k else [])):
                for of in (database, lying):
                    options = {"where": allowed, "method": method, "isa": isa, "threads": 1 if of is lying else 3}
                    assert same_answer(rf.euclidean_topk(queries, of, k, normalize, **options), expected)


def test_what_is_proven_of_one_block_bounds_the_others():
    rng = np.random.default_rng(4)
    x = rng.standard_normal((16_000, 64)).astype(np.float32)
    whole = rf.prepare(x, precision="int8").plan(x[:24], 10)
    for size in (32, 500, 4000):
        plan = rf.prepare(cut(x, *range(size, 16_000, size)), precision="int8").plan(x[:24], 10)
        assert (plan.method, plan.dense_queries) == ("certified", 0)
        assert 0.7 < plan.candidates / whole.candidates < 1.5
        assert 0.7 < plan.decided / whole.decided < 1.2


def test_precision_is_that_of_the_whole():
    """Even where a block's sample holds no row that is among its share of the nearest."""
    # Far from the border between both on every instruction set: of 1,000 rows alone 100 neighbours need int16.
    x = np.random.default_rng(7).standard_normal((20_000, 256)).astype(np.float32)
    # Here int8 leaves many more rows to decide.
    y = np.maximum(0, np.random.default_rng(8).standard_normal((4_000, 4096)).astype(np.float32))
    for rows, precision in ((x, "int8"), (y, "int16")):
        assert rf.prepare(rows).sidecar.precision == precision
        blocks = rf.prepare(cut(rows, *range(500, len(rows), 500))).held.blocks
        assert {block.precision for block in blocks} == {precision}


def test_rankings_and_kept_sidecars(tmp_path):
    x = np.random.default_rng(5).random((3000, 12), dtype=np.float32)
    parts = cut(x, 700, 2100)
    for database in (rf.prepare(parts), rf.RowBlocks(parts)):
        (block,) = rf.rank_database(x[:4], database, where=range(0, 3000, 3))
        assert same_bits(block.ids, reference.euclidean_topk(x[:4], x, 1000, range(0, 3000, 3))[1])
    sidecars = []
    for number, part in enumerate(parts[:2]):
        np.save(tmp_path / f"{number}.npy", part)
        made, digest = rf.prepare(part, normalize="row").sidecar, bytes([number + 1]) * 32
        made.mark(digest)
        sidecars.append(rf.Sidecar.from_buffer(made.tobytes(), digest))
    maps = [np.load(tmp_path / f"{number}.npy", mmap_mode="r") for number in range(2)]
    database = rf.prepare([*maps, parts[2]], normalize="row", copy=False, sidecar=[*sidecars, None])
    assert np.shares_memory(database.held.blocks[1].rows.array, maps[1])
    expected = rf.euclidean_topk(x[:9], x, 7, normalize="row")
    assert same_answer(database.topk(x[:9], 7), expected)
    assert same_answer(pickle.loads(pickle.dumps(database)).topk(x[:9], 7), expected)
    assert repr(database).startswith("Database(3000 x 12 in 3 blocks, normalize='row'")
    assert database.sidecar is None


def test_errors():
    x = np.zeros((9, 3), np.float32)
    with pytest.raises(ValueError, match="database: expected at least one block of rows, got an empty list"):
        rf.prepare([])
    with pytest.raises(ValueError, match="expected blocks of as many columns, got 3 in block 0 and 2 in block 1"):
        rf.prepare([x, x[:, :2]])
    with pytest.raises(ValueError, match="sidecar: expected a list of 2, one for each block or None"):
        rf.prepare([x, x], sidecar=[None])
    with pytest.raises(TypeError, match="sidecar: expected a Sidecar of the matrix, got list"):
        rf.prepare(x, sidecar=[None])
    database = rf.prepare([x, x])
    with pytest.raises(ValueError, match="where: expected ids of rows 0 to 17, got 3 to 18"):
        database.topk(x, 1, where=[3, 18])
    with pytest.raises(ValueError, match="queries have 2 features, the database has 3"):
        database.topk(x[:, :2], 1)
    bad = x.copy()
    bad[1] = np.nan
    with pytest.raises(ValueError, match="database: .* first in row 10"):
        rf.euclidean_topk(x, rf.prepare([x, bad]), 1, nan="raise")


@pytest.mark.parametrize("kind", ["normal", "few values", "wild", "float64", "float16", "mixed"])
@pytest.mark.parametrize("normalize", ["none", "row"])
@pytest.mark.parametrize("copy", [True, False])
def test_ranks_are_those_of_the_whole(isa, kind, normalize, copy):
    """Blocks of 0 and of 1 row, one stored otherwise; relevant items in all; own items that are not allowed."""
    rng = np.random.default_rng(8)
    x = rng.standard_normal((900, 21))
    if kind == "few values":
        x = np.round(x)
    elif kind == "wild":
        x[rng.integers(0, 900, 30), 3] = np.nan
        x[rng.integers(0, 900, 30), 4] = 1e30
    x = x.astype({"float64": np.float64, "float16": np.float16}.get(kind, np.float32))
    parts = cut(x, 13, 13, 14, 500, 633)
    if kind == "mixed":
        parts[3:5] = [parts[3].astype(np.float64), parts[4].astype(np.float16)]
        x = np.concatenate([part.astype(np.float64) for part in parts])
        if normalize == "row":  # of a row as it is stored
            x = np.concatenate([rf.gaussian_normalize(part).astype(np.float32) for part in parts])
    picked, labels = rng.permutation(900)[:25], rng.integers(0, 12, 900)
    queries = rng.standard_normal((25, 21)).astype(np.float32) if kind == "mixed" else x[picked]
    database = rf.prepare(parts, normalize=normalize, copy=copy) if copy or kind == "mixed" else rf.RowBlocks(parts)
    wanted, by = queries, normalize
    if kind == "mixed" and normalize == "row":
        wanted, by = rf.gaussian_normalize(queries), "none"
    for share in (0.0, 0.01, 0.5, 1.0):
        asked = labels[picked], labels
        options = {"self_ids": picked, "where": rng.random(900) < share, "isa": isa}
        (expected,) = rf.relevant_ranks(wanted, x, *asked, normalize=by, **options)
        for threads, block in ((1, None), (3, 4)):
            how = {**options, "threads": threads, "block": block, "normalize": normalize}
            found = list(rf.relevant_ranks(queries, database, *asked, **how))
            assert [part.start for part in found] == list(range(0, 25, block or 25))
            for name in ("counts", "ranks", "self_ranks"):
                joined = np.concatenate([getattr(part, name) for part in found])
                assert same_bits(joined, getattr(expected, name))


def test_a_search_lets_go_of_its_integer_copies():
    x = np.random.default_rng(9).standard_normal((4000, 16)).astype(np.float32)
    search = host_blocks.euclidean(x[:9], rf.RowBlocks(cut(x, 1000)), None)
    search.topk(5)
    assert (search.plan().method, search.plan().prepared) == ("certified", False)
    gc.disable()
    try:
        kept = weakref.ref(search.database)
        del search
        assert kept() is None
    finally:
        gc.enable()


def test_queries_without_a_bound(isa):
    """A bound from the blocks before must not open a search that has no room: all is decided densely."""
    rng = np.random.default_rng(6)
    x = rng.standard_normal((20_000, 8)).astype(np.float32)
    queries = x[:4].copy()
    queries[1, 2], queries[2, 0] = 1e30, -np.inf
    database = rf.prepare(cut(x, 5000, 9999))
    for threads in (1, 3):
        found = rf.euclidean_topk(queries, database, 5, isa=isa, threads=threads, method="certified")
        assert same_answer(found, rf.euclidean_topk(queries, x, 5, method="dense"))


def test_codes_in_blocks(isa):
    codes = np.random.default_rng(8).integers(0, 256, (2000, 8), dtype=np.uint8)
    for keep in (True, False):
        database = rf.prepare(cut(codes, 7, 7, 900), metric="hamming", bits=61, copy=not keep)
        assert database.shape == (2000, 8)
        for where in (None, np.arange(2000) % 50 == 3):
            expected = rf.hamming_topk(codes[:3], codes, 9, bits=61, where=where)
            assert same_answer(database.topk(codes[:3], 9, where=where, isa=isa), expected)
    with pytest.raises(ValueError, match="database: expected at least one block of codes, got an empty list"):
        rf.prepare([], metric="hamming")
    with pytest.raises(ValueError, match="expected blocks of as many bytes a code, got 8 in block 0 and 4 in block 1"):
        rf.prepare([codes, codes[:, :4]], metric="hamming")
