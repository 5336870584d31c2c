#!/usr/bin/env python3
"""One process after another works on an archive, and almost each is killed: at any call, in the midst of mending, too.

python tests/archive_storm.py KILLS [--state FILE] [--seed N]    so many kills; goes on where it stopped
"""

from __future__ import annotations

import argparse
import gc
import json
import mmap
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parent))

from archive_campaigns import EVENTS, in_child
from rsir_fast.archive import Snapshot, compact, remove, writer
from rsir_fast.archive.vacuum import vacuum
from rsir_fast.archive.versions import newest
from small_archive import SPEC, assert_tidy, numbers_of, put, write

NAMES = [f"{kind}/{number}.bin" for kind in "ab" for number in range(8)]
LATER = 8 * 86_400.0
_TIDY_EVERY = 25


@dataclass
class Tally:
    """What a storm did.

    Attributes
    ----------
    rounds, kills : int
    interrupted : int
        Kills after a commit had begun (all that a version names is written, then the version) and before it had ended.
    after : int
        Of these, with the version there already.
    versions : int
        That were committed.
    by_action : dict
        Kills.
    """

    rounds: int = 0
    kills: int = 0
    interrupted: int = 0
    after: int = 0
    versions: int = 0
    by_action: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        actions = ", ".join(f"{name} {count}" for name, count in sorted(self.by_action.items()))
        return (
            f"{self.kills} kills ({actions}) interrupted {self.interrupted} commits, of which {self.after} were done "
            f"already; {self.versions} versions: nothing lost, nothing left over"
        )


