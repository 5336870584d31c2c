"""A database that is normalised as it is read: the bits of the normalised matrix, and nothing copied."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import rsir_fast as rf
from op_support import matrices, same_bits


def same_answer(a, b) -> bool:
    return same_bits(a[0], b[0]) and same_bits(a[1], b[1])


@given(data=st.data(), hostile=st.booleans(), k=st.integers(0, 14), threads=st.sampled_from([1, 3]))
def test_bits_are_those_of_the_normalised_matrix(isa, data, hostile, k, threads):
    x = data.draw(matrices(hostile=hostile))
    referred, copied = (rf.prepare(x, normalize="row", copy=copy, isa=isa) for copy in (False, True))
    options = {"isa": isa, "threads": threads}
    assert same_answer(referred.topk(x[:5], k, **options), copied.topk(x[:5], k, **options))
    allowed = np.arange(len(x)) % 3 > 0
    assert same_answer(
        referred.topk(x[:5], k, where=allowed, **options), copied.topk(x[:5], k, where=allowed, **options)
    )


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, "bfloat16"])
@pytest.mark.parametrize("precision", ["int8", "int16"])
def test_every_pass_dtype_and_share(isa, dtype, precision):
    rng = np.random.default_rng(1)
    x = rng.gamma(0.5, size=(2500, 37))
    x[7], x[30], x[31, 4], x[2000:2020] = 3.0, np.nan, np.inf, x[5]
    x = torch.from_numpy(x).to(torch.bfloat16) if dtype == "bfloat16" else x.astype(dtype)
    referred, copied = (rf.prepare(x, normalize="row", precision=precision, copy=copy) for copy in (False, True))
    assert referred.sidecar.tobytes() == copied.sidecar.tobytes()
    queries = x[[3, 5, 7, 30, 100, 2400]]
    for where in (None, np.arange(2500) % 4 > 0, rng.random(2500) < 0.02):
        for method in ("dense", "certified"):
            for threads in (1, 3):
                options = {"where": where, "method": method, "isa": isa, "threads": threads}
                found, expected = (rf.euclidean_topk(queries, db, 9, **options) for db in (referred, copied))
                assert same_answer(found, expected)
    plan = referred.plan(queries[[0, 1, 4, 5]], 9, isa=isa)
    assert (plan.method, plan.dense_queries) == ("certified", 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("classes", [2, 40])
def test_ranks(isa, dtype, classes):
    rng = np.random.default_rng(2)
    x, labels = rng.gamma(0.5, size=(900, 20)).astype(dtype), rng.integers(0, classes, 900)
    referred, copied = (rf.prepare(x, normalize="row", copy=copy) for copy in (False, True))
    for where in (None, rng.random(900) < 0.5):
        found, expected = (
            list(db.ranks(x[:50], labels[:50], labels, self_ids=range(50), where=where, isa=isa))
            for db in (referred, copied)
        )
        for a, b in zip(found, expected, strict=True):
            assert all(same_bits(a[i], b[i]) for i in (1, 2, 3))


def test_it_is_a_reference(tmp_path):
    x = np.random.default_rng(3).random((600, 8), dtype=np.float32)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    database = rf.prepare(mapped, normalize="row", copy=False)
    assert np.shares_memory(database.held.rows.array, mapped)
    assert repr(database).startswith("Database(600 x 8 float32, normalize='row'")
    assert x.flags.writeable
    rf.prepare(x, normalize="row", copy=False)
    assert x.flags.writeable
    again = pickle.loads(pickle.dumps(database))
    assert same_answer(again.topk(x[:3], 5), database.topk(x[:3], 5))
    assert same_answer(database.topk(x[:3], 5), rf.euclidean_topk(x[:3], x, 5, normalize="row"))
    with pytest.raises(ValueError, match="nan='raise'"):
        rf.euclidean_topk(x[:1], rf.prepare(np.full((3, 2), np.nan), normalize="row", copy=False), 1, nan="raise")


OPENED = """
import resource, sys
import numpy as np
import rsir_fast as rf
x = np.load(sys.argv[1], mmap_mode="r")
sidecar = rf.Sidecar.from_buffer(np.memmap(sys.argv[2], np.uint8, "r"), b"x" * 32)
database = rf.prepare(x, normalize="row", copy=False, sidecar=sidecar)
before = [int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("RssAnon")][0]
database.topk(x[:2], 10)
database.topk(x[:2], 10, where=range(0, len(x), 50))
after = [int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("RssAnon")][0]
print(after - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_mapped_matrix_and_sidecar_take_no_memory_of_their_own(tmp_path):
    x = np.random.default_rng(4).random((60_000, 128), dtype=np.float32)  # 29 MiB, its codes 7
    np.save(tmp_path / "x.npy", x)
    sidecar = rf.prepare(x, normalize="row", copy=False).sidecar
    sidecar.mark(b"x" * 32)
    (tmp_path / "x.sidecar").write_bytes(sidecar.buffer)
    program = [sys.executable, "-c", OPENED, str(tmp_path / "x.npy"), str(tmp_path / "x.sidecar")]
    assert int(subprocess.check_output(program, text=True)) < 4 * 1024
