"""How often a writer waits for the disk: once for each file, and once for each folder when it is whole."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from small_archive import SPEC, fill, put, write, writer

NAMES = [f"{kind}/{number}.bin" for kind in "ab" for number in range(5)]
FIELDS = len(SPEC.fields)


@pytest.fixture
def synced(monkeypatch):
    """What was synced, in order, below the archive: what it was called then, and whether it is a file or a folder."""
    found: list[tuple[str, str]] = []
    sync = os.fsync

    def told(file):
        path = Path(os.readlink(f"/proc/self/fd/{file}"))
        found.append(("folder" if path.is_dir() else "file", str(path)))
        sync(file)

    monkeypatch.setattr(os, "fsync", told)
    return found


@pytest.fixture
def archive(tmp_path):
    """One that has all its folders: of seven files, of which the order is written, and three are to come."""
    put(tmp_path / "images", NAMES)
    write(tmp_path / "archive", tmp_path / "images", NAMES[4:])
    write(tmp_path / "archive", tmp_path / "images", NAMES[3:])
    return tmp_path / "archive"


def test_an_append(archive, tmp_path, synced):
    write(archive, tmp_path / "images", NAMES, part=10)
    kinds = Counter(kind for kind, _ in synced)
    work = {"file": 1 + FIELDS + 1, "folder": 3}  # owner, fields, part.json; all work, this work, the part
    segment = {"file": 2 + FIELDS + 1, "folder": 2}  # sources, items, fields, segment.json; all segments, this one
    version = {"file": 2, "folder": 2}  # the order of the data set, the version
    for kind in ("file", "folder"):
        assert kinds[kind] == work[kind] + segment[kind] + version[kind], synced
    assert len(set(synced)) == len(synced)


def test_one_more_part(archive, tmp_path, synced):
    with writer(archive, tmp_path / "images") as at:
        fill(at, tmp_path / "images", most=1)
        synced.clear()
        fill(at, tmp_path / "images", most=1)
    assert Counter(kind for kind, _ in synced) == {"file": FIELDS + 1, "folder": 2}


def test_the_version_comes_after_all_that_it_names(archive, tmp_path, synced):
    found = write(archive, tmp_path / "images", part=10)
    (segment,) = [one for one in found.segments if one.entry.first == 7]
    paths = [path for _, path in synced]
    at = paths.index(str(archive / "versions"))
    assert at == len(paths) - 1
    assert {str(archive / "segments"), str(archive / "order")} <= set(paths[:at])
    assert {Path(path).name for path in paths[: paths.index(str(archive / "segments"))]} >= set(segment.record.files)


def test_what_is_there_already_is_made_sure_of(archive, tmp_path, synced):
    """A list of ids that another writer has just moved to its place may not be synced yet."""
    order = next((archive / "order").iterdir()).read_bytes()
    write(archive, tmp_path / "images", NAMES)
    path = next(path for path in (archive / "order").iterdir() if path.read_bytes() != order)
    version = archive / "versions" / "00000003.json"
    version.unlink()
    synced.clear()
    write(archive, tmp_path / "images", NAMES)
    assert ("folder", str(path.parent)) in synced
