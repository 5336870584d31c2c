"""The integer copy of a matrix as a block of bytes: kept in a file, used in place, refused where it does not fit."""

from __future__ import annotations

import gc
import hashlib
import mmap
import pickle

import numpy as np
import pytest

import rsir_fast as rf
from op_support import same_bits
from rsir_fast.base.isa import supported_isas

X = np.random.default_rng(0).standard_normal((3000, 48)).astype(np.float32) + 2
X[17, 3], X[2999, 0] = np.nan, 1e30
DIGEST = hashlib.sha256(X.tobytes()).digest()


def made(**options) -> rf.Sidecar:
    found = rf.prepare(X, **options).sidecar
    found.mark(DIGEST)
    return found


@pytest.mark.parametrize("precision", ["int8", "int16"])
@pytest.mark.parametrize("normalize", ["none", "row"])
def test_a_mapped_file_answers_as_the_matrix_does(isa, tmp_path, precision, normalize):
    path = tmp_path / "gap.sidecar"
    gc.freeze()  # what was there before is not looked through below
    path.write_bytes(made(precision=precision, normalize=normalize, isa=isa).buffer)
    assert path.read_bytes() == made(precision=precision, normalize=normalize, isa="scalar").tobytes()
    with path.open("rb") as file:
        block = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    sidecar = rf.Sidecar.from_buffer(block, DIGEST)
    assert (sidecar.shape, sidecar.precision, sidecar.normalize) == ((3000, 48), precision, normalize)
    assert sidecar.nbytes == path.stat().st_size == len(sidecar.buffer)
    assert np.shares_memory(np.frombuffer(sidecar.buffer, np.uint8), np.frombuffer(block, np.uint8))
    assert sidecar.buffer.readonly
    database = rf.prepare(X, normalize=normalize, copy=False, sidecar=sidecar)
    del sidecar, block
    gc.collect()
    gc.unfreeze()
    queries, allowed = X[40:50], np.arange(3000) % 5 > 0
    for where in (None, allowed):
        options = {"where": where, "isa": isa, "method": "certified"}
        found = rf.euclidean_topk(queries, database, 7, **options)
        expected = rf.euclidean_topk(queries, X, 7, normalize=normalize, where=where, method="dense")
        assert same_bits(found[0], expected[0])
        assert same_bits(found[1], expected[1])
    assert database.plan(queries, 7, isa=isa).dense_queries == 0
    assert same_bits(pickle.loads(pickle.dumps(database)).topk(queries, 7)[1], database.topk(queries, 7)[1])


def test_every_instruction_set_writes_the_same_bytes():
    for precision in ("int8", "int16"):
        assert (
            len({made(precision=precision, isa=isa, threads=t).tobytes() for isa in supported_isas() for t in (1, 3)})
            == 1
        )


def test_any_buffer(tmp_path):
    kept = made().tobytes()
    (tmp_path / "copy").write_bytes(kept)
    odd = np.frombuffer(b"x" + kept, np.uint8)[1:]
    for buffer in (kept, bytearray(kept), memoryview(kept), odd, np.memmap(tmp_path / "copy", np.uint8, "r")):
        database = rf.prepare(X, copy=False, sidecar=rf.Sidecar.from_buffer(buffer, DIGEST))
        assert database.sidecar.tobytes() == kept
        assert database.topk(X[5:6], 1)[1].tolist() == [[5]]


def test_never_trusted_for_another_matrix():
    kept = made().tobytes()
    other = hashlib.sha256(b"another").digest()
    with pytest.raises(
        ValueError, match=f"expected one of the matrix {other.hex()[:16]}..., got one of the matrix {DIGEST.hex()[:16]}"
    ):
        rf.Sidecar.from_buffer(kept, other)
    with pytest.raises(ValueError, match="got one of no matrix that is named"):
        rf.Sidecar.from_buffer(rf.prepare(X).sidecar.tobytes(), DIGEST)
    sidecar = rf.Sidecar.from_buffer(kept, DIGEST)
    for matrix, options, message in (
        (X[1:], {}, r"one with shape \(2999, 48\), got \(3000, 48\)"),
        (X[:, 1:], {}, r"one with shape \(3000, 47\)"),
        (X, {"normalize": "row"}, "one with normalize 'row', got 'none'"),
        (X, {"precision": "int16" if sidecar.precision == "int8" else "int8"}, "one with precision"),
        (np.zeros((8, 2), np.uint8), {"metric": "hamming"}, "expected None for codes"),
        (X, {"devices": "all"}, "expected None for vectors on CUDA devices"),
    ):
        with pytest.raises(ValueError, match=f"sidecar: .*{message}"):
            rf.prepare(matrix, sidecar=sidecar, **options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda block: block[:-4], r"expected \d+ bytes, got"),
        (lambda block: block[:100], "expected a block of at least 256 bytes, got 100"),
        (lambda block: b"PK" + block[2:], "expected a block that begins with 'rsir sc', got another file"),
        (lambda block: block[:8] + b"\x02" + block[9:], "expected format version 1, got 2"),
        (lambda block: block[:12] + block[12:16][::-1] + block[16:], "expected byte order"),
        (lambda block: block[:16] + b"\x07" + block[17:], "expected panel kind 1, got 7"),
    ],
)
def test_damage_is_told(change, message):
    with pytest.raises(ValueError, match=f"sidecar: {message}.*make it again"):
        rf.Sidecar.from_buffer(change(made().tobytes()), DIGEST)


def test_marks():
    sidecar = rf.prepare(X).sidecar
    assert sidecar.digest is None
    for wrong in (b"short", bytes(32), "a" * 32):
        with pytest.raises(ValueError, match="digest: expected 32 bytes, not all 0"):
            sidecar.mark(wrong)
    sidecar.mark(DIGEST)
    assert sidecar.digest == DIGEST
    with pytest.raises(ValueError, match="expected one made in memory"):
        rf.Sidecar.from_buffer(sidecar.tobytes(), DIGEST).mark(DIGEST)
    assert rf.prepare(np.zeros((0, 3))).sidecar is None
    assert repr(sidecar).startswith("Sidecar(3000 x 48, int")
