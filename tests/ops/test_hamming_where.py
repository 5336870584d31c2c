"""`where` of Hamming searches: the answer is that of the allowed codes alone, with the ids of the whole database."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import rsir_fast as rf
from op_support import same_bits
from rsir_fast.ops import reference

INT32_MAX = 2**31 - 1
SHARES = [0, 1e-6, 0.01, 0.1, 0.5, 1]


def random_codes(n, bits, seed=0):
    """Return codes of few distinct bytes, so that many distances tie."""
    rng = np.random.default_rng(seed)
    return rng.choice(np.array([0, 1, 3, 255], np.uint8), (n, (bits + 7) // 8))


def chosen(n, share, kind, seed=0):
    """Return n booleans, a share of them true: anywhere, in one run, or the last ones of all."""
    rng = np.random.default_rng(seed)
    count = round(share * n)
    rows = {"anywhere": rng.permutation(n)[:count], "run": n // 3 + np.arange(count), "last": n - 1 - np.arange(count)}
    allowed = np.zeros(n, bool)
    allowed[rows[kind] % n if n else []] = True
    return allowed


def forms(allowed, rng):
    """Return the same rows as a bitmap whose tail bits are set, as booleans, and as ids in any order, some twice."""
    bitmap = np.packbits(allowed, bitorder="little")
    if len(allowed) % 8:
        bitmap[-1] |= (0xFF << len(allowed) % 8) & 0xFF
    ids = np.flatnonzero(allowed)
    return bitmap, allowed, rng.permutation(np.concatenate([ids, ids[::2]]))


def check(queries, database, k, bits, where, expected, **options):
    prepared = [
        rf.prepare(database, metric="hamming", bits=bits, copy=copy, isa=options["isa"]) for copy in (True, False)
    ]
    for items in (database, *prepared):
        found = rf.hamming_topk(queries, items, k, bits=bits, where=where, **options)
        assert same_bits(found[0], expected[0])
        assert same_bits(found[1], expected[1])


@pytest.mark.parametrize("kind", ["anywhere", "run", "last"])
@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("q", [1, 5, 40])
def test_answers_are_those_of_the_allowed_codes(isa, q, share, kind):
    rng = np.random.default_rng(q)
    for n, bits in ((9001, 64), (4096, 20), (700, 100)):
        database, queries = random_codes(n, bits), random_codes(q, bits, 1)
        allowed = chosen(n, share, kind)
        allowed[n // 2] |= share == 1e-6
        for k in (1, 30, n // 4, n):
            expected = reference.hamming_topk(queries, database, k, bits, where=allowed)
            for where in forms(allowed, rng) if k == 30 else [allowed]:
                check(queries, database, k, bits, where, expected, isa=isa, threads=2)


@pytest.mark.parametrize("share", [0.001, 0.01, 0.04, 0.2])
@pytest.mark.parametrize("q", [1, 3, 12, 33])
def test_few_of_many_codes(isa, q, share):
    """Those few are read by themselves, in many rounds; the answer does not tell."""
    n = 60_000
    for bits in (64, 60, 512):
        database, queries = random_codes(n, bits), random_codes(q, bits, 1)
        allowed = chosen(n, share, "anywhere")
        allowed[20_001:20_701] = True
        expected = reference.hamming_topk(queries, database, 10, bits, where=allowed)
        check(queries, database, 10, bits, allowed, expected, isa=isa, threads=2)


@pytest.mark.parametrize("q", [1, 13])
def test_bounds_are_those_of_allowed_codes(isa, q):
    """All forbidden codes are nearer than any allowed one, and stand before them: no limit may come from them."""
    n = 50_000
    database = np.zeros((n, 8), np.uint8)
    allowed = np.zeros(n, bool)
    allowed[30_001::7] = allowed[5::997] = True
    database[allowed] = 0xFF
    database[np.flatnonzero(allowed)[::3], 0] = 0xFE
    queries = np.zeros((q, 8), np.uint8)
    for k in (1, 100, 3000):
        expected = reference.hamming_topk(queries[:1], database, k, 64, where=allowed)
        expected = tuple(np.repeat(part, q, axis=0) for part in expected)
        for threads in (1, 3):
            check(queries, database, k, 64, allowed, expected, isa=isa, threads=threads)


def test_fewer_allowed_than_k_leaves_slots_empty(isa):
    database, queries = random_codes(600, 64), random_codes(3, 64, 1)
    for where in (np.array([], np.int64), [7], [599, 0, 599]):
        distances, ids = rf.hamming_topk(queries, database, 5, where=where, isa=isa)
        count = len(set(np.asarray(where).tolist()))
        assert (distances[:, count:] == INT32_MAX).all()
        assert (ids[:, count:] == -1).all()
        assert all(sorted(row) == sorted(set(where)) for row in ids[:, :count].tolist()) if count else True


def test_rankings_hold_allowed_rows_only(isa):
    database, queries = random_codes(900, 64), random_codes(7, 64, 1)
    for share in SHARES:
        allowed = chosen(900, share, "anywhere")
        count = int(allowed.sum())
        expected = reference.hamming_topk(queries, database, count, 64, where=allowed)
        for items in (database, *(rf.prepare(database, metric="hamming", copy=copy) for copy in (True, False))):
            blocks = list(rf.rank_database(queries, items, metric="hamming", where=allowed, block=3, isa=isa))
            assert [block.ids.shape for block in blocks] == [(3, count), (3, count), (1, count)]
            assert same_bits(np.concatenate([block.distances for block in blocks]), expected[0])
            assert same_bits(np.concatenate([block.ids for block in blocks]), expected[1])


def test_of_a_database_with_out_and_tensors():
    database, queries = random_codes(900, 64), random_codes(7, 64, 1)
    allowed = chosen(900, 0.1, "anywhere")
    expected = reference.hamming_topk(queries, database, 9, 64, where=allowed)
    out = np.empty((7, 9), np.int32), np.empty((7, 9), np.int64)
    rf.prepare(database, metric="hamming").topk(queries, 9, where=allowed, out=out)
    assert same_bits(out[0], expected[0])
    assert same_bits(out[1], expected[1])
    found = rf.hamming_topk(torch.from_numpy(queries), torch.from_numpy(database), 9, where=torch.from_numpy(allowed))
    assert same_bits(found[0].numpy(), expected[0])
    assert same_bits(found[1].numpy(), expected[1])


def test_within_torch_compile():
    database, queries = (torch.from_numpy(random_codes(n, 64, n)) for n in (300, 4))
    where = torch.arange(0, 300, 3)
    search = torch.compile(lambda q, x, w: rf.hamming_topk(q, x, 5, where=w), fullgraph=True, backend="eager")
    assert torch.equal(search(queries, database, where)[1], rf.hamming_topk(queries, database, 5, where=where)[1])
    with pytest.raises(Exception, match=r"where: expected a tensor within torch\.compile"):
        torch.compile(lambda q, x: rf.hamming_topk(q, x, 5, where=[1, 2]), fullgraph=True, backend="eager")(
            queries, database
        )


def test_errors_name_expected_got_and_fix():
    codes = random_codes(9, 64)
    with pytest.raises(ValueError, match="where: expected a bitmap of 2 bytes for 9 rows, got 9"):
        rf.hamming_topk(codes, codes, 1, where=np.zeros(9, np.uint8))
    with pytest.raises(ValueError, match="where: expected ids of rows 0 to 8, got 9 to 9"):
        rf.prepare(codes, metric="hamming").topk(codes, 1, where=[9])
