"""A state machine: an archive does what a few lists in memory do, whatever is done to it in whatever order."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from archive_storm import in_memory
from rsir_fast.archive import Snapshot
from rsir_fast.archive.compact import compact
from rsir_fast.archive.exchange.importing import import_vectors
from rsir_fast.archive.remove import ids_of_items, remove
from rsir_fast.archive.vacuum import vacuum
from rsir_fast.archive.verify import verify
from rsir_fast.archive.versions import numbers
from rsir_fast.errors import ArchiveError
from small_archive import UNREADABLE, numbers_of, write

NAMES = [f"{kind}/{number}.bin" for kind in "ab" for number in range(4)]
CONTENTS = (b"one", b"two", UNREADABLE)
DAY = 86_400.0

names = st.lists(st.sampled_from(NAMES), min_size=1, max_size=5, unique=True)


class Life(RuleBasedStateMachine):
    """What an archive must be.

    `rows`: name and content of every row that was made and is not erased, by id; `order`: ids that count; `kept`: those
    of each version that is not vacuumed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = in_memory()
        place = Path(self.folder.name)
        self.images, self.archive = place / "images", place / "archive"
        self.files: dict[str, bytes] = {}
        self.rows: dict[int, tuple[str, bytes]] = {}
        self.order: list[int] = []
        self.skipped: dict[str, bytes] = {}
        self.next_id = 0
        self.kept: dict[int, list[tuple[int, str, bytes]]] = {}

    def teardown(self) -> None:
        self.folder.cleanup()

    @initialize(some=names)
    def create(self, some: list[str]) -> None:
        for name in NAMES:
            self._put(name, CONTENTS[0])
        self._write(some, keeping=False)

    @rule(name=st.sampled_from(NAMES), content=st.sampled_from(CONTENTS))
    def change(self, name: str, content: bytes) -> None:
        self._put(name, content)

    @rule(some=names, keeping=st.booleans())
    def add(self, some: list[str], keeping: bool) -> None:
        self._write(some, keeping=keeping)

    @precondition(lambda self: self.order)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        gone = data.draw(st.lists(st.sampled_from(self.order), min_size=1, max_size=3, unique=True))
        if data.draw(st.booleans()):
            assert ids_of_items(Snapshot(self.archive), [self._name(one) for one in gone]).tolist() == sorted(gone)
        remove(self.archive, gone)
        self.order = [one for one in self.order if one not in gone]
        self._is_new()

    @rule(row=st.integers(-1, 40))
    def remove_what_is_not_there(self, row: int) -> None:
        if row not in self.order:
            with pytest.raises(ArchiveError, match="expected ids of items that version"):
                remove(self.archive, [row])

    @rule()
    def compact(self) -> None:
        before = numbers(self.archive)
        compact(self.archive)
        self.rows = {one: self.rows[one] for one in self.order}
        if numbers(self.archive) != before:
            self._is_new()

    @rule(keep=st.integers(1, 3), days=st.sampled_from((0.0, 7.0)), later=st.sampled_from((0.0, 8 * DAY)))
    def vacuum(self, keep: int, days: float, later: float) -> None:
        told = vacuum(self.archive, keep=keep, days=days, now=time.time() + later)
        there = sorted(self.kept)
        gone = there[:-keep] if later or not days else []
        assert list(told.versions) == gone
        for number in gone:
            del self.kept[number]

    @rule(data=st.data())
    def reopen(self, data: st.DataObject) -> None:
        number = data.draw(st.integers(1, max(self.kept) + 1))
        if number in self.kept:
            self._check(Snapshot(self.archive, number), self.kept[number])
            return
        told = "removed by vacuum" if number < min(self.kept) else "never committed"
        with pytest.raises(ArchiveError, match=f"version {number} was {told}"):
            Snapshot(self.archive, number)

    @rule()
    def verify(self) -> None:
        assert verify(self.archive).is_sound

    @invariant()
    def holds(self) -> None:
        if self.kept:
            assert numbers(self.archive) == sorted(self.kept)
            self._check(Snapshot(self.archive), self.kept[max(self.kept)])

    def _put(self, name: str, content: bytes) -> None:
        path = self.images / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if self.files.get(name) != content:
            path.write_bytes(content)
            self.files[name] = content

    def _write(self, some: list[str], *, keeping: bool) -> None:
        version = self._commit(some, keeping)
        readable = [name for name in some if self.files[name] != UNREADABLE]
        chosen = [self._row_of(name) for name in readable]
        for place, row in enumerate(chosen):
            if row is None:
                chosen[place], self.rows[self.next_id] = self.next_id, (readable[place], self.files[readable[place]])
                self.next_id += 1
        ids = [one for one in chosen if one is not None]
        before = self.order, self.skipped
        if keeping:
            superseded = {one for one in self.order if self.rows[one][0] in readable} - {*ids}
            stay = [one for one in self.order if one not in superseded]
            self.order = [*stay, *(one for one in ids if one not in stay)]
        else:
            self.order = ids
        unread = {name: self.files[name] for name in some if self.files[name] == UNREADABLE}
        self.skipped = {**({n: c for n, c in self.skipped.items() if n not in some} if keeping else {}), **unread}
        if version > max([0, *self.kept]):
            self._is_new()
        else:
            assert before == (self.order, self.skipped)

    def _name(self, one: int) -> str:
        """Return what a row is called in the archive."""
        return self.rows[one][0]

    def _commit(self, some: list[str], keeping: bool) -> int:
        """Let the archive hold some files; return its version."""
        return write(self.archive, self.images, some, part=2, keeping=keeping).version.number

    def _values(self, content: bytes) -> dict[str, np.ndarray]:
        """Return the row of a content, by field."""
        return numbers_of(content)

    def _row_of(self, name: str) -> int | None:
        """Return the row that is there already: one that counts rather than a hidden one, of these the newest."""
        same = [one for one, row in self.rows.items() if row == (name, self.files[name])]
        return max(same, key=lambda one: (one in self.order, one), default=None)

    def _is_new(self) -> None:
        self.kept[max([0, *self.kept]) + 1] = [(one, *self.rows[one]) for one in self.order]

    def _check(self, found: Snapshot, wanted: list[tuple[int, str, bytes]]) -> None:
        assert found.problems == ()
        assert found.ids.tolist() == [one for one, _, _ in wanted]
        assert [row.source for row in found.rows()] == [name for _, name, _ in wanted]
        values = [self._values(content) for _, _, content in wanted]
        for field in found.spec.fields:
            rows = [np.asarray(each[field.name]).tobytes() for each in values]
            assert [row.tobytes() for row in np.asarray(found[field.name])] == rows


