"""A flipped byte in any file: `verify` names that file, and in a table so does whoever opens the archive."""

from __future__ import annotations

import pytest

import rsir_fast as rf
from rsir_fast.archive import Snapshot
from rsir_fast.archive.compact import compact
from rsir_fast.archive.remove import remove
from rsir_fast.archive.verify import verify
from rsir_fast.errors import ArchiveError
from scene_files import write_scenes
from small_archive import UNREADABLE, put, write

NAMES = [f"{kind}/{number}.bin" for kind in "ab" for number in range(5)]


@pytest.fixture
def archive(tmp_path):
    """Segments old, new and compacted; every kind of list."""
    put(tmp_path / "images", NAMES)
    (tmp_path / "images" / NAMES[4]).write_bytes(UNREADABLE)
    write(tmp_path / "archive", tmp_path / "images", NAMES[3:])
    write(tmp_path / "archive", tmp_path / "images", NAMES)
    remove(tmp_path / "archive", [1])
    compact(tmp_path / "archive")
    remove(tmp_path / "archive", [2])
    return tmp_path / "archive"


def files(archive):
    return sorted(path for path in archive.rglob("*") if path.is_file())


def test_a_sound_archive(archive):
    found = verify(archive)
    assert found.is_sound
    assert found.versions == (1, 2, 3, 4, 5)
    assert found.files == len(files(archive))
    assert verify(archive, 1).files < found.files


def test_any_flipped_byte_is_named_and_nothing_else(archive):
    for path in files(archive):
        content = path.read_bytes()
        for place in sorted({0, len(content) // 3, len(content) // 2, len(content) - 1}):
            for flip in (1, 0x2A):  # 0x2A makes a line feed of a space, which JSON does not mind
                path.write_bytes(content[:place] + bytes([content[place] ^ flip]) + content[place + 1 :])
                found = verify(archive)
                assert [damage.file for damage in found.damaged] == [path.relative_to(archive).as_posix()]
        path.write_bytes(content)
    assert verify(archive).is_sound


def test_all_that_is_damaged_is_named(archive):
    bad = [path for path in files(archive) if path.suffix in (".npy", ".arrow")]
    for number, path in enumerate(bad):
        path.write_bytes(b"" if number % 2 else path.read_bytes()[:-1])
    bad[0].unlink()
    found = verify(archive)
    assert {damage.file for damage in found.damaged} == {path.relative_to(archive).as_posix() for path in bad}
    assert all(damage.problem.count("\n") == 0 for damage in found.damaged)


def test_the_versions_that_need_a_file_are_told(archive):
    segment = Snapshot(archive, 1).segments[0].entry.name
    (archive / "segments" / segment / "u.npy").write_bytes(b"")
    (damage,) = verify(archive).damaged
    assert damage.versions == (1, 2, 3)
    assert verify(archive, 5).is_sound
    with pytest.raises(ArchiveError, match=r"version 9 was never committed"):
        verify(archive, 9)


def test_a_damaged_table_is_noticed_when_the_archive_is_opened(archive):
    (segment,) = Snapshot(archive).segments
    for name in ("items.arrow", "sources.arrow", "ids.npy", "segment.json"):
        path = archive / "segments" / segment.entry.name / name
        content = path.read_bytes()
        for place in (0, len(content) // 2, len(content) - 1):
            path.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
            if name == "segment.json":
                assert rf.Archive(archive).info().problems  # an older version is opened, and the torn one named
                continue
            with pytest.raises(ArchiveError, match=name):
                rf.Archive(archive)
        path.write_bytes(content)


def test_what_a_descriptor_learnt_is_looked_at(tmp_path):
    write_scenes(tmp_path / "scenes", classes=2, per_class=3)
    rf.encode(tmp_path / "scenes", "bovw-4", out=tmp_path / "A", workers=0)
    assert verify(tmp_path / "A").is_sound
    path = tmp_path / "A" / "encoder" / "descriptor.safetensors"
    content = path.read_bytes()
    for place in (9, 100, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert [damage.file for damage in verify(tmp_path / "A").damaged] == ["encoder/descriptor.safetensors"]
