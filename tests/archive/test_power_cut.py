"""The power goes at any moment: what was told to be done is there, nothing is torn, and another writer goes on.

That each sync is needed is shown by leaving it out: then the same checks fail.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from power_cut import Call, Disk, record, sites
from rsir_fast.archive import Snapshot
from rsir_fast.archive.compact import compact
from rsir_fast.archive.remove import remove
from rsir_fast.archive.vacuum import vacuum
from rsir_fast.archive.versions import is_archive
from rsir_fast.errors import RsirError
from small_archive import assert_holds, assert_tidy, fill, put, write, writer

NAMES = [f"{kind}/{number}.bin" for kind in "ab" for number in range(5)]
FIRST = NAMES[:6]
STEPS = {"first": FIRST, "order": NAMES[::-1], "removed": NAMES[::-1][:-2], "compacted": NAMES[::-1][:-2]}
"""What the archive holds after each step, each a version."""


class Lost(AssertionError):
    """What was told to be done is not there."""


@pytest.fixture(scope="module")
def place():
    """In memory: nothing here waits for a disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        put(Path(folder) / "images", NAMES)
        (Path(folder) / "disk").mkdir()
        yield Path(folder)


@pytest.fixture(scope="module")
def calls(place):
    """The calls of an archive's life: two runs, items removed, compacted, and old versions erased."""
    archive, images = place / "disk" / "archive", place / "images"

    def work(told):
        with writer(archive, images, FIRST) as at:
            while at.todo:
                fill(at, images, 3, most=1)
                told(f"rows {len(FIRST) - len(at.todo)}")
            at.commit()
        told("first")
        write(archive, images, NAMES[::-1])
        told("order")
        ids = Snapshot(archive).ids
        remove(archive, ids[-2:])
        told("removed")
        compact(archive)
        told("compacted")
        vacuum(archive, keep=1, now=time.time() + 8 * 86_400)

    return record(place / "disk", work)


def after(calls: Sequence[Call], count: int, place: Path, draw: Random) -> tuple[list[str], Path]:
    """Return what had been told before the power went, and where what is left lies."""
    disk = Disk(place / "disk0")
    for call in calls[:count]:
        disk.apply(call)
    shutil.rmtree(place / "left", ignore_errors=True)
    disk.cut(draw, place / "left")
    return [call.path for call in calls[:count] if call.kind == "told"], place / "left" / "archive"


def check(told: list[str], archive: Path, images: Path, *, thorough: bool) -> None:
    """Raise unless what was told is there, and all is whole."""
    done = [step for step in told if step in STEPS]
    wanted = list(STEPS)[max(0, len(done) - 1) : len(done) + 1]
    if not is_archive(archive):
        if done:
            raise Lost(done)
    else:
        found = Snapshot(archive)
        if found.version.number < len(done) or found.problems:
            raise Lost(found.problems)
        assert_holds(found, images, STEPS[list(STEPS)[found.version.number - 1]])
        if list(STEPS)[found.version.number - 1] not in wanted:
            raise Lost(found.version.number)
        for path in (archive / "versions").glob("0*.json"):
            Snapshot(archive, int(path.stem)).verify()
    if not done:
        rows = max([0, *(int(step.split()[1]) for step in told)])
        with writer(archive, images, FIRST) as at:
            if len(at.todo) > len(FIRST) - rows:
                raise Lost(f"{len(at.todo)} to do again after {rows} were written")
    if thorough:
        assert_holds(write(archive, images, NAMES), images, NAMES)
        vacuum(archive, keep=1, now=time.time() + 8 * 86_400)
        assert_tidy(archive)


def test_the_power_goes_at_any_moment(calls, place):
    (place / "disk0").mkdir(exist_ok=True)
    draw = Random(0)
    assert len(calls) > 200
    for count in range(len(calls) + 1):
        told, archive = after(calls, count, place, draw)
        check(told, archive, place / "images", thorough=count % 8 == 0)


NEEDLESS = {
    ("archive.segment.place_segment", "base.placed.hold"): "versions/ is made after segments/, and that is synced",
    ("archive.compact.compact", "archive.work.begin"): "what a killed compaction leaves is only found later",
    ("archive.vacuum._erase", "base.durable.remove"): "what is erased may come back",
}
"""Syncs without which nothing is lost: two of the functions that lead to them, and why."""


def test_each_sync_is_needed(calls, place):
    (place / "disk0").mkdir(exist_ok=True)
    all_sites = sites(calls)
    assert len(all_sites) > 30
    missed = []
    for site in all_sites:
        names = [frame.partition(":")[0] for frame in site]
        without = [call for call in calls if call.kind != "sync" or call.site != site]
        if not any({*pair} <= {*names} for pair in NEEDLESS) and not is_caught(without, place):
            missed.append(" > ".join(site[-5:]))
    assert missed == []


def is_caught(calls: Sequence[Call], place: Path) -> bool:
    """Whether the checks fail somewhere: first where something had just been told."""
    ends = [count + 1 for count, call in enumerate(calls) if call.kind == "told"]
    others = [count for count in range(len(calls), 0, -5) if count not in ends]
    draw = Random(1)
    for count in [*reversed(ends), *others]:
        for _ in range(4 if count in ends else 1):
            told, archive = after(calls, count, place, draw)
            try:
                check(told, archive, place / "images", thorough=False)
            except (AssertionError, RsirError):
                return True
    return False