class LifeOfImports(Life):
    """The same, of vectors that are imported: of two files, one for each kind of names."""

    def _write(self, some: list[str], *, keeping: bool) -> None:
        some = [name for name in some if name[0] == some[0][0]]
        if all(self.files[name] == UNREADABLE for name in some):
            with pytest.raises(ArchiveError, match="expected vectors, none of"):
                self._commit(some, keeping)
        else:
            super()._write(some, keeping=True)  # an import removes nothing

    def _name(self, one: int) -> str:
        name = self.rows[one][0]
        return f"{name[0]}/{name}"  # of the file a.parquet

    def _commit(self, some: list[str], keeping: bool) -> int:
        contents = [self.files[name] for name in some]
        vectors = [None if each == UNREADABLE else self._values(each)["vector"].tolist() for each in contents]
        kinds = {"id": pa.string(), "vector": pa.list_(pa.float32(), 20)}
        file = self.images / f"{some[0][0]}.parquet"
        pq.write_table(pa.table({"id": some, "vector": vectors}, schema=pa.schema(kinds.items())), file)
        return import_vectors(self.archive, file).version

    def _values(self, content: bytes) -> dict[str, np.ndarray]:
        return {"vector": numbers_of(content)["u"]}


CASES = settings(max_examples=int(os.environ.get("RSIR_TEST_CASES", "15")), stateful_step_count=20)
Life.TestCase.settings = LifeOfImports.TestCase.settings = CASES
TestLife = Life.TestCase
TestLifeOfImports = LifeOfImports.TestCase
