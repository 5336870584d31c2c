from __future__ import annotations

import numpy as np
import pytest

import rsir_fast as rf
from op_support import same_bits


def collect(blocks):
    parts = list(blocks)
    starts = [part.start for part in parts]
    assert starts == list(np.cumsum([0] + [len(part.ids) for part in parts])[:-1])
    return np.concatenate([part.distances for part in parts]), np.concatenate([part.ids for part in parts])


@pytest.mark.parametrize("block", [None, 1, 7, 64, 1000])
@pytest.mark.parametrize("normalize", ["none", "row"])
def test_euclidean_rankings_are_full_and_exact_for_every_block(isa, block, normalize):
    x = np.random.default_rng(0).random((150, 20), dtype=np.float32)
    x[100:120] = x[0]
    distances, ids = collect(rf.rank_database(x, x, normalize=normalize, block=block, isa=isa))
    expected = rf.euclidean_topk(x, x, 150, normalize=normalize)
    assert same_bits(distances, expected[0])
    assert same_bits(ids, expected[1])
    assert (np.sort(ids, axis=1) == np.arange(150)).all()


def test_hamming_rankings(isa):
    codes = np.random.default_rng(1).integers(0, 4, (90, 3), dtype=np.uint8)
    distances, ids = collect(rf.rank_database(codes, codes, metric="hamming", bits=18, block=40, isa=isa))
    expected = rf.hamming_topk(codes, codes, 90, bits=18)
    assert same_bits(distances, expected[0])
    assert same_bits(ids, expected[1])


def test_arguments_are_checked_before_the_first_block():
    x, codes = np.zeros((2, 2)), np.zeros((2, 2), np.uint8)
    with pytest.raises(ValueError, match="metric: expected 'euclidean' or 'hamming', got 'cosine'"):
        rf.rank_database(x, x, metric="cosine")
    with pytest.raises(ValueError, match="bits: expected None"):
        rf.rank_database(x, x, bits=3)
    with pytest.raises(ValueError, match="normalize: expected 'none' with metric='hamming'"):
        rf.rank_database(codes, codes, metric="hamming", normalize="row")
    with pytest.raises(ValueError, match="at least 1 query a block"):
        rf.rank_database(x, x, block=0)


def test_empty():
    assert list(rf.rank_database(np.zeros((0, 3)), np.zeros((4, 3)))) == []
    (block,) = rf.rank_database(np.zeros((2, 3)), np.zeros((0, 3)))
    assert block.ids.shape == (2, 0)
