from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

import rsir_fast as rf
from op_support import matrices, same_bits
from rsir_fast.ops import reference


@given(u=matrices(hostile=True))
def test_bytes_are_those_of_the_reference(isa, u):
    for threads in (1, 2):
        assert same_bits(rf.pack_codes(u, isa=isa, threads=threads), reference.pack_codes(u))


def test_sign_of_awkward_numbers(isa):
    u = np.array([[0.0, -0.0, np.nan, np.inf, -np.inf, 1e-45, -1e-45, 2.0, 1.0]], dtype=np.float32)
    assert rf.pack_codes(u, isa=isa).tolist() == [[0b1010_1000, 1]]


def test_codes_feed_the_search():
    u = np.random.default_rng(0).standard_normal((20, 48)).astype(np.float32)
    distances, ids = rf.hamming_topk(rf.pack_codes(u), rf.pack_codes(u), 20)
    signs = np.where(u > 0, 1, -1)
    by_dot_product = (48 - signs @ signs.T) // 2
    assert (distances == np.take_along_axis(by_dot_product, ids, 1)).all()
    assert (distances[:, 0] == 0).all()


def test_errors():
    with pytest.raises(TypeError, match="u: expected float16"):
        rf.pack_codes(np.zeros((2, 8), np.uint8))
    with pytest.raises(ValueError, match=r"u: expected shape \[n, d\], got \[8\]"):
        rf.pack_codes(np.zeros(8))
