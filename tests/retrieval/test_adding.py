"""An archive grows by rasters and images: by its own recipe, resumable, nothing silently left out."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import rsir_fast as rf
from raster_files import scene, write_raster
from rsir_fast.archive import Snapshot
from rsir_fast.errors import ArchiveError, DatasetError, FeaturesError, NoImageReadError
from rsir_fast.retrieval.adding import dataset_for, encoder_of_archive, forecast, reader_of

ENCODER = "colour-histogram"


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    for number, year in enumerate((2024, 2025)):
        write_raster(tmp_path / "scenes" / f"s_{year}0501.tif", scene(300, 420, 4, seed=number))
    return tmp_path / "scenes"


def created(scenes: Path, folder: Path, **how: object) -> rf.Archive:
    archive = rf.Archive.create(folder, ENCODER)
    archive.add(rf.tiles(scenes, 128, bands="3,2,1", date="*_%Y%m%d*", **how), workers=1)
    return archive


def test_the_second_time_needs_no_recipe(scenes: Path, tmp_path: Path) -> None:
    archive = created(scenes, tmp_path / "A")
    assert len(archive) == 24
    assert archive.versions == [1]
    write_raster(tmp_path / "later" / "s_20260501.tif", scene(300, 420, 4, seed=9))
    added = archive.add(tmp_path / "later" / "*.tif", workers=2)
    assert (added.version, added.added, added.removed, added.items, added.gone) == (2, 12, 0, 36, ())
    features = archive.features()
    assert features.items[-1] == "later/s_20260501.tif#xywh=292,172,128,128"
    assert features.items.column("time").to_pylist()[-1].isoformat() == "2026-05-01T00:00:00+00:00"
    assert np.isfinite(features.items.bounds).all()
    again = rf.Archive(tmp_path / "A").add([tmp_path / "later", scenes / "*.tif"], workers=0)
    assert (again.version, again.added, again.items) == (2, 0, 36)


def test_grown_and_fresh_have_the_same_bits(scenes: Path, tmp_path: Path) -> None:
    first, second = sorted(scenes.iterdir())
    archive = rf.Archive.create(tmp_path / "A", ENCODER)
    archive.add(rf.tiles(first, 100, 70, bands="3,2,1"), workers=2)
    archive.add(second, workers=0)
    fresh = rf.encode(rf.tiles(scenes, 100, 70, bands="3,2,1"), ENCODER, workers=1)
    assert tuple(archive.features().items) == tuple(fresh.items)
    assert archive.features().matrix.tobytes() == fresh.matrix.tobytes()


def test_a_changed_raster_takes_the_place_of_what_it_was(scenes: Path, tmp_path: Path) -> None:
    archive = created(scenes, tmp_path / "A")
    before = archive.features().ids
    path = scenes / "s_20250501.tif"
    write_raster(path, scene(300, 420, 4, seed=7))
    added = archive.add(scenes)
    assert (added.added, added.removed, added.items) == (12, 12, 24)
    assert set(before[:12]) < set(archive.features().ids)
    os.utime(path)  # the same content
    assert archive.add(scenes).version == added.version + 1 or archive.add(scenes).added == 0


def test_what_is_gone_is_told_and_with_mirror_removed(scenes: Path, tmp_path: Path) -> None:
    archive = created(scenes, tmp_path / "A")
    (scenes / "s_20240501.tif").unlink()
    write_raster(scenes / "s_20250501.tif", scene(300, 200, 4, seed=1))  # narrower: windows go, too
    write_raster(tmp_path / "other" / "o_20260101.tif", scene(128, 128, 4))
    assert archive.add(tmp_path / "other").gone == ()
    told = archive.add(scenes)
    assert len(told.gone) == 12 + 9
    assert told.items == 24 + 1 + 3
    done = archive.add(scenes, mirror=True)
    assert done.gone == told.gone
    assert (done.items, len(archive)) == (7, 7)
    assert {item.partition("#")[0] for item in archive.features().items} == {"s_20250501.tif", "other/o_20260101.tif"}


def test_tiles_of_no_data_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = scene(256, 512, 3) | 1
    data[:, :, 256:] = 0
    write_raster(tmp_path / "s" / "a.tif", data, nodata=0)
    archive = rf.Archive.create(tmp_path / "A", ENCODER)
    added = archive.add(rf.tiles(tmp_path / "s", 128))
    assert (added.added, added.empty, added.skipped) == (4, 4, ())
    assert archive.features().skipped == ()
    assert "4 tiles left out: too much of them has no data" in archive.features().notes

    def fail(*_: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr("rsir_fast.datasets.dataset.read_window", fail)
    assert archive.add(tmp_path / "s").empty == 4


def test_nothing_but_no_data(tmp_path: Path) -> None:
    write_raster(tmp_path / "s" / "a.tif", np.zeros((3, 256, 256), np.uint8), nodata=0)
    archive = rf.Archive.create(tmp_path / "A", ENCODER)
    added = archive.add(rf.tiles(tmp_path / "s", 128))
    assert (added.added, added.items, added.empty) == (0, 0, 4)
    write_raster(tmp_path / "t" / "b.tif", scene(128, 128))
    assert archive.add(tmp_path / "t").items == 1


def test_a_raster_that_changes_while_it_is_read(scenes: Path, tmp_path: Path) -> None:
    paths = sorted(scenes.iterdir())

    def progress(done: rf.Progress) -> None:
        if done.done >= 5:
            os.utime(paths[0], ns=(1, 1))

    with pytest.raises(DatasetError, match=r"s_20240501.tif: expected images that stay as they are"):
        rf.encode(rf.tiles(scenes, 128, bands="1"), ENCODER, out=tmp_path / "A", progress=progress, shard_size=4)


def test_class_folders_and_tiles_in_one_archive(scenes: Path, tmp_path: Path) -> None:
    images = rf.generate_scenes(tmp_path / "images", classes=["forest", "river"], per_class=3)
    archive = rf.Archive.create(tmp_path / "A", ENCODER)
    archive.add(images)
    assert archive.features().classes == ("forest", "river")
    with pytest.raises(ArchiveError, match="bands"):
        archive.add(rf.tiles(scenes, 128, bands="3,2,1"))
    assert archive.add(rf.tiles(scenes, 128)).added == 24


def test_a_thumbnail_of_every_item(scenes: Path, tmp_path: Path) -> None:
    archive = created(scenes, tmp_path / "A")
    write_raster(tmp_path / "later" / "s_20260501.tif", scene(300, 420, 4, seed=9))
    archive.add(tmp_path / "later")
    shown = archive.features().as_dataset()
    tiles = rf.tiles([scenes, tmp_path / "later"], 128, bands="3,2,1")
    by_name = {tuple(name.rpartition("/")[2:]): number for number, name in enumerate(tiles.items)}
    assert len(shown) == 36
    for number in (0, 13, 35):
        other = by_name[tuple(shown.items[number].rpartition("/")[2:])]
        assert (np.asarray(shown[number]) == np.asarray(tiles[other])).all()


def test_a_forecast_writes_nothing(scenes: Path, tmp_path: Path) -> None:
    encoder = rf.load_encoder(ENCODER)
    told = forecast(tmp_path / "A", rf.tiles(scenes, 128, bands="1"), encoder)
    assert (told.items, told.new, told.bytes) == (24, 24, 24 * (100 + 4 * 512))
    assert told.seconds is not None
    assert not (tmp_path / "A").exists()
    created(scenes, tmp_path / "A")
    version = Snapshot(tmp_path / "A")
    write_raster(scenes / "s_20260501.tif", scene(300, 420, 4))
    data = dataset_for(tmp_path / "A", scenes, tiling=version.version.tiling, reader=reader_of(version.spec))
    assert forecast(tmp_path / "A", data, encoder_of_archive(tmp_path / "A", version.spec)).new == 12


def test_wrong_places(scenes: Path, tmp_path: Path) -> None:
    archive = created(scenes, tmp_path / "A")
    with pytest.raises(DatasetError, match="expected an archive outside of"):
        archive.add(tmp_path)
    write_raster(tmp_path / "A" / "inside.tif", scene(128, 128, 4))
    with pytest.raises(DatasetError, match="expected images outside of the archive"):
        archive.add(tmp_path / "A" / "inside.tif")
    with pytest.raises(DatasetError, match="found no such file"):
        archive.add(tmp_path / "*.tif")
    with pytest.raises(FeaturesError, match="holds finished features|expected a new or empty folder"):
        rf.Archive.create(tmp_path / "A", ENCODER)
    (tmp_path / "text.tif").write_text("no raster")
    with pytest.raises(NoImageReadError):
        archive.add(tmp_path / "text.tif")


def test_before_anything_was_added(tmp_path: Path) -> None:
    archive = rf.Archive.create(tmp_path / "A", ENCODER)
    assert len(archive) == 0
    assert "nothing added yet" in repr(archive)
    with pytest.raises(ArchiveError, match="nothing was added yet"):
        archive.features()
    assert not (tmp_path / "A").exists()
