from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from rsir_fast.archive import Snapshot
from rsir_fast.base import held
from rsir_fast.encoders import DescriptorSpec
from rsir_fast.errors import ArchiveError, MachineError
from small_archive import SPEC, UNREADABLE, assert_holds, assert_tidy, fill, put, write, writer

NAMES = [f"{kind}/{number}.bin" for kind in "ab" for number in range(5)]


@pytest.fixture
def images(tmp_path):
    put(tmp_path / "images", NAMES)
    return tmp_path / "images"


@pytest.fixture
def archive(tmp_path):
    return tmp_path / "archive"


def numbers(archive):
    return sorted(int(path.stem) for path in (archive / "versions").glob("*.json"))


def test_a_fresh_archive_holds_its_inputs_and_nothing_else(images, archive):
    found = write(archive, images)
    assert_holds(found, images)
    assert_tidy(archive)
    assert repr(found) == "Snapshot(20 bits of small:gap, 10 items, version 1, 1 segment, small)"
    assert found.version.order is None
    assert found.version.removed is None
    found.verify()


def test_a_field_of_one_segment_is_mapped(images, archive):
    assert isinstance(write(archive, images)["u"].blocks[0], np.memmap)


def test_nothing_new_makes_no_version(images, archive):
    write(archive, images)
    with writer(archive, images) as at:
        assert at.todo == []
        at.commit()
    assert numbers(archive) == [1]
    assert_tidy(archive)


def test_grown_in_the_wrong_order_with_one_removed_and_added_again(images, archive, tmp_path):
    for some in (NAMES[7:], NAMES[3:], [*NAMES[:4], *NAMES[5:]], NAMES):
        found = write(archive, images, some)
        assert_holds(found, images, some)
    fresh = write(tmp_path / "fresh", images)
    assert found.version.order is not None
    for field in SPEC.fields:
        assert np.asarray(found[field.name]).tobytes() == np.asarray(fresh[field.name]).tobytes()
    assert [row.key for row in found.rows()] == [row.key for row in fresh.rows()]
    assert len(found.segments) == 3  # the removed row came back without being made anew
    assert_tidy(archive)


def test_older_versions_stay_as_they_were(images, archive):
    write(archive, images, NAMES[:4])
    before = Snapshot(archive)
    write(archive, images, NAMES[2:])
    assert_holds(before, images, NAMES[:4])
    assert_holds(Snapshot(archive, 1), images, NAMES[:4])
    assert_holds(Snapshot(archive), images, NAMES[2:])


def test_a_changed_file_is_removed_and_added(images, archive):
    first = write(archive, images)
    (images / NAMES[3]).write_bytes(b"another")
    found = write(archive, images)
    assert_holds(found, images)
    assert set(found.removed) <= set(first.ids.tolist())
    assert found.version.next_id == 11


def test_a_touched_file_stays(images, archive):
    write(archive, images)
    os.utime(images / NAMES[3], ns=(1, 1))
    with writer(archive, images) as at:
        assert at.todo == []


def test_the_same_size_and_time_are_believed_unless_checked(images, archive):
    write(archive, images)
    at = (images / NAMES[0]).stat()
    (images / NAMES[0]).write_bytes(b"x" * at.st_size)
    os.utime(images / NAMES[0], ns=(at.st_atime_ns, at.st_mtime_ns))
    with writer(archive, images) as believing:
        assert believing.todo == []
    assert_holds(write(archive, images, check=True), images)


def test_a_file_of_another_class_gets_it(images, archive):
    write(archive, images)
    found = write(archive, images, class_of=lambda name: "b")
    assert {row.class_name for row in found.rows()} == {"b"}
    assert len(found) == 10


def test_one_that_cannot_be_read_is_told_and_not_tried_again(images, archive):
    (images / NAMES[2]).write_bytes(UNREADABLE)
    found = write(archive, images)
    assert_holds(found, images)
    assert [(one.source, one.reason) for one in found.skipped] == [(NAMES[2], "no image")]
    with writer(archive, images) as at:
        assert at.todo == []
        assert at.skipped == [(2, "no image")]
    with writer(archive, images, try_again=lambda limits: limits["pixels"] < 2) as at:
        assert at.todo == [2]
    (images / NAMES[2]).write_bytes(b"mended")
    mended = write(archive, images)
    assert_holds(mended, images)
    assert mended.skipped == ()


