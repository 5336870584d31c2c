"""Synthetic scenes: the same for the same seed, different otherwise, safe to write."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rsir_fast.base.progress import Progress
from rsir_fast.datasets import SCENE_CLASSES, draw_scene, generate_scenes, open_dataset
from rsir_fast.errors import DatasetError


def files(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", SCENE_CLASSES)
def test_every_class_is_drawn(name: str) -> None:
    image = draw_scene(name, 3, size=64)
    pixels = np.asarray(image)
    assert (image.mode, image.size) == ("RGB", (64, 64))
    np.testing.assert_array_equal(pixels, np.asarray(draw_scene(name, 3, size=64)))
    assert 30 < pixels.mean() < 225
    assert pixels.std() > 8
    for other in (draw_scene(name, 4, size=64), draw_scene(name, 3, size=64, seed=1)):
        assert np.abs(pixels.astype(int) - np.asarray(other)).mean() > 5


def test_there_are_enough_classes() -> None:
    assert len(SCENE_CLASSES) >= 12
    assert len(set(SCENE_CLASSES)) == len(SCENE_CLASSES)


def test_size_changes_resolution_not_the_scene() -> None:
    small, large = (
        draw_scene("baseball_diamond", 0, size=size).resize((32, 32), Image.Resampling.BOX) for size in (128, 256)
    )
    assert np.abs(np.asarray(small).astype(int) - np.asarray(large)).mean() < 12


def test_data_set_on_disk(tmp_path: Path) -> None:
    data = generate_scenes(tmp_path / "scenes", classes=3, per_class=2, size=48)
    assert data.classes == tuple(sorted(SCENE_CLASSES[:3]))
    assert data.class_counts().tolist() == [2, 2, 2]
    reopened = open_dataset(tmp_path / "scenes")
    assert (reopened.items, reopened.classes, reopened.notes) == (
        data.items,
        data.classes,
        ("1 file with ending .json was left out",),
    )
    assert np.abs(np.asarray(data[0]).astype(int) - np.asarray(draw_scene(data.classes[0], 0, size=48))).mean() < 6


def test_rerun_completes_and_gives_the_same_bytes(tmp_path: Path) -> None:
    generate_scenes(tmp_path / "whole", classes=["lake", "forest"], per_class=3, size=48)
    generate_scenes(tmp_path / "steps", classes=["forest"], per_class=1, size=48)
    (tmp_path / "steps/forest/forest_001.jpg").touch()  # as a full disk may leave it
    kept = (tmp_path / "steps/forest/forest_000.jpg").stat().st_mtime_ns
    generate_scenes(tmp_path / "steps", classes=["forest", "lake"], per_class=3, size=48)
    assert (tmp_path / "steps/forest/forest_000.jpg").stat().st_mtime_ns == kept
    assert files(tmp_path / "steps") == files(tmp_path / "whole")
    assert len(files(tmp_path / "whole")) == 7


def test_cancelled_run_is_completed(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="cancelled after 2 of 4"):
        generate_scenes(tmp_path, classes=2, per_class=2, size=48, progress=lambda at: at.done < 2)
    assert len(files(tmp_path)) == 3
    seen: list[Progress] = []
    generate_scenes(tmp_path, classes=2, per_class=2, size=48, progress=seen.append)
    assert seen[-1] == Progress("draw", 4, 4)
    assert len(files(tmp_path)) == 5


def test_other_folders_are_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(DatasetError, match="found other files"):
        generate_scenes(tmp_path, classes=1, per_class=1, size=48)
    assert list(files(tmp_path)) == ["thesis.txt"]
    generate_scenes(tmp_path, classes=1, per_class=1, size=48, force=True)
    before = files(tmp_path)
    with pytest.raises(DatasetError, match=r"found scenes made with .*'seed': 0"):
        generate_scenes(tmp_path, classes=1, per_class=1, size=48, seed=9)
    assert files(tmp_path) == before
    generate_scenes(tmp_path, classes=1, per_class=1, size=48, seed=9, force=True)
    after = files(tmp_path)
    assert after["thesis.txt"] == b"mine"
    assert after["farmland/farmland_000.jpg"] != before["farmland/farmland_000.jpg"]
    (tmp_path / "file").touch()
    with pytest.raises(DatasetError, match="found a file"):
        generate_scenes(tmp_path / "file", force=True)


@pytest.mark.parametrize(
    "arguments",
    [
        *({"classes": wrong} for wrong in (0, 99, [], ["moon"], ["lake", "lake"], "lake")),
        {"per_class": 0},
        {"size": 8},
    ],
)
def test_bad_arguments(tmp_path: Path, arguments: dict[str, object]) -> None:
    with pytest.raises(DatasetError):
        generate_scenes(tmp_path / "scenes", **arguments)  # type: ignore[arg-type]


def test_force_interrupted_leaves_no_old_scene_behind(tmp_path: Path) -> None:
    old = generate_scenes(tmp_path, classes=["forest"], per_class=3, size=32)
    before = {item: (tmp_path / item).read_bytes() for item in old.items}
    with pytest.raises(DatasetError, match="cancelled"):
        generate_scenes(
            tmp_path, classes=["forest"], per_class=3, size=32, seed=1, force=True, progress=lambda at: at.done < 1
        )
    new = generate_scenes(tmp_path, classes=["forest"], per_class=3, size=32, seed=1)
    assert all((tmp_path / item).read_bytes() != before[item] for item in new.items)