class Storm:
    """An archive in a folder, what it must hold, and what became of it so far."""

    def __init__(self, place: Path, tally: Tally | None = None, seed: int = 0) -> None:
        self.images, self.archive = place / "images", place / "archive"
        self.tally = tally or Tally()
        self.seed = seed
        self._told = mmap.mmap(-1, 16)  # shared with the children: calls, whether a commit is going on
        self._calls: dict[str, int] = {}
        self._rows = {name: {k: v.tobytes() for k, v in numbers_of(os.fsencode(name)).items()} for name in NAMES}
        put(self.images, NAMES)
        found = write(self.archive, self.images, NAMES[:5])
        self.names, self.ids, self.version = NAMES[:5], found.ids, 1

    def run(self, kills: int) -> Tally:
        """Go on until so many were killed."""
        gc.freeze()  # so that children copy less of our memory
        while self.tally.kills < kills:
            self.round()
            if self.tally.rounds % _TIDY_EVERY == 0:
                self._tidy()
        self._tidy()
        return self.tally

    def round(self) -> None:
        """Let a process do something, and kill it at one of its calls; check what is there."""
        draw = Random(f"{self.seed} {self.tally.rounds}")
        self.tally.rounds += 1
        action, work, wanted = self._action(draw)
        most = self._calls.get(action, 120)
        late = draw.randint(most // 2, most)  # where it commits
        number = draw.choice((0, draw.randint(1, most), draw.randint(1, most), late, late, late, late, late))
        self._told[:16] = bytes(16)
        status = in_child(lambda: self._killed_at(number, work))
        assert status in (0, signal.SIGKILL), f"{action} in round {self.tally.rounds} ended with {status}"
        calls, is_committing = int.from_bytes(self._told[:8], "little"), self._told[8] == 1
        version, problems = newest(self.archive)
        assert problems == (), problems
        if status == 0:
            self._calls[action] = calls
        else:
            self.tally.kills += 1
            self.tally.by_action[action] = self.tally.by_action.get(action, 0) + 1
            self.tally.interrupted += is_committing
            self.tally.after += is_committing and version.number > self.version
        if version.number > self.version or status == 0 or self.tally.rounds % 5 == 0:  # files never change
            self._check(Snapshot(self.archive), wanted, is_done=status == 0)

    def _action(self, draw: Random) -> tuple[str, Callable[[], object], list[str]]:
        """Return something to do, and what the archive shall hold then."""
        action = draw.choice(("mirror", "keep", "remove", "remove", "compact", "vacuum"))
        some = draw.sample(NAMES, draw.randint(3, 6))
        if action == "mirror":
            return action, lambda: write(self.archive, self.images, some), some
        if action == "keep" or (action == "remove" and len(self.names) < 3):
            new = [name for name in some if name not in self.names]
            return "keep", lambda: write(self.archive, self.images, some, keeping=True), [*self.names, *new]
        if action == "remove":
            gone = draw.sample(range(len(self.names)), 2)
            ids = self.ids[gone]
            stay = [name for at, name in enumerate(self.names) if at not in gone]
            return action, lambda: remove.remove(self.archive, ids), stay
        if action == "compact":
            return action, lambda: compact.compact(self.archive), self.names
        keep = draw.choice((1, 3))
        return action, lambda: vacuum(self.archive, keep=keep, now=time.time() + LATER), self.names

    def _killed_at(self, number: int, work: Callable[[], object]) -> None:
        """In a child: do the work; die before one of the calls to the file system, or (0) not."""
        count, folder, told = 0, str(self.archive), self._told

        def call(place: object) -> None:
            nonlocal count
            if isinstance(place, int):
                place = os.readlink(f"/proc/self/fd/{place}") if place >= 0 else ""
            if isinstance(place, str | bytes | os.PathLike):
                path = os.fsdecode(place)
                if path.startswith(folder) or not path.startswith("/"):  # relative: while a folder is emptied
                    count += 1
                    told[:8] = count.to_bytes(8, "little")
                    if count == number:
                        os.kill(os.getpid(), signal.SIGKILL)

        sync = os.fsync

        def counted_sync(file: int) -> None:
            call(file)
            sync(file)

        os.fsync = counted_sync
        sys.addaudithook(lambda event, arguments: call(arguments[0]) if event in EVENTS else None)
        for module in (writer, remove, compact):
            module.committed = _watched(module.committed, told)
        work()

    def _check(self, found: Snapshot, wanted: list[str], *, is_done: bool) -> None:
        where = f"round {self.tally.rounds} of seed {self.seed}"
        names = [row.source for row in found.rows()]
        fields = {field.name: found[field.name] for field in SPEC.fields}
        assert found.problems == (), where
        if found.version.number == self.version:
            assert names == (wanted if is_done else self.names), where
        else:
            assert found.version.number == self.version + 1, where
            assert names == wanted, where
            self.tally.versions += 1
        for at, name in enumerate(names):
            assert {key: rows[at].tobytes() for key, rows in fields.items()} == self._rows[name], (where, name)
        self.names, self.ids, self.version = names, found.ids, found.version.number

    def _tidy(self) -> None:
        """Let one work undisturbed: nothing may be left over then."""
        write(self.archive, self.images, self.names)
        compact.compact(self.archive)
        vacuum(self.archive, keep=2, now=time.time() + LATER)
        assert_tidy(self.archive)
        found = Snapshot(self.archive)
        self.ids, self.version = found.ids, found.version.number


def _watched(function: Callable[..., object], told: mmap.mmap) -> Callable[..., object]:
    def watched(*arguments: object) -> object:
        told[8] = 1
        result = function(*arguments)
        told[8] = 0
        return result

    return watched


def in_memory() -> tempfile.TemporaryDirectory[str]:
    """Return a folder in memory, where there is one: a kill is one anywhere, and no disk is waited for."""
    memory = Path("/dev/shm")
    return tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)


def main() -> None:
    """Run a storm, or go on with one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kills", type=int)
    parser.add_argument("--state", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    before = json.loads(options.state.read_text()) if options.state and options.state.exists() else {}
    tally = Tally(**before)
    while tally.kills < options.kills:
        with in_memory() as folder:
            storm = Storm(Path(folder), tally, options.seed)
            storm.run(min(options.kills, tally.kills + 500))
            shutil.rmtree(storm.archive)
        if options.state:
            options.state.write_text(json.dumps(asdict(tally)))
        print(tally, flush=True)


if __name__ == "__main__":
    main()
