"""Compaction: fewer segments, no hidden rows, the same ids, order, items and bits."""

from __future__ import annotations

import numpy as np
import pytest

from archive_campaigns import in_child
from rsir_fast.archive import Snapshot, Writer
from rsir_fast.archive.compact import compact
from rsir_fast.archive.inputs import About, Input
from rsir_fast.archive.remove import remove
from rsir_fast.archive.segment import IDS
from rsir_fast.datasets.windows import Place, Window
from rsir_fast.encoders.fields import FieldSpec
from rsir_fast.encoders.spec import parse_spec
from rsir_fast.errors import ArchiveError
from small_archive import SPEC, assert_holds, assert_tidy, put, write

NAMES = [f"{kind}/{number}.bin" for kind in "ab" for number in range(5)]


@pytest.fixture
def images(tmp_path):
    put(tmp_path / "images", NAMES)
    return tmp_path / "images"


@pytest.fixture
def archive(tmp_path, images):
    """Three segments of eight rows that count, in an order that is not that of their ids."""
    for some in (NAMES[7:], NAMES[3:], NAMES):
        write(tmp_path / "archive", images, some)
    remove(tmp_path / "archive", [1, 6])
    return tmp_path / "archive"


def contents(found: Snapshot):
    fields = {field.name: np.asarray(found[field.name]).tobytes() for field in SPEC.fields}
    return found.ids.tolist(), found.rows(), fields, found.labels.tolist(), found.skipped


def test_nothing_changes_but_the_layout(archive):
    before = Snapshot(archive)
    told = compact(archive)
    after = Snapshot(archive)
    assert (told.segments_before, told.segments, told.dropped, told.written, told.version) == (3, 1, 2, 8, 5)
    assert contents(after) == contents(before) == contents(Snapshot(archive, 4))
    assert after.version.removed is None
    assert after.version.next_id == before.version.next_id
    assert [segment.ids.tolist() for segment in after.segments] == [[0, 2, 3, 4, 5, 7, 8, 9]]
    assert (after.version.change.what, after.version.change.added, after.version.change.removed) == ("compact", 0, 0)
    after.verify()
    assert_tidy(archive)
    again = compact(archive)
    assert (again.version, again.written, again.segments) == (5, 0, 1)


def test_a_dry_run_changes_nothing(archive):
    told = compact(archive, dry_run=True)
    assert (told.segments, told.dropped, told.version) == (1, 2, 4)
    assert Snapshot(archive).version.number == 4


def test_the_archive_grows_on(archive, images):
    compact(archive)
    found = write(archive, images, NAMES)  # those that were dropped are encoded again
    assert_holds(found, images)
    assert found.version.next_id == 12
    remove(archive, [11, 5])
    compact(archive)
    assert Snapshot(archive).ids.tolist() == [id_ for id_ in found.ids.tolist() if id_ not in (11, 5)]
    assert_tidy(archive)


def test_what_is_all_hidden_is_gone(archive):
    remove(archive, Snapshot(archive).ids)
    told = compact(archive)
    found = Snapshot(archive)
    assert (told.segments, len(found), found.segments, found.version.removed) == (0, 0, [], None)


def test_ids_that_follow_each_other_need_no_file(tmp_path, images):
    for some in (NAMES[:4], NAMES):
        write(tmp_path / "A", images, some)
    remove(tmp_path / "A", [0, 9])
    compact(tmp_path / "A")
    (segment,) = Snapshot(tmp_path / "A").segments
    assert segment.ids.tolist() == list(range(1, 9))
    assert IDS not in segment.record.files


def test_segments_of_other_runs_stay_apart(tmp_path, images):
    write(tmp_path / "A", images, NAMES[:3])
    write(tmp_path / "A", images, NAMES[:6], run="cuda")
    write(tmp_path / "A", images, NAMES, run="cuda")
    before = contents(Snapshot(tmp_path / "A"))
    assert compact(tmp_path / "A").segments == 2
    assert contents(Snapshot(tmp_path / "A")) == before


def test_no_segment_grows_beyond_its_most(tmp_path, images, monkeypatch):
    for end in range(1, 11):
        write(tmp_path / "A", images, NAMES[:end])
    monkeypatch.setattr("rsir_fast.archive.compact.SEGMENT_ROWS", 4)
    compact(tmp_path / "A")
    assert [len(segment) for segment in Snapshot(tmp_path / "A").segments] == [4, 4, 2]
    assert_holds(Snapshot(tmp_path / "A"), images)


def meanwhile(monkeypatch, action):
    """Let another process act between the decision and the commit, once."""
    from rsir_fast.archive import commit

    publish = commit.publish

    def lost(folder, version):
        monkeypatch.setattr(commit, "publish", publish)
        action()
        return publish(folder, version)

    monkeypatch.setattr(commit, "publish", lost)


