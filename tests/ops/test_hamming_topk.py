from __future__ import annotations

import pickle
import subprocess
import sys
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import rsir_fast as rf
from op_support import same_bits
from rsir_fast.ops import reference

LENGTHS = [1, 7, 8, 9, 31, 63, 64, 65, 127, 128, 255, 512, 1000, 1024, 2000]  # bits
BITS = st.sampled_from([*LENGTHS, 32, 256, 257, 320, 1029])


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


def check(queries, database, k, bits, **options):
    """Assert that raw and prepared codes give the answer of the reference."""
    expected = reference.hamming_topk(queries, database, k, bits)
    for items in (database, rf.prepare(database, metric="hamming", bits=bits, **options)):
        distances, ids = rf.hamming_topk(queries, items, k, bits=bits, **options)
        assert same_bits(distances, expected[0])
        assert same_bits(ids, expected[1])


@pytest.mark.parametrize("q", [1, 2, 4, 13, 40])  # rows as they are, transposed rows; one query in a thread, more
@pytest.mark.parametrize("bits", LENGTHS)
def test_prepared_and_raw_codes_of_every_length(isa, bits, q):
    rng = np.random.default_rng(bits)
    database = rng.integers(0, 256, (600, (bits + 7) // 8), dtype=np.uint8)
    database[100:130] = database[500]
    queries = np.concatenate([database[500:501], ~database[:1], rng.integers(0, 256, (38, (bits + 7) // 8), np.uint8)])
    for k in (1, 35, 600):
        check(queries[:q], database, k, bits, isa=isa, threads=2)


# Groups of 512 codes, two of them side by side, blocks of 8.
@pytest.mark.parametrize("n", [1, 63, 64, 65, 511, 512, 513, 1023, 1024, 1025, 4095, 4096, 4097, 8191, 8193])
@pytest.mark.parametrize("bits", [8, 20, 64])
def test_edges_of_groups_and_blocks(isa, n, bits):
    rng = np.random.default_rng(n)
    database = rng.integers(0, 256, (n, (bits + 7) // 8), dtype=np.uint8)
    queries = np.concatenate([database[-1:], np.zeros_like(database[:1]), ~database[:5]])
    for k in (1, 2, 100, n // 4 - 1, n // 4, n - 1, n, n + 1):
        if k >= 0:
            check(queries, database, k, bits, isa=isa, threads=3)


@cache
def tied(order: str, bits: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Codes in three ranges of threads, of few distances to no bits; these; in which order they come."""
    n = 100_000
    ones = {
        "falling": np.linspace(bits, 0, n).astype(np.int32),
        "rising": np.linspace(0, bits, n).astype(np.int32),
        "equal": np.full(n, 3, np.int32),
        "random": np.random.default_rng(0).integers(0, bits + 1, n, np.int32),
    }[order]
    database = np.packbits(np.arange(bits) < ones[:, None], axis=1, bitorder="little")
    return database, ones, np.lexsort((np.arange(n), ones))


@pytest.mark.parametrize("order", ["falling", "rising", "equal", "random"])
@pytest.mark.parametrize("bits", [9, 64])
@pytest.mark.parametrize("q", [1, 13, 70])
def test_ties_across_ranges_of_threads(isa, order, bits, q):
    database, ones, nearest = tied(order, bits)
    queries = np.zeros((q, database.shape[1]), np.uint8)
    prepared = rf.prepare(database, metric="hamming", bits=bits, isa=isa)
    few = [(k, threads) for k in (1, 100) for threads in (1, 2, 3, 8)]
    for k, threads in (*few, (20_000, 2), (20_000, 8), (30_000, 1), (30_000, 3)):
        for items in (database, prepared):
            distances, ids = rf.hamming_topk(queries, items, k, bits=bits, isa=isa, threads=threads)
            assert (ids == nearest[:k].astype(ids.dtype)).all()
            assert (distances == ones[nearest[:k]].astype(distances.dtype)).all()


def test_prepared_codes_are_the_same_bytes_everywhere(isa):
    for bits in (5, 64, 100):
        codes = np.random.default_rng(bits).integers(0, 256, (9000, (bits + 7) // 8), dtype=np.uint8)
        one = rf.prepare(codes, metric="hamming", bits=bits, isa=isa, threads=3)
        many = rf.prepare(codes, metric="hamming", bits=bits, isa="scalar")
        assert same_bits(one.held.planes, many.held.planes)
        assert (one.metric, one.bits, one.normalize, one.shape) == ("hamming", bits, "none", (9000, (bits + 7) // 8))
        assert one.nbytes == 3 * 512 * (bits + bits.bit_length())
        assert repr(one) == f"Database(9000 codes of {bits} bits, {one.nbytes / 2**20:.1f} MiB)"
        again = pickle.loads(pickle.dumps(one))
        assert repr(again) == repr(one)
        for held in (one.held.planes, again.held.planes):
            assert not held.flags.writeable
            assert held.ctypes.data % 64 == 0
        expected = rf.hamming_topk(codes[:3], codes, 9, bits)
        assert all(same_bits(a, b) for a, b in zip(again.topk(codes[:3], 9), expected, strict=True))


def test_codes_are_kept_beside_their_planes_only_if_not_copied():
    codes = np.random.default_rng(0).integers(0, 256, (900, 8), dtype=np.uint8)
    alone, kept = (rf.prepare(codes, metric="hamming", copy=copy) for copy in (True, False))
    assert alone.held.rows is None
    assert kept.held.rows is codes
    assert rf.prepare([codes[:5], codes[5:]], metric="hamming", copy=False).held.rows is None  # they were copied
    assert kept.nbytes == alone.nbytes + codes.nbytes
    again = pickle.loads(pickle.dumps(kept))
    assert same_bits(again.held.planes, alone.held.planes)
    assert same_bits(again.held.rows, codes)


def test_prepared_codes_outlive_their_origin_and_rank_in_full(isa):
    codes = np.random.default_rng(0).integers(0, 256, (700, 3), dtype=np.uint8)
    expected = reference.hamming_topk(codes[:9], codes, 700, 24)
    prepared, queries = rf.prepare(codes, metric="hamming", isa=isa), codes[:9].copy()
    codes[:] = 0
    blocks = list(rf.rank_database(queries, prepared, metric="hamming", block=4, isa=isa))
    assert same_bits(np.concatenate([block.distances for block in blocks]), expected[0])
    assert same_bits(np.concatenate([block.ids for block in blocks]), expected[1])


def test_codes_without_bits_or_rows(isa):
    none, empty = np.zeros((3, 0), np.uint8), np.zeros((0, 2), np.uint8)
    for items in (none, rf.prepare(none, metric="hamming", isa=isa)):
        for k in (2, 3):
            distances, ids = rf.hamming_topk(none[:1], items, k, isa=isa)
            assert (distances == 0).all()
            assert ids.tolist() == [[0, 1, 2][:k]]
    distances, ids = rf.hamming_topk(
        np.zeros((1, 2), np.uint8), rf.prepare(empty, metric="hamming", isa=isa), 1, isa=isa
    )
    assert (distances.tolist(), ids.tolist()) == ([[2**31 - 1]], [[-1]])
    assert rf.hamming_topk(empty, rf.prepare(empty, metric="hamming"), 5, isa=isa)[0].shape == (0, 5)


def test_memory_of_a_search_does_not_grow_with_the_database():
    """Raw codes are transposed a block at a time, and many queries are searched in blocks."""
    program = """
import resource, numpy as np, rsir_fast as rf
codes = np.random.default_rng(0).integers(0, 256, (4_000_000, 8), dtype=np.uint8)
rf.hamming_topk(codes[:64], codes[:5000], 10, threads=2)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
rf.hamming_topk(codes[:64], codes, 10, threads=2)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    grown = int(subprocess.run([sys.executable, "-c", program], check=True, capture_output=True).stdout)
    assert grown < 16 * 1024  # KiB; the codes have 31 MiB


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
    prepared = rf.prepare(codes, metric="hamming")
    with pytest.raises(ValueError, match="queries have 5 bytes a code, the database has 4"):
        rf.hamming_topk(np.zeros((3, 5), np.uint8), prepared, 1)
    with pytest.raises(ValueError, match="bits: expected 32, the length of the prepared codes, got 31"):
        rf.hamming_topk(codes, prepared, 1, bits=31)
    with pytest.raises(ValueError, match="bits: expected codes of at most 65535 bits, got 65536"):
        rf.prepare(np.zeros((1, 8192), np.uint8), metric="hamming")
    with pytest.raises(TypeError, match="database: expected packed codes of dtype uint8, got float64"):
        rf.prepare(np.zeros((1, 8)), metric="hamming")


@pytest.mark.gpu
@pytest.mark.parametrize("bits", [1, 7, 8, 63, 64, 65, 100, 128, 192, 512, 1029])
@pytest.mark.parametrize("q", [1, 2, 7, 8, 9, 33])
def test_cuda_answers_are_those_of_the_cpu(bits, q):
    """Sizes around a block's tile, around one part of the database and several; few distinct codes make ties."""
    rng = np.random.default_rng(bits)
    pool = rng.integers(0, 256, (5000, (bits + 7) // 8), dtype=np.uint8)
    for n in (0, 1, 1023, 1025, 2047, 2048, 2049, 40_000):
        database = pool[rng.integers(0, 5000 if n % 2 else 20, n)]
        queries = pool[:q] ^ 1
        on_device = torch.from_numpy(queries).cuda(), torch.from_numpy(database).cuda()
        for k in (0, 1, 10, 256, 257, 2048, 2049):
            expected = rf.hamming_topk(queries, database, k, bits=bits)
            distances, ids = rf.hamming_topk(*on_device, k, bits=bits)
            assert distances.is_cuda
            assert same_bits(distances.cpu().numpy(), expected[0])
            assert same_bits(ids.cpu().numpy(), expected[1])


@pytest.mark.gpu
def test_cuda_farther_codes_first():
    """Every item is nearer than all before it: the candidates are cut again and again."""
    database = np.packbits(np.arange(256)[:, None] > np.arange(256), axis=1, bitorder="little")[::-1]
    database = np.repeat(database, 300, axis=0)
    queries = np.zeros((9, 32), np.uint8)
    expected = rf.hamming_topk(queries, database, 200)
    distances, ids = rf.hamming_topk(torch.from_numpy(queries).cuda(), torch.from_numpy(database).cuda(), 200)
    assert same_bits(distances.cpu().numpy(), expected[0])
    assert same_bits(ids.cpu().numpy(), expected[1])


@pytest.mark.gpu
def test_cuda_unaligned_slices_streams_and_errors():
    codes = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3001, 17), dtype=np.uint8))
    on_device = codes.cuda()
    for part in (slice(1, None), slice(1, 9), slice(0, 16)):
        expected = rf.hamming_topk(codes[1:40, part], codes[:, part], 20)
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            distances, ids = rf.hamming_topk(on_device[1:40, part], on_device[:, part], 20)
        stream.synchronize()
        assert torch.equal(distances.cpu(), expected[0])
        assert torch.equal(ids.cpu(), expected[1])
    with pytest.raises(ValueError, match="bits: expected 129 to 136 for codes of 17 bytes, got 137"):
        rf.hamming_topk(on_device, on_device, 1, bits=137)
    with pytest.raises(TypeError, match="expected packed codes of dtype uint8, got float32"):
        rf.hamming_topk(on_device.float(), on_device, 1)
    with pytest.raises(ValueError, match="queries have 17 bytes a code, the database has 16"):
        rf.hamming_topk(on_device, on_device[:, 1:], 1)


@pytest.mark.gpu
@pytest.mark.parametrize("q", [1, 8])
def test_cuda_graph_of_a_search(q):
    """Captured once, replayed on other numbers: so nothing in a search waits for the device."""
    rng = np.random.default_rng(1)
    first, second = (rng.integers(0, 256, (40_000, 8), dtype=np.uint8) for _ in range(2))
    database = torch.from_numpy(first).cuda()
    queries = database[:q].clone()
    rf.hamming_topk(queries, database, 10)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        distances, ids = rf.hamming_topk(queries, database, 10)
    database.copy_(torch.from_numpy(second))
    graph.replay()
    expected = rf.hamming_topk(first[:q], second, 10)
    assert same_bits(distances.cpu().numpy(), expected[0])
    assert same_bits(ids.cpu().numpy(), expected[1])