def test_one_that_became_unreadable_is_not_tried_again(images, archive):
    write(archive, images)
    (images / NAMES[2]).write_bytes(UNREADABLE)
    found = write(archive, images)
    assert [one.source for one in found.skipped] == [NAMES[2]]
    with writer(archive, images) as at:
        assert at.todo == []
    assert numbers(archive) == [1, 2]


def test_where_nothing_can_be_read_there_are_no_rows(images, archive):
    for name in NAMES:
        (images / name).write_bytes(UNREADABLE)
    found = write(archive, images)
    assert len(found) == 0
    assert len(found.skipped) == 10
    assert found["u"].shape == (0, 20)
    put(images, NAMES)
    assert_holds(write(archive, images), images)


def test_no_inputs(images, archive):
    assert len(write(archive, images, [])) == 0
    write(archive, images)
    assert len(write(archive, images, [])) == 0
    assert_holds(write(archive, images), images)


def test_another_encoder_is_refused_by_what_differs(images, archive):
    write(archive, images)
    other = SPEC.model_copy(update={"weights": "random:1"})
    with pytest.raises(ArchiveError, match=r"another encoder \(weights: random:0, now random:1\)"):
        writer(archive, images, spec=other)
    with pytest.raises(ArchiveError, match="another encoder"):
        writer(archive, images, spec=DescriptorSpec(name="hog", descriptor="hog", width=3))
    with pytest.raises(ArchiveError, match="normalize='row', with which it was made"):
        writer(archive, images, normalize="none")


def test_a_folder_of_other_things_is_refused(images, tmp_path):
    with pytest.raises(ArchiveError, match="found 'a' in it"):
        writer(images, images)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ArchiveError, match="found a file"):
        writer(tmp_path / "file", images)
    with pytest.raises(ArchiveError, match="no such folder"):
        Snapshot(tmp_path / "nowhere")


def test_what_is_not_committed_is_taken_over(images, archive):
    with writer(archive, images) as at:
        fill_some(at, images)
    assert not (archive / "versions").exists()
    with writer(archive, images) as again:
        assert again.todo == [6, 7, 8, 9]
        fill(again, images)
        found = again.commit()
    assert_holds(found, images)
    assert len(found.segments) == 1
    assert_tidy(archive)


def test_a_writer_that_fails_at_its_start_lets_go_of_the_work(images, archive):
    def sha256(number):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    write(archive, images, NAMES[8:])
    with writer(archive, images) as at:
        fill_some(at, images)
    os.utime(images / NAMES[8], ns=(1, 1))
    with pytest.raises(OSError, match="Input/output"):
        writer(archive, images, sha256=sha256)
    with writer(archive, images) as again:
        assert again.todo == [6, 7]


def test_work_on_other_items_stays(images, archive):
    with writer(archive, images, NAMES[:8]) as at:
        fill_some(at, images)
    write(archive, images, NAMES[8:])
    with writer(archive, images) as again:
        assert again.todo == [6, 7]
        fill(again, images)
        assert_holds(again.commit(), images)
    assert_tidy(archive)


def test_work_of_another_run_is_a_segment_of_its_own(images, archive):
    with writer(archive, images) as at:
        fill_some(at, images)
    found = write(archive, images, run="cuda")
    assert_holds(found, images)
    assert [segment.record.run for segment in found.segments] == [{"device": "cpu"}, {"device": "cuda"}]


def test_work_of_a_file_that_changed_since_is_made_anew(images, archive):
    with writer(archive, images) as at:
        fill_some(at, images)
    (images / NAMES[1]).write_bytes(b"another")
    with writer(archive, images) as again:
        assert again.todo == [1, 6, 7, 8, 9]
    assert_holds(write(archive, images), images)


def test_work_of_the_living_is_left_alone(images, archive):
    with writer(archive, images) as first:
        fill_some(first, images)
        with writer(archive, images) as second:
            assert second.todo == list(range(10))
            fill(second, images)
            second.commit()
        fill(first, images)
        found = first.commit()
    assert_holds(found, images)
    assert numbers(archive) == [1]
    assert_tidy(archive)


def test_work_that_was_silent_is_taken_over_and_its_owner_told(images, archive, monkeypatch):
    first = writer(archive, images)
    fill_some(first, images)
    alive = first._own._held.folder / held.ALIVE
    monkeypatch.setattr(held, "lock", lambda *_: False)  # a file system without locks
    long_ago = time.time() - held.SILENT_S - 1
    os.utime(alive, (long_ago, long_ago))
    with writer(archive, images) as second:
        assert second.todo == [6, 7, 8, 9]
        with first, pytest.raises(ArchiveError, match="has taken it over"):
            fill(first, images)
        fill(second, images)
        assert_holds(second.commit(), images)


