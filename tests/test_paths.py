"""Paths that cannot be: one line of ours from every function and every option that takes one, never the system's."""

from __future__ import annotations

import ast
import tempfile
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from typer.testing import CliRunner

import rsir_fast
from machine_faults import no_rights
from rsir_fast import train_dhcnn
from rsir_fast.archive import Features
from rsir_fast.archive.folders import check_folder
from rsir_fast.backbones import load_backbone
from rsir_fast.base.together import replace_together
from rsir_fast.cli import app
from rsir_fast.datasets import (
    Split,
    download_ucmerced,
    generate_scenes,
    open_dataset,
    open_folder,
    read_image,
    stratified_split,
)
from rsir_fast.errors import RsirError
from rsir_fast.extraction import encode
from rsir_fast.extraction.whereabouts import moved_to
from rsir_fast.hashing import HashModel
from rsir_fast.pretraining import pretrain
from scene_files import write_scenes

PACKAGE = Path(rsir_fast.__file__).parent
WHERE = {
    "a name too long": "x" * 300,
    "a path too long": "a/" * 2500 + "b",
    "a zero byte": "a\0b",
    "odd letters": "\ud800",
    "below a file": "afile/x/y",
    "no rights": "locked/x",
}
PLAIN = ["-e", "lbp", "--workers", "0"]
NETWORK = ["-e", "squeezenet1_1", "-w", "random:0", "--workers", "0"]


@pytest.fixture(scope="module")
def made() -> Iterator[dict[str, object]]:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # for who has no rights elsewhere
        yield of(Path(folder))


def of(place: Path) -> dict[str, object]:
    scenes = write_scenes(place / "scenes")
    data = open_dataset(scenes)
    backbone = load_backbone("squeezenet1_1", weights="random:0")
    features = encode(data, backbone, out=scenes.parent / "features", workers=0)
    return {"scenes": data, "backbone": backbone, "features": features, "place": scenes.parent}


