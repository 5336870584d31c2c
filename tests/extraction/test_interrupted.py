"""Folders as killed runs leave them, and as disks damage them: ours, usable, and nobody else's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from rsir_fast.archive import Features
from rsir_fast.archive.folders import features_state, rows_kept
from rsir_fast.datasets import generate_scenes, open_dataset
from rsir_fast.descriptors import ColourHistogram, LocalBinaryPatterns
from rsir_fast.errors import FeaturesError, RsirError
from rsir_fast.extraction import encode
from scene_files import write_scenes


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    root = tmp_path_factory.mktemp("interrupted")
    write_scenes(root / "scenes", per_class=3)
    run(root)
    return root


def run(root, descriptor=None, **settings):
    given = {"workers": 0, "shard_size": 4, "resume": True, **settings}
    return encode(root / "scenes", descriptor or LocalBinaryPatterns(), out=root / "f", **given)


def files(folder):
    """What is in an archive, by kind: names of segments and versions are drawn."""
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return sorted(re.sub("[0-9a-f]{16}-", "", name) for name in names)


def stopped(root, images: int) -> None:
    """Leave a run as one that was stopped after so many images."""
    with pytest.raises(RsirError, match="stopped"):
        run(root, progress=lambda at: at.done < images)


REMAINS = {
    "some parts": lambda root: stopped(root, 5),
    "an empty folder of work": lambda root: (root / "f/work").mkdir(parents=True),
    "a temporary file": lambda root: ((root / "f").mkdir(), (root / f"f/.{'0' * 16}.part").touch()),
    "a segment that no version names": lambda root: (
        stopped(root, 5),
        run(root),
        (root / "f/versions/00000001.json").unlink(),
    ),
    "a torn version": lambda root: (run(root), (root / "f/versions/00000002.json").write_bytes(b"\xff" * 9)),
}


@pytest.mark.parametrize("how", [{"resume": True}, {"resume": False, "force": True}])
@pytest.mark.parametrize("left", REMAINS)
def test_what_is_left_is_ours(tmp_path, finished, left, how):
    shutil.copytree(finished / "scenes", tmp_path / "scenes")
    REMAINS[left](tmp_path)
    assert np.array_equal(run(tmp_path, **how).matrix, Features.load(finished / "f").matrix)
    assert_features_are_whole(tmp_path / "f")


def assert_features_are_whole(folder):
    assert features_state(folder) == "finished"
    Features.load(folder)
    assert not list((folder / "work").iterdir())


def test_only_what_is_missing_is_computed(tmp_path, finished):
    shutil.copytree(finished / "scenes", tmp_path / "scenes")
    stopped(tmp_path, 5)
    assert rows_kept(tmp_path / "f") == 4
    assert run(tmp_path).timing["images"] == 5
    assert files(tmp_path / "f") == files(finished / "f")


def test_work_of_other_settings_stays_for_them(tmp_path, finished):
    shutil.copytree(finished / "scenes", tmp_path / "scenes")
    stopped(tmp_path, 5)
    run(tmp_path, ColourHistogram(bins=2))
    assert len(list((tmp_path / "f/work").iterdir())) == 1
    with pytest.raises(FeaturesError, match="rows of another encoder"):
        run(tmp_path)


@pytest.mark.parametrize("name", ["manifest.json", "extraction.json", "versions/notes.txt", "work/000", "mine.part"])
def test_what_only_looks_like_ours_stays(tmp_path, name):
    write_scenes(tmp_path / "scenes", per_class=1)
    mine = tmp_path / "f" / name
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    for how in ({"resume": True}, {"resume": False, "force": True}):
        with pytest.raises(FeaturesError, match="expected a new or empty folder"):
            run(tmp_path, **how)
    assert mine.read_text() == "mine"


def test_scenes_whose_replacement_was_killed_are_still_ours(tmp_path):
    wanted = generate_scenes(tmp_path / "new", classes=2, per_class=2, size=32, seed=1)
    generate_scenes(tmp_path / "out", classes=2, per_class=2, size=32)
    killed = (
        "import os, sys; from rsir_fast.datasets import generate_scenes\n"
        "def hook(event, arguments):\n"
        "    if event == 'os.remove' and str(arguments[0]).endswith('1.jpg'): os.kill(os.getpid(), 9)\n"
        "sys.addaudithook(hook); generate_scenes(sys.argv[1], classes=2, per_class=2, size=32, seed=1, force=True)"
    )
    assert subprocess.run([sys.executable, "-c", killed, tmp_path / "out"], check=False).returncode == -9
    generate_scenes(tmp_path / "out", classes=2, per_class=2, size=32, seed=1)
    assert open_dataset(tmp_path / "out").items == wanted.items
    assert all((tmp_path / "out" / i).read_bytes() == (tmp_path / "new" / i).read_bytes() for i in wanted.items)


def test_a_disk_that_is_full_for_a_while(tmp_path):
    """`rsir features` onto a small file system: one line, and once there is space the same command ends."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(disk)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs the right to mount a small file system")
    write_scenes(tmp_path / "scenes", per_class=3)
    command = ["features", tmp_path / "scenes", "-e", "lbp", "--workers", "0", "--quiet", "--out"]
    rsir = [sys.executable, "-c", "from rsir_fast.cli import main; main()", *command]
    try:
        (disk / "ballast").write_bytes(bytes(244 * 1024))
        full = subprocess.run([*rsir, disk / "f"], capture_output=True, text=True, check=False)
        assert full.returncode == 1
        assert full.stderr.count("\n") == 1
        assert "no space left on the disk (" in full.stderr
        assert "free some, then run the same command again" in full.stderr
        (disk / "ballast").unlink()
        subprocess.run([*rsir, disk / "f"], check=True, capture_output=True)
        subprocess.run([*rsir, tmp_path / "f"], check=True, capture_output=True)
        assert np.array_equal(Features.load(disk / "f").matrix, Features.load(tmp_path / "f").matrix)
        assert files(disk / "f") == files(tmp_path / "f")
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