def test_a_torn_version_is_named_and_followed(images, archive):
    write(archive, images, NAMES[:5])
    write(archive, images)
    newest = archive / "versions" / "00000002.json"
    newest.write_bytes(newest.read_bytes()[:100])
    found = Snapshot(archive)
    assert_holds(found, images, NAMES[:5])
    assert len(found.problems) == 1
    assert "00000002.json" in found.problems[0]
    with pytest.raises(ArchiveError, match=r"00000002\.json: expected a version"):
        Snapshot(archive, 2)
    again = write(archive, images)
    assert again.version.number == 3
    assert_holds(again, images)


def test_a_flipped_letter_in_a_version_is_noticed(images, archive):
    write(archive, images)
    path = archive / "versions" / "00000001.json"
    content = json.loads(path.read_bytes())
    content["next_id"] += 1
    path.write_text(json.dumps(content))
    with pytest.raises(ArchiveError, match="it is not as it was written"):
        Snapshot(archive)


@pytest.mark.parametrize("name", ["segment.json", "u.npy", "items.arrow", "sources.arrow", "codes.npy"])
def test_damage_in_a_segment_is_noticed(images, archive, name):
    (segment,) = write(archive, images).segments
    path = segment.folder / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match=name.replace(".", r"\.")):
        Snapshot(archive).verify()


@pytest.mark.parametrize("name", ["u.npy", "items.arrow"])
def test_a_file_cut_short_is_noticed(images, archive, name):
    (segment,) = write(archive, images).segments
    path = segment.folder / name
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ArchiveError, match=name.replace(".", r"\.")):
        Snapshot(archive).rows()


def test_a_file_system_without_hard_links_is_refused(images, archive, monkeypatch):
    def no_link(*_):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", no_link)
    with pytest.raises(MachineError, match="expected a file system with hard links"):
        write(archive, images)
    assert not list((archive / "versions").glob("*"))


def test_a_lost_reply_to_a_commit_is_no_lost_race(images, archive, monkeypatch):
    link = os.link

    def lost(source, target):
        link(source, target)
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))

    monkeypatch.setattr(os, "link", lost)
    write(archive, images)
    assert numbers(archive) == [1]


def test_a_hundred_segments(images, archive, monkeypatch):
    monkeypatch.setattr("rsir_fast.archive.writer.SEGMENT_ROWS", 1)
    names = [f"a/{number:03}.bin" for number in range(100)]
    put(images, names)
    write(archive, images, names[50:], part=20)
    found = write(archive, images, names, part=20)
    assert len(found.segments) == 100
    assert_holds(found, images, names)
    assert_holds(write(archive, images, names[1::2]), images, names[1::2])


def test_names_as_columns_are_those_of_the_rows(images, archive):
    put(images, ["b/odd\udcff.bin", "b/gl\u00fcck.bin"])
    write(archive, images)
    put(images, ["a/0new.bin"])
    found = write(archive, images)
    names, labels = list(found.items), found.labels
    assert names == [row.source for row in found.rows()]
    assert [found.version.classes[label] for label in labels] == [row.class_name for row in found.rows()]
    assert found.version.order is not None
    plain = write(archive.with_name("plain"), images, class_of=lambda source: None)
    assert plain.labels.tolist() == [-1] * len(plain)


def test_odd_names(images, archive):
    odd = os.fsdecode(b"a/\xff\xfe.bin")
    put(images, ["a/\N{SNOWMAN}.bin"])
    (images / odd).write_bytes(b"odd")
    assert_holds(write(archive, images), images)
    assert_holds(Snapshot(archive), images)


def test_reading_needs_no_torch(images, archive):
    write(archive, images)
    program = (
        "import sys; from rsir_fast.archive import Features, Snapshot; "
        "print([name for name in ('torch', 'PIL', 'pyarrow') if name in sys.modules]); "
        f"Snapshot({str(archive)!r}).rows(); Features.load({str(archive)!r}); print('torch' in sys.modules)"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "[]\nFalse\n"


def fill_some(at, folder):
    """Make the rows of the first six inputs."""
    fill(at, folder, most=6)
