"""Each digest check, and the link, is needed: without it damage goes unnoticed, or a commit is lost."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
import pytest

import rsir_fast as rf
from rsir_fast.archive import Features, Snapshot, commit
from rsir_fast.archive.compact import compact
from rsir_fast.archive.remove import remove
from rsir_fast.archive.verify import verify
from rsir_fast.errors import ArchiveError, RsirWarning
from small_archive import fill, put, write, writer

NAMES = [f"{kind}/{number}.bin" for kind in "ab" for number in range(5)]


@pytest.fixture
def archive(tmp_path):
    """One compacted segment with ids of its own, and a list of removed ids."""
    put(tmp_path / "images", NAMES)
    write(tmp_path / "archive", tmp_path / "images")
    remove(tmp_path / "archive", [1, 3])
    compact(tmp_path / "archive")
    remove(tmp_path / "archive", [2, 5])
    return tmp_path / "archive"


def flip(path: Path, before: bytes = b"", place: int = -1) -> None:
    """Change a byte: the last, or the one after some others, so that the file can still be read."""
    content = bytearray(path.read_bytes())
    at = content.index(before) + len(before) if before else place
    content[at] ^= 1
    path.write_bytes(content)


def one(archive: Path, pattern: str) -> Path:
    return sorted(archive.glob(pattern))[-1]


def opened(archive: Path) -> None:
    """Open the newest version and its tables; an older one in its place tells of damage, too."""
    found = Snapshot(archive)
    found.rows()
    if found.problems:
        raise ArchiveError(found.problems[0])


def verified(archive: Path) -> None:
    damaged = verify(archive).damaged
    if damaged:
        raise ArchiveError(damaged[0].problem)


def going_on(archive: Path) -> None:
    """Take over the rows of a writer that has ended."""
    with writer(archive, archive.parent / "images") as at:
        if at.todo:
            raise ArchiveError("a part is not believed")


GUARDS = {
    "a version": (
        ("rsir_fast.archive.records.Version.is_whole", True),
        lambda archive: flip(one(archive, "versions/*.json"), b'"created": "202'),
        opened,
    ),
    "a list of ids": (
        ("rsir_fast.archive.versions.check_file_digest", lambda *_: None),
        lambda archive: flip(archive / "removed" / f"{Snapshot(archive).version.removed}.npy", place=-8),
        opened,
    ),
    "a segment": (
        ("rsir_fast.archive.versions.check_file_digest", lambda *_: None),
        lambda archive: flip(Snapshot(archive).segments[0].folder / "segment.json", b'"device": "cp'),
        opened,
    ),
    "the items": (
        ("rsir_fast.archive.tables.check_digest", lambda *_: None),
        lambda archive: flip(Snapshot(archive).segments[0].folder / "sources.arrow", b"b/1.b"),
        opened,
    ),
    "ids after a compaction": (
        ("rsir_fast.archive.segment.check_digest", lambda *_: None),
        lambda archive: flip(Snapshot(archive).segments[0].folder / "ids.npy", place=8 * 1 - 8 * 8),
        opened,
    ),
    "the vectors": (
        ("rsir_fast.archive.versions.check_file_digest", lambda *_: None),
        lambda archive: flip(one(archive, "segments/*/u.npy")),
        verified,
    ),
    "part of a writer's work": (
        ("rsir_fast.archive.work.check_file_digest", lambda *_: None),
        lambda archive: flip(one(archive, "work/*/000000/u.npy")),
        going_on,
    ),
}


@pytest.mark.parametrize("name", GUARDS)
def test_without_it_damage_goes_unnoticed(archive, monkeypatch, name):
    (check, instead), damage, look = GUARDS[name]
    if look is going_on:
        put(archive.parent / "images", ["c/new.bin"])
        with writer(archive, archive.parent / "images") as at:
            fill(at, archive.parent / "images", part=20)
    damage(archive)
    with pytest.raises(ArchiveError):
        look(archive)
    monkeypatch.setattr(check, instead)
    look(archive)


def test_without_it_a_damaged_integer_copy_gives_wrong_answers(tmp_path, monkeypatch):
    x = np.random.default_rng(0).standard_normal((9000, 128), np.float32)
    Features(x, tuple(f"{number:05}.jpg" for number in range(len(x))), None, (), "demo").save(tmp_path / "A")
    query = rf.Query(ids=[3600], k=1)
    path = one(tmp_path / "A", "segments/*/*.sidecar")
    content = np.fromfile(path, np.uint8)
    content[len(content) // 3 : len(content) // 2] = 0  # codes of some rows
    path.write_bytes(content.tobytes())
    with pytest.warns(RsirWarning, match="XXH3"):
        assert rf.Archive(tmp_path / "A").search(query).ids.tolist() == [[3600]]
    monkeypatch.setattr("rsir_fast.archive.sidecars._compare", lambda *_: None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert rf.Archive(tmp_path / "A").search(query).ids.tolist() != [[3600]]


def overwriting(place, path):
    os.replace(place, path)
    return True


def test_without_the_link_a_commit_is_lost(archive, monkeypatch):
    def raced(guarded: bool) -> bool:
        """Whether both of two commits at the same time are there."""
        first, second = Snapshot(archive).ids[:2].tolist()
        publish = commit.publish

        def lost(folder, version):
            monkeypatch.setattr(commit, "publish", publish)
            remove(archive, [second])
            return publish(folder, version)

        with monkeypatch.context() as patch:
            if not guarded:
                patch.setattr("rsir_fast.base.created._linked", overwriting)
            monkeypatch.setattr(commit, "publish", lost)
            remove(archive, [first])
        return not {first, second} & {*Snapshot(archive).ids.tolist()}

    assert raced(guarded=True)
    assert not raced(guarded=False)
