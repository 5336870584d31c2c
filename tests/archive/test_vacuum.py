"""Vacuum: what goes, what stays, and that it can be interrupted anywhere."""

from __future__ import annotations

import os
import shutil
import time

import pytest

import rsir_fast as rf
from rsir_fast.archive import Snapshot, versions
from rsir_fast.archive import vacuum as module
from rsir_fast.archive.compact import compact
from rsir_fast.archive.remove import remove
from rsir_fast.archive.vacuum import vacuum
from rsir_fast.errors import ArchiveError
from small_archive import assert_holds, assert_tidy, fill, put, write, writer

NAMES = [f"{kind}/{number:02}.bin" for kind in "ab" for number in range(7)]
LATER = time.time() + 8 * 86_400


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """14 versions, the last of which is compacted; `few`: 4."""
    place = tmp_path_factory.mktemp("vacuum")
    put(place / "images", NAMES)
    for end in range(2, 14):
        write(place / "archive", place / "images", NAMES[end - 2 : end])
        if end == 4:
            shutil.copytree(place / "archive", place / "few")
            compact(place / "few")
    write(place / "archive", place / "images", NAMES)
    compact(place / "archive")
    return place


@pytest.fixture
def images(made):
    return made / "images"


@pytest.fixture
def archive(made, tmp_path):
    shutil.copytree(made / "archive", tmp_path / "archive")
    return tmp_path / "archive"


def files(archive):
    return {path.relative_to(archive).as_posix() for path in archive.rglob("*") if path.is_file()}


def test_ten_versions_stay_and_all_of_seven_days(archive, images):
    assert vacuum(archive).versions == ()
    assert vacuum(archive, now=LATER - 86_400 * 2).versions == ()
    told = vacuum(archive, now=LATER)
    assert told.versions == (1, 2, 3, 4)
    assert Snapshot(archive).version.number == 14
    for number in range(5, 15):
        Snapshot(archive, number).verify()
    assert_holds(Snapshot(archive), images, NAMES)
    assert_holds(Snapshot(archive, 13), images, NAMES)
    with pytest.raises(ArchiveError, match=r"archive: version 3 was removed by vacuum; expected one of 5 to 14$"):
        Snapshot(archive, 3)


def test_bytes_go_with_the_versions_that_needed_them(archive, images):
    before = {path: (archive / path).stat().st_size for path in files(archive)}
    dry = vacuum(archive, keep=1, now=LATER, dry_run=True)
    assert files(archive) == set(before)
    told = vacuum(archive, keep=1, now=LATER)
    assert told == dry
    gone = set(before) - files(archive)
    assert told.bytes == sum(before[path] for path in gone) > 0
    assert len(list((archive / "segments").iterdir())) == len(list((archive / "versions").iterdir())) == 1
    assert not list((archive / "removed").iterdir())
    assert_holds(Snapshot(archive), images, NAMES)
    assert_tidy(archive)
    assert vacuum(archive, keep=1, now=LATER) == module.Vacuumed(versions=(), files=(), bytes=0)


def test_days_can_be_none(archive, images):
    told = vacuum(archive, keep=1, days=0)
    assert len(told.versions) == 13
    assert len(list((archive / "segments").iterdir())) == 1  # committed once: no writer will come for them
    assert_holds(Snapshot(archive), images, NAMES)
    with pytest.raises(ValueError, match="keep, days: expected at least 1 version"):
        vacuum(archive, keep=0)


def test_orphans_stay_a_day(archive, images):
    made = archive / "segments" / f"{'0' * 16}-0"
    made.mkdir()
    (made / "u.npy").write_bytes(b"of a slow writer")
    lists = archive / "removed" / f"{'1' * 64}.npy"
    lists.write_bytes(b"too")
    assert vacuum(archive).files == ()
    assert vacuum(archive, now=time.time() + 23 * 3600).files == ()
    told = vacuum(archive, now=time.time() + 25 * 3600)
    assert told.files == (f"segments/{made.name}", f"removed/{lists.name}")
    assert not made.exists()


def test_the_work_of_a_living_writer_stays_and_of_a_dead_one_goes(archive, images, tmp_path):
    put(images, ["c/new.bin"])
    with writer(archive, images, ["c/new.bin"], keeping=True) as at:
        fill(at, images)
        vacuum(archive, now=LATER)
        assert "c/new.bin" in [row.source for row in at.commit().rows()]
    put(images, ["c/newer.bin"])
    with writer(archive, images, ["c/newer.bin"], keeping=True) as at:
        fill(at, images)
    assert len(list((archive / "work").iterdir())) == 1
    assert vacuum(archive).files == ()
    vacuum(archive, now=LATER)
    assert_tidy(archive)


