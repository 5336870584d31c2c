"""Nothing that is meant to be shared says where things lie on this machine; names may be of any script."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from html_page import Page
from rsir_fast.cli import app
from scene_files import write_scenes

PRIVATE = re.compile(r"versions/\d{8}\.json|checkpoint(\.previous)?\.pt")
"""What an archive or a training needs to go on: it says where the images are."""
NETWORK = ["-e", "squeezenet1_1", "-w", "random:0", "--workers", "0"]
ARABIC, HEBREW = "مزرعة", "יער"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder of images whose names are read from right to left, one of them unreadable, in a home of its own."""
    place = tmp_path_factory.mktemp("machine")
    scenes = write_scenes(place / "home/scenes", classes=2)
    (scenes / "class0").rename(scenes / ARABIC)
    (scenes / "class1").rename(scenes / HEBREW)
    (scenes / ARABIC / "broken.jpg").write_text("no image")
    (place / "home/work").mkdir()
    (place / "weights").mkdir()
    (place / "weights/imagenet-caffe-alex.mat").write_bytes(b"other content")
    return place


@pytest.fixture
def rsir(place, monkeypatch):
    monkeypatch.chdir(place / "home/work")
    monkeypatch.setenv("HOME", str(place / "home"))
    monkeypatch.setenv("RSIR_WEIGHTS", str(place / "weights"))

    def call(*arguments: object, code: int = 3) -> str:
        told = [str(argument) for argument in arguments]
        monkeypatch.setattr("sys.argv", ["rsir", *told])
        done = CliRunner().invoke(app, told)
        assert done.exit_code == code, done.output
        return done.stdout

    return call


def check(place: Path, folder: Path) -> list[Path]:
    files = [path for path in folder.rglob("*") if path.is_file() and not PRIVATE.search(path.as_posix())]
    for path in files:
        content = path.read_bytes()
        assert str(place).encode() not in content, path
        assert b"/home/" not in content.replace(b"https://", b""), path
    return files


def test_of_every_command(place, rsir):
    scenes, out = place / "home/scenes", place / "out"
    model = out / "dhcnn/model.safetensors"
    quick = ["--freeze-backbone", "--epochs", 1, "--bits", 8]
    result = rsir("evaluate", "ge2018", scenes, "-o", out / "ge2018", *NETWORK, "--json", "-q")
    assert json.loads(result)["dataset"]["skipped"][0]["item"] == f"{ARABIC}/broken.jpg"
    rsir("train", "dhcnn", scenes, f"--out={out / 'dhcnn'}", *NETWORK, *quick, "-q")
    result += rsir("evaluate", "dhcnn2021", scenes, "-e", model, "-o", out / "dhcnn2021", "--json", "-q")
    result += rsir("compare", out / "ge2018/features", "--steps", "l2", "--json", "-q")
    lbp = ["-e", "lbp"]
    result += rsir("reproduce", "ge2018", f"a={scenes}", scenes, *lbp, "-o", out / "tables", "--json", "-q")
    hashes = ["--seeds", 1, *quick]
    result += rsir("reproduce", "dhcnn2021", scenes, *NETWORK, *hashes, "-o", out / "hashes", "--json", "-q")
    training = ["-e", "cnn-f", "--width", 0.05, "--epochs", 1, "--workers", 0]
    rsir("train", "pretrain", scenes, *training, "-o", out / "pretrain", "-q")
    result += rsir("doctor", "--json", code=0)
    assert str(place) not in result
    assert str(place / "weights") in rsir("doctor", "--json", "--paths", code=0)
    files = check(place, out)
    assert {"report.html", "result.json", "queries.csv", "model.safetensors"} <= {path.name for path in files}
    for page in (path for path in files if path.name == "report.html"):
        source = page.read_text()
        Page(source)
        assert "rsir " in source
        for name in (ARABIC, HEBREW):
            for before in (part for part in source.split("<svg")[0].split(name)[:-1]):
                assert before.endswith(("<bdi>", "\u2068")) or "<bdi>" in before[-200:], before[-80:]