def test_others_add_and_remove_meanwhile(archive, images, monkeypatch):
    put(images, ["c/0.bin"])

    def others():
        remove(archive, [5])
        write(archive, images, ["c/0.bin"], keeping=True)

    meanwhile(monkeypatch, others)
    told = compact(archive)
    found = Snapshot(archive)
    assert found.version.number == told.version == 7
    assert sorted(found.ids.tolist()) == [0, 2, 3, 4, 7, 8, 9, 10]
    assert found.removed.tolist() == [5]
    assert len(found.segments) == 2


def test_of_two_compactions_the_second_gives_up(archive, monkeypatch):
    before = contents(Snapshot(archive))
    meanwhile(monkeypatch, lambda: compact(archive))
    with pytest.raises(ArchiveError, match="another process compacted them, or showed hidden rows again; nothing"):
        compact(archive)
    found = Snapshot(archive)
    assert found.version.number == 5
    assert contents(found) == before
    assert_tidy(archive)


def test_rows_that_are_shown_again_meanwhile_are_not_dropped(archive, images, monkeypatch):
    meanwhile(monkeypatch, lambda: write(archive, images, NAMES))
    with pytest.raises(ArchiveError, match="run the same command again"):
        compact(archive)
    assert_holds(Snapshot(archive), images)
    compact(archive)
    assert_holds(Snapshot(archive), images)


def test_a_writer_whose_hidden_rows_are_dropped_meanwhile_says_so(archive, images, monkeypatch):
    meanwhile(monkeypatch, lambda: compact(archive))
    with pytest.raises(ArchiveError, match="another process has taken it out for good; run the same command again"):
        write(archive, images, NAMES)
    assert_holds(write(archive, images, NAMES), images)


def test_damage_is_not_copied(archive):
    path = archive / "segments" / Snapshot(archive).segments[0].entry.name / "u.npy"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match=r"u\.npy"):
        compact(archive)
    assert Snapshot(archive).version.number == 4
    assert_tidy(archive)


def test_a_flipped_byte_in_ids_is_noticed_at_open(archive):
    compact(archive)
    path = archive / "segments" / Snapshot(archive).segments[0].entry.name / IDS
    content = bytearray(path.read_bytes())
    content[-8] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match=r"ids\.npy"):
        Snapshot(archive)


def test_what_a_killed_compaction_leaves_the_next_takes_away(archive, monkeypatch):
    import os
    import signal

    before = contents(Snapshot(archive))
    monkeypatch.setattr("rsir_fast.archive.commit.publish", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    assert in_child(lambda: compact(archive)) == signal.SIGKILL
    monkeypatch.undo()
    assert len(list((archive / "segments").iterdir())) == 4
    assert contents(Snapshot(archive)) == before
    compact(archive)
    assert contents(Snapshot(archive)) == before
    assert_tidy(archive)


def test_tables_of_many_kinds(tmp_path):
    """Rasters with and without a place, whole files, columns that only some have: rows are what they were."""
    spec = parse_spec(
        {"kind": "foreign", "stored": [FieldSpec(name="v", kind="vector", dtype="float32", width=2)], "told": {}}
    )
    place = Place("EPSG:4326", (1.0, 0.0, 5.0, 0.0, -1.0, 6.0))
    first = [
        Input("images", "a.tif", 9, 9, "x", Window(at, 0, 4, 4), place, (1.0, 2, 3, at), 7, (("cloud", 0.5 * at),))
        for at in range(4)
    ]
    second = [
        Input("images", "a.tif", 9, 9, "x", Window(at, 4, 4, 4), place, (1.0, 2, 3, at), 8, (("note", "é"),))
        for at in range(3)
    ]
    third = [Input("other", "b\udcff.jpg", 1, 1, "y"), Input("images", "a.tif", 9, 9, None, Window(0, 8, 4, 4))]
    fourth = [Input("images", "d.tif", 1, 1, columns=(("cloud", "much"),))]  # of another kind
    about = About(name="x", roots={"images": "/i", "other": "/o"}, classes=("x", "y"))
    for number, inputs in enumerate((first, second, third, fourth)):
        with Writer(tmp_path / "A", spec, {}, inputs, about=about, sha256=lambda n: "1" * 64, keeping=True) as at:
            at.add(range(len(inputs)), {"v": np.full((len(inputs), 2), number, np.float32)})
            at.commit()
    remove(tmp_path / "A", [1])
    before = Snapshot(tmp_path / "A")
    assert compact(tmp_path / "A").segments == 2
    after = Snapshot(tmp_path / "A")
    assert after.rows() == before.rows()
    assert list(after.items) == list(before.items)
    assert after.items.columns == before.items.columns
    for name in before.items.columns:
        assert after.items.column(name).to_pylist() == before.items.column(name).to_pylist()
    assert np.array_equal(after["v"], before["v"])
    assert after.segments[0].tables.sources.num_rows == 3  # a.tif with its place, b, a.tif without
