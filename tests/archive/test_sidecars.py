"""Integer copies that are saved: a search reads them where they lie, and is right where they are damaged."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import rsir_fast as rf
from rsir_fast.archive import Features, Snapshot
from rsir_fast.archive.compact import compact
from rsir_fast.archive.remove import remove
from rsir_fast.archive.verify import verify
from rsir_fast.errors import RsirWarning
from small_archive import put, write

ROWS, WIDTH = 9000, 128
X = np.random.default_rng(0).standard_normal((ROWS, WIDTH), np.float32)
Q = rf.Query(vectors=X[::3000] + np.float32(0.01), k=7)
NAME = "vector.row.sidecar"


def save(folder, rows=X):
    Features(rows, tuple(f"{number:05}.jpg" for number in range(len(rows))), None, (), "demo").save(folder)


@pytest.fixture
def archive(tmp_path):
    save(tmp_path / "A")
    return tmp_path / "A"


def files(archive, pattern="*.sidecar"):
    return sorted((archive / "segments").glob(f"*/{pattern}"))


@pytest.fixture
def none_made(monkeypatch):
    """Fail where an integer copy is made in memory."""

    def fail(*_, **__):
        raise AssertionError("made in memory")

    monkeypatch.setattr("rsir_fast.ops.engines.host_euclidean.make_sidecar", fail)
    monkeypatch.setattr("rsir_fast.ops.engines.host_blocks.make_sidecar", fail)


def test_a_search_reads_what_was_saved(archive, none_made):
    (path,) = files(archive)
    vectors = (path.parent / "vector.npy").stat().st_size
    assert path.name == NAME
    assert 0.25 < path.stat().st_size / vectors < 0.55  # a byte a number, or two where that is quicker
    found = rf.Archive(archive).search(Q)
    wanted = rf.euclidean_topk(np.array(Q.vectors, np.float32), X, 7, normalize="row", method="dense")
    assert found.ids.tolist() == wanted.ids.tolist()
    assert found.squared.tobytes() == wanted.squared.tobytes()


def test_removed_rows_change_nothing_of_that(archive, none_made):
    nearest = rf.Archive(archive).search(Q).ids[:, 0]
    remove(archive, nearest)
    found = rf.Archive(archive).search(Q)
    wanted = rf.euclidean_topk(
        np.array(Q.vectors, np.float32), X, 7, normalize="row", method="dense", where=~np.isin(np.arange(ROWS), nearest)
    )
    assert found.ids.tolist() == wanted.ids.tolist()
    assert found.squared.tobytes() == wanted.squared.tobytes()


def test_a_database_is_kept_between_searches(archive, monkeypatch):
    found = rf.Archive(archive)
    first = found.search(Q)
    monkeypatch.setattr("rsir_fast.archive.all_rows.prepare", None)
    assert found.search(Q).squared.tobytes() == first.squared.tobytes()
    other = Q.model_copy(update={"normalize": "none"})
    assert found.search(other).ids.shape == (3, 7)  # no copy of these: the rows as they lie
    with pytest.raises(TypeError):
        found.search(other)  # the second time one is made


@pytest.mark.parametrize("place", [8, 300, -1])
def test_a_damaged_one_is_told_and_the_answer_is_right(archive, place):
    right = rf.Archive(archive).search(Q)
    (path,) = files(archive)
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    assert [damage.file for damage in verify(archive).damaged] == [path.relative_to(archive).as_posix()]
    opened = rf.Archive(archive)
    with pytest.warns(RsirWarning, match=r"vector\.row\.sidecar: .* it is made again in memory") as told:
        found = opened.search(Q)
    assert len(told) == 1
    assert found.squared.tobytes() == right.squared.tobytes()
    assert found.ids.tolist() == right.ids.tolist()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        opened.search(Q)  # told once
    assert path.read_bytes() == content  # a reader never writes


def test_one_that_is_gone_is_told(archive):
    right = rf.Archive(archive).search(Q)
    files(archive)[0].unlink()
    with pytest.warns(RsirWarning, match="no such file"):
        assert rf.Archive(archive).search(Q).ids.tolist() == right.ids.tolist()
    assert not verify(archive).is_sound


def test_compaction_keeps_one(archive):
    remove(archive, range(100, 200))
    before = rf.Archive(archive).search(Q)
    compact(archive)
    assert len(files(archive)) == 2
    assert [path.name for path in Snapshot(archive).segments[0].folder.glob("*.sidecar")] == [NAME]
    found = rf.Archive(archive).search(Q)
    assert found.ids.tolist() == before.ids.tolist()
    assert found.squared.tobytes() == before.squared.tobytes()


def test_small_segments_and_codes_have_none(tmp_path):
    save(tmp_path / "A", X[:100])
    assert files(tmp_path / "A") == []
    put(tmp_path / "images", ["a/1.bin"])
    write(tmp_path / "B", tmp_path / "images")
    assert files(tmp_path / "B") == []
    found = rf.Archive(tmp_path / "A")
    answers = [found.search(Q).squared.tobytes() for _ in range(3)]
    assert len(set(answers)) == 1


def test_the_bytes_are_the_same_whoever_makes_them(archive, tmp_path):
    save(tmp_path / "B")
    assert files(archive)[0].read_bytes() == files(tmp_path / "B")[0].read_bytes()
