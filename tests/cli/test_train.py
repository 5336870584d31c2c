"""``rsir train dhcnn`` as a user calls it."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from rsir_fast.cli import app
from rsir_fast.hashing import HashModel
from scene_files import write_scenes

QUICK = ["--freeze-backbone", "-b", "squeezenet1_1", "-w", "random:0", "--bits", "8", "--device", "cpu"]


def run(*arguments):
    return CliRunner().invoke(app, ["train", "dhcnn", *map(str, arguments)])


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("scenes") / "data")


def test_a_model_is_written_and_named(scenes, tmp_path):
    done = run(scenes, *QUICK, "--epochs", 3, "--out", tmp_path / "run")
    assert done.exit_code == 0, done.output
    assert done.stdout.strip() == f"model: {tmp_path / 'run/model.safetensors'}"
    assert "train: epoch 3/3, 15/15 images, total " in done.stderr
    assert HashModel.load(tmp_path / "run/model.safetensors").bits == 8
    more = run(scenes, *QUICK, "--epochs", 3, "--out", tmp_path / "run", "--resume", "--json", "--quiet")
    assert more.exit_code == 0, more.output
    assert json.loads(more.stdout)["classes"] == ["class0", "class1", "class2"]
    assert more.stderr == ""


def test_what_cannot_be_done_is_one_line(scenes, tmp_path):
    for arguments, code, message in [
        ([scenes, *QUICK, "--bits", 7], 2, "bits: expected a hash length of 8 to 1024, got 7"),
        ([tmp_path / "none", *QUICK, "--no-download"], 1, "none"),
    ]:
        done = run(*arguments, "--out", tmp_path / "run")
        assert done.exit_code == code, done.output
        assert message in done.stderr.splitlines()[-1]
    assert not (tmp_path / "run" / "model.safetensors").exists()
