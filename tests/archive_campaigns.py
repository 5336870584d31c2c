#!/usr/bin/env python3
"""Long forms of what the suite does in short: archives under killed and racing writers.

python tests/archive_campaigns.py kills     a writer killed before every one of its calls to the file system
python tests/archive_campaigns.py race      two writers, 1,000 commits each
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parent))

from rsir_fast.archive import Snapshot
from rsir_fast.errors import RsirError
from small_archive import assert_holds, assert_tidy, numbers_of, put, write

EVENTS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "fcntl.flock", "os.utime"}
REFUSED = 3 << 8
NAMES = [f"{kind}/{number}.bin" for kind in "ab" for number in range(5)]


def in_child(work: Callable[[], None]) -> int:
    """Run something in a forked process; return its wait status."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except RsirError:
            os._exit(REFUSED >> 8)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    return os.waitpid(child, 0)[1]


class Kills:
    """An archive of seven files that a writer makes one of ten; the writer is killed, and another goes on.

    With the name of an error, the call fails instead: the writer must end with one of our errors.
    """

    def __init__(self, place: Path, fault: str = "") -> None:
        self.fault = fault
        self.images, self.base, self.archive = place / "images", place / "base", place / "archive"
        put(self.images, NAMES)
        write(self.base, self.images, NAMES[3:])
        self.count = self._count(place / "calls")

    def run(self, number: int) -> None:
        """Kill the writer before a call, and check that nothing is lost, then that another goes on and tidies up."""
        assert self.is_killed(number) or self.fault, f"expected a kill at call {number}"
        found = Snapshot(self.archive)
        names = NAMES[3:] if found.version.number == 1 else NAMES
        assert_holds(found, self.images, names)
        assert found.problems == ()
        assert_holds(write(self.archive, self.images), self.images)
        assert_tidy(self.archive)

    def is_killed(self, number: int) -> bool:
        """Run the writer, to be killed before a call; whether it was."""
        shutil.rmtree(self.archive, ignore_errors=True)
        shutil.copytree(self.base, self.archive)
        status = in_child(lambda: self._write(number, None))
        ends = (0, REFUSED) if self.fault else (0, signal.SIGKILL)
        assert status in ends, f"the writer ended with {status} at call {number} {self.fault}"
        return status == signal.SIGKILL

    def _count(self, file: Path) -> int:
        shutil.copytree(self.base, self.archive)
        assert in_child(lambda: self._write(0, file)) == 0
        return int(file.read_text())

    def _write(self, number: int, told: Path | None) -> None:
        count = 0
        folder = str(self.archive)

        def call(place: object) -> None:
            nonlocal count
            if isinstance(place, int):
                place = os.readlink(f"/proc/self/fd/{place}") if place >= 0 else ""
            if isinstance(place, str | bytes | os.PathLike) and os.fsdecode(place).startswith(folder):
                count += 1
                if count == number and self.fault:
                    raise OSError(getattr(errno, self.fault), os.strerror(getattr(errno, self.fault)))
                if count == number:
                    os.kill(os.getpid(), signal.SIGKILL)

        sync = os.fsync

        def counted_sync(file: int) -> None:
            call(file)
            sync(file)

        os.fsync = counted_sync
        sys.addaudithook(lambda event, arguments: call(arguments[0]) if event in EVENTS else None)
        write(self.archive, self.images)
        if told is not None:
            told.write_text(str(count))


def race(place: Path, writers: int, rounds: int, seed: int = 0) -> int:
    """Let writers make one archive what each wants, at the same time; return the number of versions.

    Every version must be what one of them wanted, to the row, and no number may be missing.
    """
    images, archive = place / f"images-{seed}", place / f"archive-{seed}"
    put(images, NAMES)
    put(images, [f"a/w{writer}-{number}.bin" for writer in range(writers) for number in range(rounds)])

    def wanted(writer: int, number: int) -> list[str]:
        draw = Random(f"{seed} {writer} {number}")
        chosen = draw.sample(NAMES, draw.randint(1, len(NAMES)))  # in any order
        return [*chosen, f"a/w{writer}-{number}.bin"]

    def work(writer: int) -> None:
        for number in range(rounds):
            write(archive, images, wanted(writer, number))

    children = []
    for writer in range(writers):
        child = os.fork()
        if child == 0:
            try:
                work(writer)
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * writers
    there = sorted(int(path.stem) for path in (archive / "versions").glob("*.json"))
    assert there == list(range(1, len(there) + 1))
    assert len(there) == writers * rounds  # each wants a file that no other does: none may do without a version
    all_wanted = {tuple(wanted(writer, number)) for writer in range(writers) for number in range(rounds)}
    held = set()
    before = None
    for number in there:
        before = Snapshot(archive, number, before=before)
        held.add(tuple(row.source for row in before.rows()))
        codes = before["codes"]
        for row, code in zip(before.rows(), codes, strict=True):
            assert code.tolist() == numbers_of((images / row.source).read_bytes())["codes"].tolist()
    assert held == all_wanted
    assert_tidy(archive)
    return len(there)


def main() -> None:
    """Run one of the campaigns."""
    with tempfile.TemporaryDirectory() as folder:
        what = sys.argv[1] if len(sys.argv) == 2 else ""
        if what == "kills" or hasattr(errno, what):
            kills = Kills(Path(folder), "" if what == "kills" else what)
            for number in range(1, kills.count + 1):
                kills.run(number)
            print(f"{kills.count} {what}: nothing lost, nothing left over")
        elif what == "race":
            versions = sum(race(Path(folder), 2, 20, seed) for seed in range(50))
            print(f"2 writers, {versions} commits: every version is what one of them wanted")
        else:
            sys.exit("expected: archive_campaigns.py kills | ENOSPC | EIO | EMFILE | race")


if __name__ == "__main__":
    main()
