"""--bands and --scale: the same on every command that reads images, recorded, and followed by whatever reads again."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning
from typer.testing import CliRunner

from rsir_fast.archive import Features
from rsir_fast.cli import app
from rsir_fast.datasets import Reader, open_dataset
from rsir_fast.errors import DatasetError
from rsir_fast.extraction import encode

NETWORK = ["-e", "squeezenet1_1", "-w", "random:0"]
QUICK = ["-e", "colour-histogram"]
READ = ["--bands", "4,3,2", "--scale", "0:3000"]


def rsir(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class folders of scenes with five bands of 16 bits."""
    root = tmp_path_factory.mktemp("scenes")
    rng = np.random.default_rng(5)
    for label, level in (("dark", 300), ("bright", 2500)):
        (root / label).mkdir()
        for number in range(3):
            bands = rng.integers(level // 2, 2 * level, (5, 40, 48)).astype(np.uint16)
            with (
                pytest.warns(NotGeoreferencedWarning),
                rasterio.open(
                    root / label / f"{number}.tif", "w", driver="GTiff", width=48, height=40, count=5, dtype="uint16"
                ) as file,
            ):
                file.write(bands)
    return root


def as_pngs(scenes: Path, folder: Path) -> Path:
    """Do by hand what bands 4,3,2 and scale 0:3000 stand for."""
    for path in sorted(scenes.rglob("*.tif")):
        with pytest.warns(NotGeoreferencedWarning), rasterio.open(path) as file:
            rgb = file.read([4, 3, 2]).astype(np.float64).transpose(1, 2, 0)
        place = folder / path.parent.name / f"{path.stem}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.rint(rgb.clip(0, 3000) * (255 / 3000)).astype(np.uint8)).save(place)
    return folder


COMMANDS = {
    "features": ["features", "DATA", "--out", "OUT"],
    "evaluate ge2018": ["evaluate", "ge2018", "DATA", "--out", "OUT"],
    "demo": ["demo", "DATA", "--out", "OUT"],
    "train dhcnn": ["train", "dhcnn", "DATA", "--out", "OUT"],
    "train pretrain": ["train", "pretrain", "DATA", "--out", "OUT"],
    "reproduce ge2018": ["reproduce", "ge2018", "DATA", "--out", "OUT"],
    "reproduce dhcnn2021": ["reproduce", "dhcnn2021", "DATA", "--out", "OUT"],
}

WRONG = {
    ("--bands", "0"): "expected the numbers of three bands",
    ("--bands", "4,3"): "expected the numbers of three bands",
    ("--bands", "red"): "expected the numbers of three bands",
    ("--bands", "9"): "has 5 bands, not the band 9 that was asked for",
    ("--bands", "1,2,6"): "has 5 bands, not the band 6 that was asked for",
    ("--scale", "5:1"): "expected the lower sample first",
    ("--scale", "percentile:98,2"): "expected percentiles from 0 to 100, the lower first",
    ("--scale", "percentile:2,101"): "expected percentiles from 0 to 100, the lower first",
    ("--scale", "0:nan"): "expected LOW:HIGH",
    ("--scale", "stretch"): "expected LOW:HIGH",
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("wrong", WRONG, ids=" ".join)
def test_wrong_values_are_wrong_usage(scenes: Path, tmp_path: Path, command: str, wrong: tuple[str, str]) -> None:
    names = {"DATA": scenes, "OUT": tmp_path / "out"}
    result = rsir(*(names.get(word, word) for word in COMMANDS[command]), *wrong)
    assert result.exit_code == 2, result.output
    said = re.sub(r"[\s│]+", " ", result.output)
    assert f"rsir: error: {wrong[0]}: " in said or f"Invalid value for '{wrong[0]}': " in said
    assert WRONG[wrong] in said
    assert not (tmp_path / "out" / "features").exists()


def test_features_follow_the_reader_and_record_it(scenes: Path, tmp_path: Path) -> None:
    assert rsir("features", scenes, "--out", tmp_path / "made", *NETWORK, *READ).exit_code == 0
    by_hand = as_pngs(scenes, tmp_path / "pngs")
    assert rsir("features", by_hand, "--out", tmp_path / "hand", *NETWORK).exit_code == 0
    made, hand = Features.load(tmp_path / "made"), Features.load(tmp_path / "hand")
    np.testing.assert_array_equal(made.matrix, hand.matrix)
    assert made.provenance["reader"] == {"bands": [4, 3, 2], "scale": "0:3000"}
    assert "reader" not in hand.provenance
    assert "reader" not in hand.spec.meaning()
    # What is there is that of the same reader only.
    assert rsir("features", scenes, "--out", tmp_path / "made", *NETWORK, *READ).exit_code == 0
    other = rsir("features", scenes, "--out", tmp_path / "made", *NETWORK, "--bands", "4,3,2")
    assert other.exit_code == 1
    assert "scale: 0:3000, now none" in other.output
    # And in Python.
    again = encode(open_dataset(scenes, bands=[4, 3, 2], scale="0:3000"), *loaded(), out=tmp_path / "made", resume=True)
    np.testing.assert_array_equal(again.matrix, made.matrix)
    assert np.asarray(made.as_dataset()[0]).tolist() == np.asarray(hand.as_dataset()[0]).tolist()


def loaded():
    from rsir_fast.backbones import load_backbone

    return (load_backbone("squeezenet1_1", weights="random:0"),)


def test_queries_are_read_as_the_database(scenes: Path, tmp_path: Path) -> None:
    query = scenes / "dark" / "1.tif"
    assert rsir("features", scenes, "--out", tmp_path / "db", *QUICK, *READ).exit_code == 0
    for given in ([], READ, ["--scale", "0:3000"]):
        result = rsir("search", tmp_path / "db", query, "-k", 1, "--json", *given)
        assert result.exit_code == 0, result.output
        (best,) = json.loads(result.stdout)["queries"][0]["results"]
        assert (best["item"], best["distance"]) == ("dark/1.tif", 0.0)
    for given, was in ((["--bands", "1,2,3"], "bands 4,3,2"), (["--scale", "minmax"], "scale 0:3000")):
        result = rsir("search", tmp_path / "db", query, *given)
        assert result.exit_code == 2
        assert f"expected the queries to be read as the images of the database, {was}" in result.output


def test_without_bands_the_remedy_is_named_and_works(scenes: Path, tmp_path: Path) -> None:
    result = rsir("features", scenes, "--out", tmp_path / "f", *QUICK)
    assert result.exit_code in (1, 3)
    assert "has 5 bands: expected 1, 3 or 4 beside alpha" in result.output
    assert "--bands 4,3,2" in result.output
    assert rsir("features", scenes, "--out", tmp_path / "g", *QUICK, "--bands", "4,3,2").exit_code == 0


def test_the_report_shows_the_bands(scenes: Path, tmp_path: Path) -> None:
    result = rsir("evaluate", "ge2018", scenes, "--out", tmp_path / "e", *QUICK, *READ)
    assert result.exit_code == 0, result.output
    page = (tmp_path / "e" / "report.html").read_text()
    assert "cannot be shown" not in page
    assert page.count("data:image/jpeg") + page.count("data:image/png") + page.count("data:image/webp") > 0
    given = rsir("evaluate", "ge2018", tmp_path / "e" / "features", "--out", tmp_path / "x", "--bands", "1")
    assert given.exit_code == 2
    assert "--bands: expected a folder of images to go with it" in given.output


def test_a_model_sees_others_as_its_training_images(scenes: Path, tmp_path: Path) -> None:
    train = ["train", "dhcnn", scenes, "--out", tmp_path / "t", "--freeze-backbone", "--epochs", 1, "--bits", 8]
    result = rsir(*train, *NETWORK, *READ)
    assert result.exit_code == 0, result.output
    model = tmp_path / "t" / "model.safetensors"
    changed = rsir(*train, *NETWORK, "--bands", "1,2,3")
    assert changed.exit_code == 1, "another training is not gone on with"
    result = rsir("features", scenes, "--out", tmp_path / "codes", "-e", model)
    assert result.exit_code == 0, result.output
    assert Reader.of(Features.load(tmp_path / "codes").provenance) == Reader.parse("4,3,2", "0:3000")
    assert rsir("search", tmp_path / "codes", scenes / "dark" / "1.tif", "-w", model).exit_code == 0


def test_a_descriptor_learns_anew_for_other_bands(scenes: Path, tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    describe = ["features", scenes, "--out", tmp_path / "d", "-e", "lbp"]
    assert rsir(*describe, *READ).exit_code == 0
    assert Features.load(tmp_path / "d").provenance["reader"] == {"bands": [4, 3, 2], "scale": "0:3000"}
    assert rsir(*describe, "--bands", "1").exit_code == 1


def test_images_in_memory_have_no_bands_to_choose() -> None:
    with pytest.raises(DatasetError, match="expected image files for bands 4,3,2, got a data set in memory"):
        open_dataset([(np.zeros((4, 4, 3), np.uint8), 0)], bands="4,3,2")


def test_a_synthetic_demo_has_no_bands_to_choose(tmp_path: Path) -> None:
    result = rsir("demo", "--out", tmp_path, "--bands", "1")
    assert result.exit_code == 2
    assert "--bands: expected your own images" in result.output
