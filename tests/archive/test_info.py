"""What an archive says of itself, and of how it came to be."""

from __future__ import annotations

import getpass
import socket
from datetime import datetime, timezone

import numpy as np
import pytest

import rsir_fast as rf
from rsir_fast.archive import About, Input, Snapshot, Writer
from rsir_fast.archive.info import describe, extent, history
from rsir_fast.datasets.windows import Window
from rsir_fast.encoders.fields import FieldSpec
from rsir_fast.encoders.spec import parse_spec
from rsir_fast.errors import ArchiveError
from small_archive import UNREADABLE, put, write

NAMES = [f"{kind}/{number}.bin" for kind in "ab" for number in range(5)]
VECTORS = parse_spec(
    {"kind": "foreign", "stored": [FieldSpec(name="vector", kind="vector", dtype="float32", width=4)], "told": {}}
)


@pytest.fixture
def archive(tmp_path):
    """Two versions: seven files; then three more, one of them unreadable, one removed and one changed."""
    put(tmp_path / "images", NAMES)
    write(tmp_path / "archive", tmp_path / "images", NAMES[:7])
    (tmp_path / "images" / NAMES[1]).write_bytes(b"another")
    (tmp_path / "images" / NAMES[8]).write_bytes(UNREADABLE)
    write(tmp_path / "archive", tmp_path / "images", NAMES[1:])
    return tmp_path / "archive"


def test_info(archive):
    found = describe(Snapshot(archive))
    assert (found.items, found.hidden, found.segments) == (8, 2, 2)
    assert (found.version, found.versions, found.skipped, found.empty) == (2, 2, 1, 0)
    assert found.classes == {"a": 4, "b": 4}
    assert found.roots == {"images": "/images"}
    assert [field.name for field in found.fields] == ["u", "codes", "probabilities"]
    assert found.bytes == sum(path.stat().st_size for path in archive.rglob("*") if path.is_file())
    needed = 8 * (20 * 4 + 3 + 2 * 4)
    assert found.overhead == pytest.approx(found.bytes / needed - 1)
    assert found.bounds is None
    assert found.times is None
    assert describe(Snapshot(archive, 1)).items == 7


def test_log(archive):
    first, second = history(archive)
    assert (first.version, first.change.items, first.change.added, first.change.removed) == (1, 7, 7, 0)
    assert (second.change.items, second.change.added, second.change.removed) == (8, 3, 2)
    assert second.change.by == f"{getpass.getuser()}@{socket.gethostname()}"
    age = datetime.now(timezone.utc) - datetime.fromisoformat(second.created)
    assert 0 <= age.total_seconds() < 600


def test_a_damaged_version_is_an_entry(archive):
    path = archive / "versions" / "00000001.json"
    path.write_bytes(path.read_bytes().replace(b"small", b"snall"))
    first, second = history(archive)
    assert "00000001.json" in first.problem
    assert second.problem is None


def test_a_version_that_is_not_there_is_told_apart(archive):
    with pytest.raises(ArchiveError, match=r"version 3 was never committed; expected one of 1 to 2$"):
        Snapshot(archive, 3)
    (archive / "versions" / "00000001.json").unlink()
    with pytest.raises(ArchiveError, match=r"version 1 was removed by vacuum; expected one of 2 to 2$"):
        Snapshot(archive, 1)


def test_where_and_when(tmp_path):
    day = 86_400_000_000
    inputs = [
        Input(
            "images",
            "a.tif",
            1,
            1,
            window=Window(at, 0, 8, 8),
            bounds=(179.0 - at, 1.0, -179.5 + at, 2.0),
            time=at * day,
        )
        for at in range(2)
    ]
    with Writer(
        tmp_path / "A", VECTORS, {}, inputs, about=About(name="x", labelled=False), sha256=lambda n: "0" * 64
    ) as at:
        at.add([0, 1], {"vector": np.zeros((2, 4), np.float32)})
        at.commit()
    found = rf.Archive(tmp_path / "A").info()
    assert found.bounds == (178.0, 1.0, -178.5, 2.0)
    assert found.times == ("1970-01-01T00:00:00+00:00", "1970-01-02T00:00:00+00:00")
    assert found.classes == {}
    assert [entry.version for entry in rf.Archive(tmp_path / "A").log()] == [1]


@pytest.mark.parametrize(
    ("boxes", "around"),
    [
        ([(10, 0, 20, 1)], (10, 0, 20, 1)),
        ([(10, 0, 20, 1), (15, -1, 16, 0), (30, 0, 40, 1)], (10, -1, 40, 1)),
        ([(-170, 0, -160, 1), (150, 0, 160, 1)], (150, 0, -160, 1)),
        ([(170, 0, -170, 1), (100, 0, 171, 1)], (100, 0, -170, 1)),
        ([(-180, 0, 180, 1)], (-180, 0, 180, 1)),
        ([(-90, 0, 90, 1), (80, 0, -80, 1)], (-180, 0, 180, 1)),
        ([(float("nan"),) * 4], None),
        ([(12.3456789, 0, 12.3456791, 1), (-5.1, 0, -5.0, 1)], (-5.1, 0, 12.3456791, 1)),
        ([(0, 0, 0, 0)], (0, 0, 0, 0)),
    ],
)
def test_extent(boxes, around):
    assert extent(np.array(boxes, float)) == around
    assert extent(np.array(boxes[::-1], float)) == around
