"""Writes that are whole or not at all, whatever is killed or fails on the way."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from rsir_fast.base import durable
from rsir_fast.base.durable import appending, make_folder, replacing, sweep, write_durably
from rsir_fast.base.placed import placing_folder
from rsir_fast.base.together import COMING, DECIDED, replace_together
from rsir_fast.errors import MachineError


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def started(program: str, *arguments: object) -> subprocess.Popen[str]:
    """Start Python code that prints a line when it is where it should be killed."""
    process = subprocess.Popen([sys.executable, "-c", program, *map(str, arguments)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "there\n"
    return process


WRITER = """
import sys, time
from pathlib import Path
from rsir_fast.base.durable import replacing
with replacing(Path(sys.argv[1])) as file:
    file.write(b"half" * 5000); file.flush(); print("there", flush=True); time.sleep(60)
"""


def killed(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_a_killed_write_leaves_the_old_file_and_the_next_takes_its_place(tmp_path):
    path = tmp_path / "model"
    write_durably(path, b"old")
    killed(started(WRITER, path))
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 2
    write_durably(path, b"new")
    assert tree(tmp_path) == {"model": b"new"}


def test_leftovers_of_the_dead_go_and_those_of_the_living_stay(tmp_path):
    killed(started(WRITER, tmp_path / "dead"))
    (tmp_path / ".report-abc_12xy").mkdir(0o700)
    (tmp_path / ".report-abc_12xy/plot.svg").write_text("half")
    (tmp_path / ".0123456789abcdef.part").write_text("of an older version")
    (tmp_path / ".mine.part").write_text("a user's")
    (tmp_path / ".report-settings").write_text("a user's")
    (tmp_path / ".00000000000000ab.part").symlink_to("nowhere")
    (tmp_path / ".report-december").mkdir()
    (tmp_path / ".report-december/thesis.tex").write_text("a user's")
    (tmp_path / ".report-template").mkdir()
    (tmp_path / ".report-template/mine.html").write_text("a user's")
    kept = {".mine.part", ".report-december", ".report-template", ".report-settings", ".00000000000000ab.part", "other"}
    living = started(WRITER, tmp_path / "living")
    try:
        write_durably(tmp_path / "other", b"x")
        sweep(tmp_path)
        left = {path.name for path in tmp_path.iterdir()}
        assert len(left) == len(kept) + 1
        assert kept < left
    finally:
        killed(living)
    sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == kept


def test_two_writers_of_one_file_take_turns(tmp_path):
    path = tmp_path / "split.json"
    contents = [bytes([65 + number]) * 300_000 for number in range(8)]
    threads = [threading.Thread(target=write_durably, args=(path, content)) for content in contents for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() in contents
    assert len(list(tmp_path.iterdir())) == 1


def test_the_former_file_is_kept_where_asked(tmp_path):
    for content in (b"1", b"2", b"3"):
        with replacing(tmp_path / "now", keep=tmp_path / "before") as file:
            file.write(content)
    assert tree(tmp_path) == {"before": b"2", "now": b"3"}


def test_a_failing_block_leaves_nothing(tmp_path):
    def fail() -> None:
        with replacing(tmp_path / "a") as file:
            file.write(b"x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_appending_goes_on_where_it_was(tmp_path):
    path = tmp_path / "archive.part"
    with appending(path) as file:
        assert file.tell() == 0
        file.write(b"one")

    def cut() -> None:
        with appending(path) as file:
            assert file.tell() == 3
            file.write(b"two")
            raise ValueError("cut")

    with pytest.raises(ValueError, match="cut"):
        cut()
    assert path.read_bytes() == b"onetwo"
    with appending(path) as file:
        file.truncate(0)
    assert not path.exists()


def test_a_folder_of_a_killed_unpacking_goes(tmp_path):
    program = """
