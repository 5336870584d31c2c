"""A database searched with itself: the same bits whatever memory its rows are given."""

from __future__ import annotations

import numpy as np
import pytest

import rsir_fast as rf
from op_support import same_bits
from rsir_fast.base import compiled

N, D, K = 900, 1030, 4
ONCE = ("avx2", "avx512", "amx")
FEW = 2_860_000
"""Bytes for some 500 rows of int16 codes, so that N are two super-blocks and a rest."""


@pytest.fixture(scope="module")
def vectors():
    x = np.random.default_rng(0).standard_normal((N, D)).astype(np.float32)
    x[800:] = x[:100]
    x[700:740] = x[3]
    x[7, 3], x[650, 0], x[651, 1] = np.nan, np.inf, 1e30
    return x


@pytest.fixture(scope="module")
def expected(vectors):
    return rf.euclidean_topk(vectors, vectors, K, method="dense", isa="scalar")


@pytest.fixture(scope="module")
def of_normalized(vectors):
    return rf.euclidean_topk(vectors, vectors, K, "row", method="dense", isa="scalar")


@pytest.mark.parametrize("precision", ["int8", "int16"])
@pytest.mark.parametrize("normalize", ["none", "row"])
def test_bits_do_not_depend_on_the_memory(vectors, expected, of_normalized, isa, precision, normalize):
    if normalize == "row":
        expected = of_normalized
    database = rf.prepare(vectors, normalize, precision=precision, copy=False, isa=isa)
    # Only these multiply own rows once, by super-blocks; of the others it is one search.
    several = (FEW // 2, FEW, 2 * FEW, 1 << 40) if isa in ONCE else ()
    for memory in (compiled.cpu.least_own_memory(K), *several, None):
        for threads in (1, 3):
            found = database.topk(database, K, memory=memory, isa=isa, threads=threads)
            assert same_bits(found.ids, expected.ids)
            assert same_bits(found.squared, expected.squared)


def test_super_blocks_are_searched_where_memory_is_little(vectors, isa):
    if isa not in ONCE:
        pytest.skip(f"own rows are multiplied once by {ONCE}")
    finite = np.nan_to_num(vectors, posinf=1)
    finite[651, 1] = 1
    database = rf.prepare(finite, precision="int16", copy=False)
    plans = [database.plan(finite, K, memory=memory, isa=isa) for memory in (FEW, 1 << 30)]
    alone = [database.plan(rows, K, memory=FEW, threads=1, isa=isa) for rows in (database, finite)]
    assert alone[0] == alone[1]
    others = database.plan(finite.copy(), K, memory=FEW, isa=isa)
    # What is near in one super-block is measured before the next is seen.
    assert plans[0].decided > plans[1].decided
    assert plans[0].decided > others.decided
    assert plans[0].candidates < 100 * N


def test_plain_arrays_take_a_memory(vectors, expected):
    found = rf.euclidean_topk(vectors, vectors, K, memory=FEW)
    assert same_bits(found.ids, expected.ids)
    assert same_bits(found.squared, expected.squared)


@pytest.mark.parametrize(
    ("memory", "error", "message"),
    [
        (0, ValueError, "memory: expected a number of at least 287744 bytes for k = 4, got 0"),
        (-1, ValueError, "memory: expected a number of at least 287744 bytes for k = 4, got -1"),
        (287_743, ValueError, "memory: expected a number of at least 287744 bytes for k = 4, got 287743"),
        (1.5e9, TypeError, "memory: expected a whole number, got float 1500000000.0"),
        (True, TypeError, "memory: expected a whole number, got bool True"),
    ],
)
def test_memory_that_holds_too_little(vectors, memory, error, message):
    database = rf.prepare(vectors)
    for search in (database.topk, database.plan, lambda x, k, memory: rf.euclidean_topk(x, x, k, memory=memory)):
        with pytest.raises(error) as told:
            search(vectors, K, memory=memory)
        assert str(told.value) == message


def test_more_neighbours_take_more_memory(vectors):
    with pytest.raises(ValueError, match="expected a number of at least 844800 bytes for k = 100, got 300000"):
        rf.euclidean_topk(vectors, vectors, 100, memory=300_000)


def test_codes_have_no_own_rows():
    database = rf.prepare(np.zeros((9, 2), np.uint8), metric="hamming")
    with pytest.raises(ValueError, match="memory: expected a database of vectors, got one of codes"):
        database.topk(np.zeros((1, 2), np.uint8), 1, memory=1 << 28)
