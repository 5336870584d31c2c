"""Two writers and three readers, each a process, at one archive."""

from __future__ import annotations

import contextlib
import os
import traceback
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np

from archive_storm import in_memory
from rsir_fast.archive import Snapshot
from rsir_fast.archive.compact import compact
from rsir_fast.archive.remove import remove
from rsir_fast.archive.vacuum import vacuum
from rsir_fast.archive.versions import numbers
from rsir_fast.errors import ArchiveError
from small_archive import assert_tidy, numbers_of, put, write

ROUNDS, READERS = 12, 3
NAMES = [f"a/{number}.bin" for number in range(8)]


def start(work: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    return child


def writes(archive: Path, images: Path, writer: int) -> None:
    """Add what no other does, remove it and what is shared, compact; every row of the other's stays."""
    draw = Random(writer)
    for number in range(ROUNDS):
        own = f"b/{writer}-{number}.bin"
        found = wrote(archive, images, [own, *draw.sample(NAMES, 3)])
        assert own in [row.source for row in found.rows()]
        sources = {row.source: one for row, one in zip(found.rows(), found.ids.tolist(), strict=True)}
        with contextlib.suppress(ArchiveError, KeyError):  # the other was quicker
            if number % 3 == 1:
                remove(archive, [sources[f"b/{writer}-{number - 1}.bin"]])
            if number % 4 == 2:
                remove(archive, [sources[draw.choice(NAMES)]])
        if number % 5 == 4:
            with contextlib.suppress(ArchiveError):  # the other was quicker
                compact(archive)
            vacuum(archive, keep=4, days=0)


def wrote(archive: Path, images: Path, names: list[str]) -> Snapshot:
    """Add files; as the error says, again where a hidden row that was to come back was compacted away meanwhile."""
    while True:
        try:
            return write(archive, images, names, keeping=True)
        except ArchiveError as error:  # noqa: PERF203 (rare)
            if "has taken it out for good; run the same command again" not in str(error):
                raise


def reads(archive: Path, done: Path) -> None:
    """Open the newest version again and again: it is whole, and never older than the one before."""
    last = None
    while not done.exists() or last is None:
        try:
            found = Snapshot(archive, before=last)
            rows = found.rows()
        except ArchiveError:
            if max(numbers(archive)) <= (0 if last is None else last.version.number):
                raise  # else it was vacuumed between two looks
            continue
        assert found.problems == ()
        assert last is None or found.version.number >= last.version.number
        codes = np.asarray(found["codes"])
        assert len(rows) == len(codes) == len(found.ids)
        for row, code in zip(rows, codes, strict=True):
            assert code.tolist() == numbers_of(os.fsencode(row.source))["codes"].tolist()
        last = found


def test_nobody_waits_and_nothing_is_lost():
    with in_memory() as folder:
        images, archive, done = (Path(folder) / name for name in ("images", "archive", "done"))
        put(images, [*NAMES, *(f"b/{writer}-{number}.bin" for writer in range(2) for number in range(ROUNDS))])
        write(archive, images, NAMES)
        readers = [start(lambda: reads(archive, done)) for _ in range(READERS)]
        writers = [start(lambda writer=writer: writes(archive, images, writer)) for writer in range(2)]
        assert [os.waitpid(child, 0)[1] for child in writers] == [0, 0]
        done.touch()
        assert [os.waitpid(child, 0)[1] for child in readers] == [0] * READERS
        wanted = {f"b/{writer}-{number}.bin" for writer in range(2) for number in range(ROUNDS)}
        gone = {f"b/{writer}-{number - 1}.bin" for writer in range(2) for number in range(ROUNDS) if number % 3 == 1}
        found = Snapshot(archive)
        assert {row.source for row in found.rows() if row.source.startswith("b")} == wanted - gone
        there = numbers(archive)
        assert there == list(range(there[0], there[-1] + 1))
        assert there[-1] > 2 * ROUNDS
        assert_tidy(archive)
