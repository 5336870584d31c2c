"""The limits of an image: four options, the same on every command that reads images."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from rsir_fast.archive import Features
from rsir_fast.cli import app
from rsir_fast.datasets import Limits, current_limits
from scene_files import write_scenes

COMMANDS = (
    "demo",
    "features",
    "search",
    "evaluate ge2018",
    "evaluate dhcnn2021",
    "evaluate multilabel",
    "reproduce ge2018",
    "reproduce dhcnn2021",
    "reproduce hashing",
    "train dhcnn",
    "train hashing",
    "train pretrain",
)
OPTIONS = {"--image-memory", "--max-pixels", "--max-pixels-per-byte", "--image-seconds"}
QUICK = ["-e", "colour-histogram", "-q"]


def rsir(*arguments: object, **more):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], **more)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_scenes(tmp_path_factory.mktemp("limits") / "scenes", classes=2, per_class=3)
    Image.new("I;16", (4200, 4200)).save(root / "class0" / "empty.png")  # each pixel counts as four
    return root


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_them(command: str) -> None:
    said = rsir(*command.split(), "--help", env={"COLUMNS": "200"}).output
    assert set(said.split()) >= OPTIONS
    default = Limits()
    assert f"Default: {default.max_pixels}," in said
    assert f"Default: {default.max_pixels_per_byte:g}." in said
    assert f"Default: {default.image_seconds:g}." in said


@pytest.mark.parametrize(
    ("options", "left_out"),
    [
        ([], 1),
        (["--max-pixels-per-byte", "5000"], 0),
        (["--max-pixels", "1600"], 1),
        (["--max-pixels", "1599", "--max-pixels-per-byte", "5000"], 7),
        (["--max-pixels-per-byte", "5000", "--image-seconds", "0.5"], 1),
    ],
)
def test_they_decide_what_is_left_out(scenes: Path, tmp_path: Path, options: list[str], left_out: int) -> None:
    done = rsir("features", scenes, "--out", tmp_path / "out", *QUICK, *options)
    assert done.exit_code in ({3} if left_out == 1 else {1, 3} if left_out else {0}), done.output
    assert done.output.count("pixels") >= left_out
    assert current_limits() == Limits()


def test_too_little_memory_stops_the_run(scenes: Path, tmp_path: Path) -> None:
    """Nothing is recorded that another machine would read, and the same command goes on with more."""
    command = ["features", scenes, "--out", tmp_path / "out", *QUICK, "--max-pixels-per-byte", "5000"]
    stopped = rsir(*command, "--image-memory", "8MB")
    assert stopped.exit_code == 1, stopped.output
    assert "raise --image-memory" in stopped.output
    assert rsir(*command).exit_code == 0


def test_a_raised_limit_tries_again_what_was_refused(scenes: Path, tmp_path: Path) -> None:
    """The same command with more: as if it had been given so at first. With less again, what was read stays."""
    command = ["features", scenes, "--out", tmp_path / "out", *QUICK]
    raised = [*command, "--max-pixels-per-byte", "5000"]
    assert rsir(*command).exit_code == 3
    before = list((tmp_path / "out/versions").iterdir())
    assert rsir(*command, "--image-seconds", "59").exit_code == 3
    assert list((tmp_path / "out/versions").iterdir()) == before
    assert rsir(*raised).exit_code == 0
    assert rsir("features", scenes, "--out", tmp_path / "fresh", *raised[4:]).exit_code == 0
    again, fresh = (Features.load(tmp_path / name) for name in ("out", "fresh"))
    assert again.items == fresh.items
    assert again.skipped == fresh.skipped == ()
    assert again.matrix.tobytes() == fresh.matrix.tobytes()
    done = rsir(*command)
    assert done.exit_code == 0, done.output
    assert len(Features.load(tmp_path / "out")) == 7


@pytest.mark.parametrize(
    "wrong",
    [
        ("--image-memory", "much"),
        ("--image-memory", "0"),
        ("--image-memory", "-4GiB"),
        ("--max-pixels", "0"),
        ("--max-pixels-per-byte", "nan"),
        ("--max-pixels-per-byte", "-1"),
        ("--image-seconds", "0"),
    ],
    ids=" ".join,
)
def test_wrong_values_are_wrong_usage(scenes: Path, tmp_path: Path, wrong: tuple[str, str]) -> None:
    done = rsir("features", scenes, "--out", tmp_path / "out", *QUICK, *wrong)
    assert done.exit_code == 2
    assert wrong[0] in done.output
    assert not (tmp_path / "out").exists()