@pytest.fixture
def bad(passable: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    (passable / "afile").write_text("a file")
    locked, out = passable / "locked", passable / "out"
    locked.mkdir()
    out.mkdir()
    out.chmod(0o777)
    with no_rights(locked) if request.param == "no rights" else nullcontext():
        yield passable / WHERE[request.param]


Made = dict[str, object]
READ: dict[str, Callable[[Path, Made], object]] = {
    "open_folder": lambda path, made: open_folder(path),
    "open_dataset": lambda path, made: open_dataset(path, download=True),
    "read_image": lambda path, made: read_image(path),
    "Features.load": lambda path, made: Features.load(path),
    "moved_to": lambda path, made: moved_to(made["features"], path),  # type: ignore[arg-type]
    "Split.load": lambda path, made: Split.load(path, made["scenes"]),  # type: ignore[arg-type]
    "HashModel.load": lambda path, made: HashModel.load(path),
    "load_backbone": lambda path, made: load_backbone("cnn-m", weights=path),
    "load_backbone by name": lambda path, made: load_backbone("resnet18", weights=str(path)),
}
WRITE: dict[str, Callable[[Path, Made], object]] = {
    "extract": lambda path, made: encode(made["scenes"], made["backbone"], out=path, workers=0),  # type: ignore[arg-type]
    "check_folder": lambda path, made: check_folder(path),
    "Features.save": lambda path, made: made["features"].save(path),  # type: ignore[attr-defined]
    "Split.save": lambda path, made: stratified_split(made["scenes"], seed=0).save(path),  # type: ignore[arg-type]
    "generate_scenes": lambda path, made: generate_scenes(path, per_class=1, classes=["forest"]),
    "download_ucmerced": lambda path, made: download_ucmerced(path / "UCMerced_LandUse", urls=()),
    "train_dhcnn": lambda path, made: train_dhcnn(made["scenes"], made["backbone"], bits=8, out=path),  # type: ignore[arg-type]
    "pretrain": lambda path, made: pretrain(made["scenes"], "cnn-m", out=path),
    "replace_together": lambda path, made: replace_together(path, {"a": b"b"}),
}


@pytest.mark.parametrize("bad", WHERE, indirect=True)
@pytest.mark.parametrize("name", [*READ, *WRITE])
def test_every_function(name: str, bad: Path, made: Made) -> None:
    with pytest.raises(RsirError) as raised:
        (READ | WRITE)[name](bad, made)
    told = str(raised.value)
    assert "\n" not in told
    assert "Errno" not in told
    assert len(told) < 9000


@pytest.mark.parametrize("name", WRITE)
def test_a_file_above_is_named(name: str, tmp_path: Path, made: Made) -> None:
    (tmp_path / "afile").write_text("a file")
    with pytest.raises(RsirError, match="afile is a file, not a folder"):
        WRITE[name](tmp_path / "afile" / "x", made)
    assert (tmp_path / "afile").read_text() == "a file"


COMMANDS = {
    "features": ["features", "BAD", "-o", "OUT", *PLAIN],
    "features --out": ["features", "SCENES", "-o", "BAD", *PLAIN],
    "features --dry-run": ["features", "SCENES", "-o", "BAD", "--dry-run", *PLAIN],
    "features --weights": ["features", "SCENES", "-o", "OUT", "-w", "BAD"],
    "features --encoder": ["features", "SCENES", "-o", "OUT", "-e", "BAD"],
    "search": ["search", "BAD", "QUERY"],
    "search QUERY": ["search", "FEATURES", "BAD", *NETWORK[2:4]],
    "search --root": ["search", "FEATURES", "QUERY", "--root", "BAD", *NETWORK[2:4]],
    "evaluate multilabel --labels": ["evaluate", "multilabel", "FEATURES", "--labels", "BAD", "-o", "OUT"],
    "evaluate ge2018": ["evaluate", "ge2018", "BAD"],
    "evaluate ge2018 --out": ["evaluate", "ge2018", "FEATURES", "-o", "BAD"],
    "evaluate ge2018 --root": ["evaluate", "ge2018", "FEATURES", "-o", "OUT", "--root", "BAD"],
    "evaluate ge2018 --with": ["evaluate", "ge2018", "FEATURES", "-o", "OUT", "--with", "BAD"],
    "evaluate dhcnn2021": ["evaluate", "dhcnn2021", "BAD"],
    "evaluate dhcnn2021 --encoder": ["evaluate", "dhcnn2021", "SCENES", "-e", "BAD"],
    "train dhcnn": ["train", "dhcnn", "BAD", "-o", "OUT"],
    "train dhcnn --out": ["train", "dhcnn", "SCENES", "-o", "BAD", *NETWORK],
    "train dhcnn --split": ["train", "dhcnn", "SCENES", "-o", "OUT", "--split", "BAD", *NETWORK],
    "train dhcnn --features": ["train", "dhcnn", "SCENES", "-o", "OUT", "--freeze-backbone", "--features", "BAD"],
    "train hashing": ["train", "hashing", "BAD", "-o", "OUT", "--method", "dpsh"],
    "train backbone": ["train", "backbone", "BAD", "-o", "OUT"],
    "train backbone --out": ["train", "backbone", "SCENES", "-o", "BAD"],
    "demo": ["demo", "BAD", "-o", "OUT", *NETWORK],
    "demo --out": ["demo", "-o", "BAD", *NETWORK],
    "compare": ["compare", "BAD"],
    "reproduce ge2018": ["reproduce", "ge2018", "BAD", "-o", "OUT"],
    "reproduce ge2018 --out": ["reproduce", "ge2018", "SCENES", "-o", "BAD"],
    "reproduce ge2018 --weights-folder": ["reproduce", "ge2018", "SCENES", "-o", "OUT", "--weights-folder", "BAD"],
    "reproduce dhcnn2021": ["reproduce", "dhcnn2021", "BAD", "-o", "OUT"],
    "reproduce dhcnn2021 --out": ["reproduce", "dhcnn2021", "SCENES", "-o", "BAD", *NETWORK],
}


@pytest.mark.parametrize("bad", ["a name too long", "no rights"], indirect=True)
@pytest.mark.parametrize("command", COMMANDS)
def test_every_option(command: str, bad: Path, passable: Path, made: Made) -> None:
    place = Path(str(made["place"]))
    names = {
        "BAD": bad,
        "OUT": passable / "out" / "made",
        "SCENES": place / "scenes",
        "FEATURES": place / "features",
        "QUERY": next((place / "scenes").rglob("*.png"), place),
    }
    done = CliRunner().invoke(app, [str(names.get(word, word)) for word in COMMANDS[command]])
    assert done.exit_code in (1, 2, 3), done.output
    assert done.exception is None or isinstance(done.exception, SystemExit), repr(done.exception)
    assert "Errno" not in done.output
    assert done.stderr.splitlines()[-1].startswith(("rsir: error: ", "  ")) or done.exit_code == 2, done.output


def test_one_way_to_look() -> None:
    """Path's own methods raise what nobody here expects."""
    found = {
        f"{path.relative_to(PACKAGE).as_posix()}: {ast.unparse(node)}"
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("is_dir", "is_file", "exists")
    }
    allowed = {
        "base/durable.py: path.is_dir",  # of a name that was just listed
        "datasets/download.py: member.is_dir",  # in an archive
        "datasets/scan.py: entry.is_dir",  # of a name that was just listed; its errors are caught
    }
    assert found == allowed
