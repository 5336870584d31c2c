from __future__ import annotations

import numpy as np

from op_support import same_bits
from rsir_fast.descriptors.sampling import Reservoir


def groups():
    rng = np.random.default_rng(7)
    sizes = rng.integers(0, 40, 200)
    return [
        np.column_stack([np.full(m, number % 256), np.arange(m)]).astype(np.uint8) for number, m in enumerate(sizes)
    ]


def sample(order, size=64, seed=0):
    parts = groups()
    reservoir = Reservoir(size, 2, seed)
    for number in order:
        reservoir.add(number, parts[number])
    return reservoir


def test_the_order_of_the_stream_changes_nothing():
    expected = sample(range(200)).rows()
    assert expected.shape == (64, 2)
    assert same_bits(sample(reversed(range(200))).rows(), expected)
    assert same_bits(sample(np.random.default_rng(1).permutation(200)).rows(), expected)
    assert not np.array_equal(sample(range(200), seed=1).rows(), expected)


def test_less_than_the_size_is_all_of_it():
    reservoir = sample(range(200), size=10**6)
    assert reservoir.seen == len(reservoir.rows()) == sum(map(len, groups()))
    assert sorted(map(tuple, reservoir.rows().tolist())) == sorted(map(tuple, np.concatenate(groups()).tolist()))


def test_every_row_is_as_likely_as_any_other():
    hits = np.zeros(100)
    for seed in range(2000):
        reservoir = Reservoir(10, 1, seed)
        for number in range(10):
            reservoir.add(number, np.arange(10 * number, 10 * number + 10, dtype=np.uint8)[:, None])
        hits[reservoir.rows().ravel()] += 1
    # 200 expected, standard deviation 13.4: none of 100 strays by five.
    assert abs(hits - 200).max() < 5 * 13.4


def test_memory_stays_near_the_sample():
    reservoir = Reservoir(100, 1, 0)
    for number in range(500):
        reservoir.add(number, np.zeros((50, 1), np.uint8))
        assert len(reservoir._rows) + reservoir._waiting <= 250
    assert reservoir.seen == 25_000
