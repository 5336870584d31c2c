from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import rsir_fast as rf
from op_support import same_bits
from rsir_fast.ops import reference

BITS = st.sampled_from([1, 7, 8, 9, 31, 32, 63, 64, 65, 128, 255, 256, 257, 320, 1024, 1029])


@given(data=st.data(), bits=BITS, k=st.integers(0, 12), threads=st.sampled_from([1, 2, 5]))
def test_answers_are_those_of_the_reference(isa, data, bits, k, threads):
    width = (bits + 7) // 8
    codes = st.sampled_from([0, 255, 1, 128, 0b10101010])
    database = data.draw(hnp.arrays(np.uint8, (data.draw(st.integers(0, 10)), width), elements=codes))
    queries = data.draw(hnp.arrays(np.uint8, (data.draw(st.integers(0, 4)), width), elements=codes))
    distances, ids = rf.hamming_topk(queries, database, k, bits=bits, isa=isa, threads=threads)
    expected = reference.hamming_topk(queries, database, k, bits)
    assert same_bits(distances, expected[0])
    assert same_bits(ids, expected[1])


@pytest.mark.parametrize("bits", [5, 64, 100, 512])
def test_large_database_any_batch_and_threads(isa, bits):
    rng = np.random.default_rng(bits)
    database = rng.integers(0, 256, (5000, (bits + 7) // 8), dtype=np.uint8)
    queries = database[::500] ^ 1
    expected = reference.hamming_topk(queries, database, 5000, bits)
    for k in (1, 100, 5000):
        for threads in (1, 2):
            distances, ids = rf.hamming_topk(queries, database, k, bits=bits, isa=isa, threads=threads)
            assert same_bits(distances, expected[0][:, :k])
            assert same_bits(ids, expected[1][:, :k])
    distances, ids = rf.hamming_topk(queries[3:4], database, 77, bits=bits, isa=isa, threads=2)
    assert same_bits(ids, expected[1][3:4, :77])


def test_bits_of_the_last_byte_beyond_the_length_are_ignored(isa):
    queries = np.array([[0b0000_0101]], dtype=np.uint8)
    database = np.array([[0b1111_1101], [0b0000_0100]], dtype=np.uint8)
    assert rf.hamming_topk(queries, database, 2, bits=3, isa=isa)[0].tolist() == [[0, 1]]
    assert rf.hamming_topk(queries, database, 2, isa=isa)[0].tolist() == [[1, 5]]


def test_padding_beyond_the_database(isa):
    distances, ids = rf.hamming_topk(np.zeros((1, 2), np.uint8), np.ones((1, 2), np.uint8), 3, isa=isa)
    assert distances.tolist() == [[2, 2**31 - 1, 2**31 - 1]]
    assert ids.tolist() == [[0, -1, -1]]


def test_errors_name_expected_got_and_fix():
    codes = np.zeros((3, 4), np.uint8)
    with pytest.raises(ValueError, match="queries have 4 bytes a code, the database has 5"):
        rf.hamming_topk(codes, np.zeros((3, 5), np.uint8), 1)
    with pytest.raises(ValueError, match="bits: expected 25 to 32 for codes of 4 bytes, got 33"):
        rf.hamming_topk(codes, codes, 1, bits=33)
    with pytest.raises(ValueError, match="bits: expected 25 to 32"):
        rf.hamming_topk(codes, codes, 1, bits=24)
    with pytest.raises(TypeError, match="expected packed codes of dtype uint8, got float32; make them with"):
        rf.hamming_topk(codes.astype(np.float32), codes, 1)
