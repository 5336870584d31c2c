"""Every command that reads images: one that cannot be read is listed, none that can ends the command."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from machine_faults import no_rights
from rsir_fast.archive import Features
from rsir_fast.cli import app
from scene_files import write_scenes

NETWORK = ["-e", "squeezenet1_1", "--weights", "random:0", "--workers", "0"]
PRETRAIN = ["-e", "cnn-f", "--width", "0.05", "--epochs", "1", "--batch-size", "8", "--workers", "0"]
BAD = "class1/class1_2.jpg"

COMMANDS = {
    "features": ["features", "DATA", "--out", "OUT", *NETWORK],
    "features lbp": ["features", "DATA", "--out", "OUT", "-e", "lbp"],
    "features bovw": ["features", "DATA", "--out", "OUT", "-e", "bovw-8"],
    "evaluate": ["evaluate", "ge2018", "DATA", "--out", "OUT", *NETWORK],
    "demo": ["demo", "DATA", "--out", "OUT", *NETWORK],
    "train frozen": ["train", "dhcnn", "DATA", "--out", "OUT", "--bits", "8", "--freeze-backbone", *NETWORK],
    "train": [
        "train",
        "dhcnn",
        "DATA",
        "--out",
        "OUT",
        "--bits",
        "8",
        "--recipe",
        "pytorch",
        "--epochs",
        "1",
        *NETWORK,
    ],
    "pretrain": ["train", "pretrain", "DATA", "--out", "OUT", *PRETRAIN],
    "reproduce ge2018": [
        *["reproduce", "ge2018", "DATA", "--out", "OUT", "-e", "lbp", "--workers", "0"],
        *["--weights-folder", "EMPTY"],
    ],
    "reproduce dhcnn2021": [
        *["reproduce", "dhcnn2021", "DATA", "--out", "OUT", "--bits", "8", "--seeds", "1", "--freeze-backbone"],
        *["--epochs", "1", *NETWORK],
    ],
}
"""What makes something of images; `search` is below."""


def run(command: list[str], data: Path, out: Path, *more: str):
    places = {"DATA": str(data), "OUT": str(out), "EMPTY": str(data.parent)}
    return CliRunner().invoke(app, [places.get(word, word) for word in (*command, *more)])


@pytest.fixture
def scenes(passable: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    passable.chmod(0o777)
    monkeypatch.setenv("TORCH_HOME", str(passable))  # root's home is not for whom we become
    return write_scenes(passable / "scenes", classes=2, per_class=5)


def names_in(value: object) -> set[str]:
    """All strings within JSON."""
    if isinstance(value, dict):
        return set().union(*map(names_in, value.values()), value.keys())
    if isinstance(value, list):
        return set().union(*map(names_in, value))
    return {value} if isinstance(value, str) else set()


@pytest.mark.parametrize("command", COMMANDS)
def test_one_unreadable_image_is_listed_and_the_exit_code_is_3(command, scenes, tmp_path):
    (scenes / BAD).write_bytes(b"no image")
    (scenes / "class0/more.gif").write_bytes(b"GIF89a")
    result = run(COMMANDS[command], scenes, tmp_path / "out", "--json")
    assert result.exit_code == 3, result.output
    assert "rsir: 1 image could not be read and was left out:" in result.stderr
    assert re.search(rf"^  .*{BAD}: ", result.stderr, re.MULTILINE)
    assert "note: 1 file with ending .gif was left out" in result.stderr
    printed = json.loads(result.stdout)
    assert BAD in names_in(printed)
    if "train" in command:
        (entry,) = printed["skipped"]
        assert entry["item"] == BAD
    if "train" in command and command != "pretrain":
        split = printed["training"]["split"]
        assert BAD not in [*split["train"]]
        assert len(split["train"]) + len(split["test"]) == 9


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("command", COMMANDS)
def test_where_no_image_can_be_read_nothing_is_written(command, scenes, tmp_path):
    images = sorted(scenes.glob("*/*.jpg"))
    for image in images:
        image.write_bytes(b"no image")
    result = run(COMMANDS[command], scenes, tmp_path / "out", "--json")
    assert result.exit_code == 1, result.output
    assert re.search(r"rsir: \d+ images could not be read and were left out:", result.stderr)
    assert result.stderr.count("found text") >= 8
    assert "expected images that can be read, found none among" in result.stderr.splitlines()[-1]
    assert result.stdout == ""
    assert files_below(tmp_path / "out") == []


@pytest.mark.parametrize("command", ["features", "features bovw", "evaluate", "train", "pretrain"])
def test_a_fault_of_the_machine_stops_the_run_and_the_next_ends_as_if_there_had_been_none(command, scenes, tmp_path):
    out = scenes.parent / "out"
    undisturbed = run(COMMANDS[command], scenes, tmp_path / "whole", "--json")
    assert undisturbed.exit_code == 0, undisturbed.output
    images = [scenes / BAD, scenes / "class0/class0_0.jpg"]
    with no_rights(*images):
        stopped = run(COMMANDS[command], scenes, out, "--json")
    assert stopped.exit_code == 1, stopped.output
    message = stopped.stderr.splitlines()[-1]
    assert re.search(r"rsir: error: .*\.jpg: cannot be read: Permission denied \(EACCES\); the machine failed", message)
    assert "left out" not in stopped.stderr
    assert not list(out.rglob("versions/*"))
    again = run(COMMANDS[command], scenes, out, "--json")
    assert again.exit_code == 0, again.output
    for path in files_below(tmp_path / "whole"):
        if path.suffix in (".safetensors", ".svg"):
            assert (out / path.relative_to(tmp_path / "whole")).read_bytes() == path.read_bytes(), path
    for path in (tmp_path / "whole").rglob("versions"):
        one, other = (
            Features.load(at / path.parent.relative_to(tmp_path / "whole")) for at in (tmp_path / "whole", out)
        )
        assert one.items == other.items
        assert all(np.array_equal(one[field.name], other[field.name]) for field in one.fields)


class TestSearch:
    @pytest.fixture
    def features(self, scenes):
        out = scenes.parent / "features"
        assert run(COMMANDS["features"], scenes, out).exit_code == 0
        return out

    def search(self, features, *arguments):
        return CliRunner().invoke(app, ["search", str(features), *map(str, arguments)])

    def test_unreadable_queries(self, features, scenes):
        (scenes / BAD).write_bytes(b"no image")
        (scenes / "class1/more.gif").touch()
        result = self.search(features, scenes / "class1", "--json")
        assert result.exit_code == 3
        assert len(json.loads(result.stdout)["queries"]) == 4
        assert "note: 1 file with ending .gif was left out" in result.stderr
        assert BAD in result.stderr.splitlines()[-1]
        result = self.search(features, scenes / BAD, "--json")
        assert (result.exit_code, result.stdout) == (1, "")
        assert "expected images that can be read, found none among 1" in result.stderr

    def test_a_fault_of_the_machine(self, features, scenes):
        with no_rights(scenes / BAD):
            result = self.search(features, scenes / "class1", "--json")
        assert (result.exit_code, result.stdout) == (1, "")
        assert f"{BAD}: cannot be read: Permission denied (EACCES)" in result.stderr

    def test_an_empty_matrix(self, features, scenes, tmp_path):
        whole = Features.load(features)
        empty = Features(whole.matrix[:0], (), None, (), "none", provenance=whole.provenance)
        result = self.search(empty.save(tmp_path / "empty"), scenes / BAD)
        assert result.exit_code == 1
        assert "none: expected features of one image or more to search, found none" in result.stderr

    def test_more_results_than_images(self, features, scenes):
        result = self.search(features, scenes / BAD, "-k", "100", "--json")
        assert result.exit_code == 0
        assert "the features are of 10 images, fewer than the 100 results asked for" in result.stderr
        assert len(json.loads(result.stdout)["queries"][0]["results"]) == 10

    @pytest.mark.parametrize("outer", ["", "Images"])
    def test_moved_images(self, features, scenes, outer):
        moved = scenes.parent / "moved" / outer
        moved.parent.mkdir(exist_ok=True)
        query = shutil.copy(scenes / BAD, scenes.parent)
        shutil.move(scenes, moved)
        result = self.search(features, query, "-k", "1", "--json")
        assert result.exit_code == 0
        assert f"note: 10 of 10 images are not in {scenes} any more" in result.stderr
        assert "say with --root where they are now" in result.stderr
        result = self.search(features, query, "-k", "1", "--json", "--root", scenes.parent / "moved")
        assert result.stderr == ""
        assert json.loads(result.stdout)["queries"][0]["results"][0]["path"] == str(moved / BAD)
        (moved / "class0/class0_0.jpg").unlink()
        result = self.search(features, query, "--root", moved)
        assert f"note: 1 of 10 images are not in {moved} any more, the first class0/class0_0.jpg" in result.stderr
        result = self.search(features, query, "--root", scenes.parent / "moved" / outer / "class0")
        assert result.exit_code == 1
        assert "expected the images of scenes, but 10 of 10 are not there" in result.stderr

    def test_moved_images_of_an_evaluation(self, features, scenes, tmp_path):
        moved = shutil.move(scenes, scenes.parent / "moved")
        evaluate = ["evaluate", "ge2018", str(features), "--out", str(tmp_path / "run")]
        result = CliRunner().invoke(app, evaluate)
        assert result.exit_code == 0
        assert f"note: 10 of 10 images are not in {scenes} any more" in result.stderr
        assert "data:image/jpeg;base64," not in (tmp_path / "run/report.html").read_text()
        result = CliRunner().invoke(app, [*evaluate, "--root", str(moved)])
        assert "any more" not in result.stderr
        assert "data:image/jpeg;base64," in (tmp_path / "run/report.html").read_text()
        with no_rights(Path(moved) / BAD, *Path(moved).glob("class0/*.jpg")):
            result = CliRunner().invoke(app, [*evaluate[:-1], str(scenes.parent / "out"), "--root", str(moved)])
        assert result.exit_code == 1
        assert "cannot be read: Permission denied (EACCES)" in result.stderr
        assert not (scenes.parent / "out").exists()
