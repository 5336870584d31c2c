"""Folders of before archives are read as Features, and do not grow."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import rsir_fast as rf
from legacy_folder import write_legacy
from rsir_fast.archive import Features
from rsir_fast.datasets import Skipped
from rsir_fast.errors import FeaturesError
from scene_files import write_scenes

STEPS = {"input_size": 8, "divisor": 255.0, "mean": [0.5] * 3, "std": [0.5] * 3}
MADE = {"name": "squeezenet1_1", "layer": "gap", "weights": {"file": "random:0"}, "preprocessing": STEPS}
TABLE = np.random.default_rng(0).standard_normal((9, 16)).astype(np.float32)
ITEMS = ("b/2.jpg", "a/1.jpg", *(f"b/x{number}.jpg" for number in range(6)), "a/\udcff.jpg")


def features(**more) -> Features:
    return Features(
        TABLE,
        ITEMS,
        np.arange(9) % 2,
        ("a", "b", "empty"),
        "demo",
        Path("/data/demo"),
        {**MADE, "dim": 16, **more},
        (Skipped("a/bad.jpg", "no image"),),
        {"seconds": 1.5},
        ("a note",),
    )


def test_a_folder_is_read_as_it_is(tmp_path):
    wanted = features()
    found = Features.load(write_legacy(tmp_path / "f", wanted, TABLE))
    for name in ("items", "classes", "name", "root", "provenance", "skipped", "timing", "notes", "spec"):
        assert getattr(found, name) == getattr(wanted, name)
    assert np.array_equal(found.labels, wanted.labels)
    assert np.array_equal(found.matrix, TABLE)  # in the order of the folder


@pytest.mark.parametrize(
    ("made", "names"),
    [
        ({"turns": 8}, ["gap", *(f"gap@{turn}" for turn in range(1, 8))]),
        ({"hash": {"bits": 14, "classes": ["a", "b"]}}, ["u", "probabilities"]),
        ({"layer": "pool5+fc6", "layers": [["pool5", 10], ["fc6", 6]]}, ["pool5", "fc6"]),
    ],
)
def test_what_lies_side_by_side_is_split_into_fields(tmp_path, made, names):
    found = Features.load(write_legacy(tmp_path / "f", features(**made), TABLE))
    assert [field.name for field in found.fields if field.kind != "code"] == names
    assert np.array_equal(np.hstack([found[name] for name in names]), TABLE)


def test_what_does_not_fit_the_rows_is_refused(tmp_path):
    found = Features.load(write_legacy(tmp_path / "f", features(turns=8, layers=[["gap", 3]]), TABLE))
    with pytest.raises(FeaturesError, match="expected features that say which fields their rows of 16 values hold"):
        found.matrix  # noqa: B018


def test_the_spec_of_a_manifest_is_compared(tmp_path):
    wanted = features()
    meaning = wanted.spec.meaning()
    assert Features.load(write_legacy(tmp_path / "same", wanted, TABLE, spec=meaning)).spec == wanted.spec
    other = write_legacy(tmp_path / "other", wanted, TABLE, spec={**meaning, "weights": "random:1"})
    with pytest.raises(FeaturesError, match="its spec and its provenance differ: weights: random:1, now random:0"):
        Features.load(other)


@pytest.mark.parametrize("name", ["shards/000000004.npy", "items.parquet", "manifest.json"])
@pytest.mark.parametrize("damage", ["removed", "cut", "emptied"])
def test_damage_is_named(tmp_path, name, damage):
    path = write_legacy(tmp_path / "f", features(), TABLE) / name
    content = path.read_bytes()
    path.unlink() if damage == "removed" else path.write_bytes(content[: len(content) // 2 if damage == "cut" else 0])
    with pytest.raises(FeaturesError, match="make them again in another folder, or here with force=True"):
        Features.load(tmp_path / "f")


def test_it_does_not_grow_and_is_replaced_by_force(tmp_path):
    scenes = write_scenes(tmp_path / "scenes", classes=2, per_class=2)
    folder = write_legacy(tmp_path / "f", features(), TABLE)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(FeaturesError, match="of a former format, which can be read, but not added to"):
        rf.encode(scenes, "lbp", workers=0, out=folder, resume=True)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    rf.encode(scenes, "lbp", workers=0, out=folder, force=True)
    assert len(Features.load(folder)) == 4
    assert {path.name for path in folder.iterdir()} == {"versions", "segments", "work"}


def test_an_unfinished_one_is_named(tmp_path):
    folder = write_legacy(tmp_path / "f", features(), TABLE)
    (folder / "manifest.json").unlink()
    with pytest.raises(FeaturesError, match="unfinished or damaged, and of a former format"):
        Features.load(folder)
    plan = json.loads((folder / "extraction.json").read_text())
    assert plan["format"] == "rsir-features-plan"
