"""`rsir archive`: looking at an archive, and keeping it."""

from __future__ import annotations

import json
import re

import pytest
from typer.testing import CliRunner

from rsir_fast.cli import app
from scene_files import write_scenes
from small_archive import UNREADABLE, put, write

NAMES = [f"{kind}/{number}.bin" for kind in "ab" for number in range(5)]


def rsir(*arguments, code=0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def archive(tmp_path):
    put(tmp_path / "images", NAMES)
    (tmp_path / "images" / NAMES[9]).write_bytes(UNREADABLE)
    write(tmp_path / "archive", tmp_path / "images", NAMES[:6])
    write(tmp_path / "archive", tmp_path / "images", NAMES[2:])
    return tmp_path / "archive"


def test_info(archive):
    told = json.loads(rsir("archive", "info", archive, "--json").stdout)
    assert (told["items"], told["hidden"], told["versions"], told["skipped"]) == (7, 2, 2, 1)
    assert told["classes"] == {"a": 3, "b": 4}
    said = rsir("archive", "info", archive).stdout
    assert "items     7 in 2 segments, 2 more hidden\n" in said
    assert "skipped   1 input could not be read\n" in said
    assert json.loads(rsir("archive", "info", archive, "--version", "1", "--json").stdout)["items"] == 6


def test_log(archive):
    told = json.loads(rsir("archive", "log", archive, "--json").stdout)["versions"]
    assert [(one["version"], one["change"]["added"], one["change"]["removed"]) for one in told] == [
        (1, 6, 0),
        (2, 3, 2),
    ]
    said = rsir("archive", "log", archive).stdout.splitlines()
    assert [re.split(r"\s+", line.strip())[:5] for line in said[1:]] == [
        ["1", "6", "6", "0", "add"],
        ["2", "7", "3", "2", "add"],
    ]


@pytest.mark.parametrize("command", ["info", "log"])
def test_what_is_no_archive_is_refused_in_one_line(tmp_path, command):
    said = rsir("archive", command, tmp_path / "nothing", code=1).stderr
    assert re.fullmatch(
        r"rsir: error: .*nothing: expected an archive \(a folder with versions/\), found no such folder\n", said
    )


def test_a_version_that_is_not_there(archive):
    said = rsir("archive", "info", archive, "--version", "9", code=1).stderr
    assert said.endswith("archive: version 9 was never committed; expected one of 1 to 2\n")


def test_remove(archive):
    assert json.loads(rsir("archive", "remove", archive, "a/2.bin", "--id", "5", "--dry-run", "--json").stdout) == {
        "archive": str(archive),
        "version": 2,
        "removed": 2,
        "items": 7,
        "dry_run": True,
    }
    said = rsir("archive", "remove", archive, "a/2.bin", "--id", "5").stdout
    assert said == f"{archive}: version 3, 2 items removed, 5 stay\n"
    again = rsir("archive", "remove", archive, "a/2.bin", code=1).stderr
    assert again.endswith("archive: expected an item called a/2.bin, found none: see `rsir search` for names\n")
    nothing = rsir("archive", "remove", archive, code=2).stderr
    assert nothing == "rsir: error: ITEMS: expected names of items or --id, got neither; say what shall be removed\n"
    assert "Their bytes go with" in " ".join(rsir("archive", "remove", "--help").stdout.split())


def test_compact(archive):
    rsir("archive", "remove", archive, "a/2.bin")
    said = rsir("archive", "compact", archive, "--dry-run").stdout
    assert said == "dry run: would have 1 segment in place of 2, 6 rows copied, 3 removed items left out\n"
    said = rsir("archive", "compact", archive).stdout
    assert said == f"{archive}: version 4, 1 segment in place of 2, 6 rows copied, 3 removed items left out\n"
    assert rsir("archive", "compact", archive).stdout == f"{archive}: nothing to compact in 1 segment\n"
    assert json.loads(rsir("archive", "compact", archive, "--json").stdout)["segments"] == 1


def test_vacuum(archive):
    assert rsir("archive", "vacuum", archive).stdout == f"{archive}: erased 0 versions and 0 files, 0 bytes\n"
    rsir("archive", "compact", archive)
    told = json.loads(rsir("archive", "vacuum", archive, "--keep", "1", "--days", "0", "--dry-run", "--json").stdout)
    assert (told["versions"], len(told["files"]), told["dry_run"]) == ([1, 2], 2, True)
    said = rsir("archive", "vacuum", archive, "--keep", "1", "--days", "0").stdout
    assert said == f"{archive}: erased 2 versions and 2 files, {told['bytes']:,} bytes\n"
    gone = rsir("archive", "info", archive, "--version", "1", code=1).stderr
    assert gone.endswith("archive: version 1 was removed by vacuum; expected one of 3 to 3\n")
    assert rsir("archive", "vacuum", archive, "--days", "-1", code=2).stderr.startswith(
        "rsir: error: --days: expected a number"
    )


def test_verify(archive):
    said = rsir("archive", "verify", archive).stdout
    assert re.fullmatch(r".*archive: \d+ files of 2 versions read, all as they were written\n", said)
    (path,) = (archive / "removed").iterdir()
    path.write_bytes(path.read_bytes() + b"!")
    said = rsir("archive", "verify", archive, code=1).stdout
    assert said.startswith(f"damaged: removed/{path.name} (version 2): ")
    assert said.endswith(" 1 file damaged\n")
    told = json.loads(rsir("archive", "verify", archive, "--json", code=1).stdout)
    assert [one["file"] for one in told["damaged"]] == [f"removed/{path.name}"]
    rsir("archive", "verify", archive, "--version", "1")


def test_repair(tmp_path):
    write_scenes(tmp_path / "scenes", classes=2, per_class=2)
    archive = tmp_path / "A"
    rsir("features", tmp_path / "scenes", "--out", archive, "--encoder", "hog", "--workers", "0", "--quiet")
    (path,) = archive.glob("segments/*/hog.npy")
    path.write_bytes(path.read_bytes()[:-1])
    file = path.relative_to(archive)
    said = rsir("archive", "verify", archive, "--repair").stdout
    assert said == f"mended: {file}\n{archive}: version 2, 1 file mended, 0 rows restored, 4 encoded again\n"
    rsir("archive", "verify", archive, "--version", "2")
    said = rsir("archive", "verify", archive, "--repair").stdout
    assert said.startswith(f"damaged, of older versions only: {file}\n")
    (path,) = [each for each in archive.glob("segments/*/items.arrow") if each.parent != path.parent]
    path.write_bytes(b"")
    assert f"damaged: {path.relative_to(archive)}: " in rsir("archive", "verify", archive, "--repair", code=1).stdout
    wrong = rsir("archive", "verify", archive, "--repair", "--version", "1", code=2).stderr
    assert wrong.startswith("rsir: error: --version: expected none with --repair")