def test_a_version_that_stays_must_be_readable(archive):
    path = archive / "versions" / "00000009.json"
    path.write_bytes(path.read_bytes()[:-4])
    before = files(archive)
    with pytest.raises(ArchiveError, match=r"00000009\.json"):
        vacuum(archive, now=LATER)
    assert files(archive) == before


def test_a_damaged_version_that_is_old_goes(archive):
    path = archive / "versions" / "00000002.json"
    path.write_bytes(b"")
    assert vacuum(archive, now=LATER).versions == (1, 2, 3, 4)


def test_a_list_that_a_writer_has_just_found_again_stays(archive, images, monkeypatch):
    """A removed list is called by its content: an old one may be what the next version needs."""
    remove(archive, [0])
    lists = Snapshot(archive).version.removed
    write(archive, images, NAMES)
    old = time.time() - 30 * 86_400
    for path in (archive / "removed").iterdir():
        os.utime(path, (old, old))
    erase = module._erase

    def race(path, now):
        if path.name == f"{lists}.npy":
            remove(archive, [0])
        erase(path, now)

    monkeypatch.setattr(module, "_erase", race)
    told = vacuum(archive, keep=1, days=0)
    assert f"removed/{lists}.npy" in told.files
    found = Snapshot(archive)
    assert found.version.removed == lists
    assert len(found) == 13


class Stopped(BaseException):
    pass


def test_what_an_interrupted_vacuum_leaves_the_next_erases(made, images, monkeypatch, tmp_path):
    """Stopped before each of the calls that erase something."""
    archive = tmp_path / "few"
    real = {"unlink": os.unlink, "rename": os.rename, "rmdir": os.rmdir}
    for number in range(1, 200):
        shutil.rmtree(archive, ignore_errors=True)
        shutil.copytree(made / "few", archive)
        count = 0

        def counted(name, number=number):
            def call(*arguments, **options):
                nonlocal count
                count += 1
                if count == number:
                    raise Stopped
                return real[name](*arguments, **options)

            return call

        with monkeypatch.context() as patch:
            for name in real:
                patch.setattr(os, name, counted(name))
            try:
                vacuum(archive, keep=1, now=LATER)
                break
            except Stopped:
                pass
        assert_holds(Snapshot(archive), images, NAMES[2:4])
        for version in [int(path.stem) for path in (archive / "versions").iterdir()]:
            Snapshot(archive, version).verify()
        vacuum(archive, keep=1, now=LATER)
        assert_tidy(archive)
        assert len(list((archive / "segments").iterdir())) == 1
    assert number > 20


def test_from_python(archive):
    assert rf.Archive(archive).vacuum(keep=2, days=0, dry_run=True).versions == tuple(range(1, 13))


def test_a_slow_writer_whose_number_was_vacuumed_meanwhile_commits_all_the_same(archive, images, monkeypatch):
    """Between its decision and its commit others commit several versions, and erase that of its number."""
    from rsir_fast.archive import commit

    publish = commit.publish
    put(images, ["d/slow.bin", "d/0.bin", "d/1.bin", "d/2.bin"])

    def slow(folder, version):
        monkeypatch.setattr(commit, "publish", publish)
        for number in range(3):
            write(archive, images, [f"d/{number}.bin"], keeping=True)
            vacuum(archive, keep=1 if number else 2, days=0)
        assert not (archive / "versions" / f"{version.number:08d}.json").exists()
        return publish(folder, version)

    monkeypatch.setattr(commit, "publish", slow)
    found = write(archive, images, ["d/slow.bin"], keeping=True)
    assert found.version.number == Snapshot(archive).version.number == 18
    assert_holds(Snapshot(archive), images, [*NAMES, "d/0.bin", "d/1.bin", "d/2.bin", "d/slow.bin"])
    assert len(list((archive / "versions").iterdir())) == 2


def test_an_archive_removed_between_two_looks(tmp_path, monkeypatch):
    put(tmp_path / "images", NAMES[:2])
    archive = tmp_path / "archive"
    write(archive, tmp_path / "images", NAMES[:2])
    looked = []

    def numbers(folder):
        found = real(folder)
        looked.append(found)
        shutil.rmtree(folder, ignore_errors=True)
        return found

    real = versions.numbers
    monkeypatch.setattr(versions, "numbers", numbers)
    with pytest.raises(ArchiveError, match="expected an archive .* found no such folder"):
        versions.newest(archive)
    assert looked[0] == [1]