import sys, time
from pathlib import Path
from rsir_fast.base.durable import write_durably
from rsir_fast.base.placed import placing_folder
with placing_folder(Path(sys.argv[1])) as place:
    write_durably(place / "a/b", b"x"); print("there", flush=True); time.sleep(60)
"""
    killed(started(program, tmp_path / "data"))
    with placing_folder(tmp_path / "data") as place:
        assert list(place.iterdir()) == []
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_names_file_need_and_remedy(tmp_path, small_disk):
    path = small_disk / "features/shards/000000000.npy"
    expected = (
        rf"{re.escape(str(path))}: cannot be written: no space left on the disk \(3000000 bytes needed, \d+ free\)"
    )
    with pytest.raises(MachineError, match=expected + r"; free some, then run the same command again, which goes on"):
        write_durably(path, bytes(3_000_000))
    assert tree(small_disk) == {}
    write_durably(path, bytes(30_000))


@pytest.mark.parametrize("path", ["file/below", "file"])
def test_what_is_in_the_way_is_named(tmp_path, path):
    (tmp_path / "file").write_text("x") if path == "file/below" else (tmp_path / "file").mkdir()
    with pytest.raises(MachineError, match=r"cannot be written: .*; choose another place"):
        write_durably(tmp_path / path, b"x")


# Files that belong together

OLD, NEW = {"a": b"1", "b": b"1", "c": b"1"}, {"a": b"2", "b": b"2", "d": b"2"}


def test_files_together_come_and_others_stay(tmp_path):
    (tmp_path / "mine").write_text("mine")
    replace_together(tmp_path, OLD)
    replace_together(tmp_path, NEW)
    assert tree(tmp_path) == {**NEW, "c": b"1", "mine": b"mine"}
    assert not (tmp_path / DECIDED).exists()


KILLER = """
import os, sys
from pathlib import Path
from rsir_fast.base.together import replace_together
calls, last = 0, int(sys.argv[2])
def hook(event, arguments):
    global calls
    if event in ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir"):
        calls += 1
        if calls == last:
            os.kill(os.getpid(), 9)
sys.addaudithook(hook)
replace_together(Path(sys.argv[1]), {"a": b"2", "b": b"2", "d": b"2"})
"""


def test_killed_at_any_call_there_are_never_two_generations(tmp_path):
    states = set()
    for call in range(1, 100):
        folder = tmp_path / str(call)
        replace_together(folder, OLD)
        ended = subprocess.run([sys.executable, "-c", KILLER, folder, str(call)], check=False).returncode
        seen = {name: (folder / name).read_bytes() for name in "abd" if (folder / name).exists()}
        assert len(set(seen.values())) <= 1, f"mixed after call {call}: {seen}"
        states.add((len(seen), *set(seen.values())))
        replace_together(folder, {"e": b"5"})  # who writes next ends what was begun
        assert tree(folder) in ({**NEW, "c": b"1", "e": b"5"}, {**OLD, "e": b"5"}), f"call {call}"
        assert {path.name for path in folder.iterdir()} <= set("abcde")
        replace_together(folder, NEW)
        assert tree(folder) == {**NEW, "c": b"1", "e": b"5"}
        if ended == 0:
            break
    else:
        pytest.fail("the writer never came to its end")
    assert {(2, b"1"), (0,), (3, b"2")} <= states


def test_a_set_that_does_not_fit_leaves_the_old_one(small_disk):
    replace_together(small_disk, OLD)
    with pytest.raises(MachineError, match="no space left"):
        replace_together(small_disk, {"a": b"2", "b": bytes(3_000_000)})
    assert tree(small_disk) == OLD
    assert not (small_disk / COMING).exists()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(place)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs the right to mount a small file system")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_folder_that_another_process_makes_meanwhile_is_one(tmp_path, monkeypatch):
    looks = iter([False, True, True])
    (tmp_path / "made").mkdir()
    monkeypatch.setattr(durable, "is_folder", lambda path: next(looks))
    make_folder(tmp_path / "made")
