"""Folders as killed runs leave them, and as disks damage them: ours, usable, and nobody else's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from rsir_fast.extraction.stored import state_of

from rsir_fast.archive import Features
from rsir_fast.datasets import generate_scenes, open_dataset
from rsir_fast.descriptors import ColourHistogram, LocalBinaryPatterns
from rsir_fast.errors import FeaturesError
from rsir_fast.extraction import encode
from scene_files import write_scenes


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    root = tmp_path_factory.mktemp("interrupted")
    write_scenes(root / "scenes", per_class=3)
    run(root)
    return root


@pytest.fixture
def made(finished, tmp_path):
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    return tmp_path


def run(root, descriptor=None, **settings):
    given = {"workers": 0, "shard_size": 4, "resume": True, **settings}
    return encode(root / "scenes", descriptor or LocalBinaryPatterns(), out=root / "f", **given)


def files(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def remove(*names):
    def act(folder):
        for name in names:
            (folder / name).unlink()

    return act


REMAINS = {
    "nothing but shards": remove("manifest.json", "extraction.json", "items.parquet"),
    "an empty folder of shards": lambda folder: (shutil.rmtree(folder), (folder / "shards").mkdir(parents=True)),
    "a temporary file": lambda folder: (shutil.rmtree(folder), folder.mkdir(), (folder / f".{'0' * 16}.part").touch()),
    "a damaged plan": lambda folder: (remove("manifest.json")(folder), (folder / "extraction.json").write_text("[")),
    "a damaged manifest": lambda folder: (folder / "manifest.json").write_bytes(b"\xff" * 9),
    "a shard without its record": remove("manifest.json", "shards/000000004.json"),
    "a record without its shard": remove("manifest.json", "shards/000000004.npy"),
}


@pytest.mark.parametrize("how", [{"resume": True}, {"resume": False, "force": True}])
@pytest.mark.parametrize("left", REMAINS)
def test_what_is_left_is_ours(made, finished, left, how):
    REMAINS[left](made / "f")
    assert np.array_equal(run(made, **how).matrix, Features.load(finished / "f").matrix)
    assert files(made / "f") == files(finished / "f")


def test_without_a_plan_shards_of_other_settings_are_refused_and_kept(made):
    remove("manifest.json", "extraction.json")(made / "f")
    before = files(made / "f")
    with pytest.raises(FeaturesError, match=r"extraction.json is missing or damaged, .*: choose another"):
        run(made, ColourHistogram(bins=2))
    assert files(made / "f") == before
    run(made, ColourHistogram(bins=2), resume=False, force=True)
    assert state_of(made / "f") == "finished"


def test_shards_that_a_killed_force_left_are_no_part_of_the_new_features(made):
    """The plan is the new one, the shards are still the old ones: as between two calls of --force."""
    new = shutil.copytree(made, made / "new", ignore=shutil.ignore_patterns("new"))
    run(new, ColourHistogram(bins=2), resume=False, force=True, shard_size=5)
    wanted = files(new / "f")
    remove("manifest.json")(made / "f")
    shutil.copy(new / "f/extraction.json", made / "f/extraction.json")
    shutil.copytree(new / "scenes", made / "scenes", dirs_exist_ok=True)
    run(made, ColourHistogram(bins=2), shard_size=5)
    assert files(made / "f") == wanted


@pytest.mark.parametrize(
    "name", ["manifest.json", "extraction.json", "shards/notes.txt", "shards/000.npy", "mine.part"]
)
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
