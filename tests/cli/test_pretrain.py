"""``rsir train pretrain`` as a user calls it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from rsir_fast.archive import Features
from rsir_fast.cli import app
from scene_files import write_scenes

QUICK = ["-e", "cnn-alex", "--width", "0.05", "--batch-size", "8", "--device", "cpu", "--workers", "1"]


def run(*arguments):
    return CliRunner().invoke(app, ["train", "pretrain", *map(str, arguments)])


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("scenes") / "data")


def test_weights_are_written_named_and_used(scenes, tmp_path):
    out = tmp_path / "run"
    done = run(scenes, *QUICK, "--epochs", 2, "--drops", "1", "--out", out)
    assert done.exit_code == 0, done.output
    assert done.stdout.strip() == f"weights: {out / 'weights.safetensors'}"
    assert "data: 15 images to train on, 3 to validate on, 3 classes; cnn-alex" in done.stderr
    assert "train network: epoch 2/2, 15/15 images, loss " in done.stderr
    assert "validation: top-1 " in done.stderr
    rates = [json.loads(line)["learning_rate"] for line in (out / "log.jsonl").read_text().splitlines()]
    assert rates == pytest.approx([0.01, 0.001])
    features = ["features", scenes, "-e", "cnn-alex:fc7", "-w", out / "weights.safetensors"]
    done = CliRunner().invoke(app, [*map(str, features), "--out", str(tmp_path / "f"), "--device", "cpu", "--quiet"])
    assert done.exit_code == 0, done.output
    found = Features.load(tmp_path / "f")
    assert found.dim == 204
    assert found.provenance["width"] == 0.05
    more = run(scenes, *QUICK, "--epochs", 2, "--drops", "1", "--out", out, "--resume", "--json", "--quiet")
    assert more.exit_code == 0, more.output
    assert json.loads(more.stdout)["training"]["result"]["epoch"] == 2
    assert more.stderr == ""


def test_images_that_cannot_be_read_are_listed_at_the_end(tmp_path):
    folder = write_scenes(tmp_path / "data")
    (folder / "class0" / "damaged.jpg").write_bytes(b"no image")
    done = run(folder, *QUICK, "--epochs", 1, "--out", tmp_path / "run", "--quiet")
    assert done.exit_code == 3, done.output
    assert "1 image could not be read and was left out:" in done.stderr
    assert "class0/damaged.jpg" in done.stderr
    assert done.stdout.startswith("weights: ")


def test_what_cannot_be_done_is_one_line(scenes, tmp_path):
    for arguments, code, message in [
        ([scenes, *QUICK, "--width", 2], 2, "--width: expected a number above 0 and of at most 1, got 2.0"),
        ([scenes, *QUICK, "--drops", "soon"], 2, "--drops: expected epochs such as 30,60,80, got 'soon'"),
        ([tmp_path / "none", *QUICK], 1, "no folder at"),
        ([write_scenes(tmp_path / "one", classes=1), *QUICK], 1, "expected training images of two classes or more"),
        ([scenes, *QUICK, "--learning-rate", "1e30", "--epochs", 2], 1, "not finite in epoch 1, batch 2 of 2"),
    ]:
        done = run(*arguments, "--out", tmp_path / "run")
        assert done.exit_code == code, done.output
        assert message in done.stderr.splitlines()[-1]
    assert not (tmp_path / "run" / "weights.safetensors").exists()


def test_two_processes_by_torchrun(scenes, tmp_path):
    assert run(scenes, *QUICK, "--epochs", 2, "--out", tmp_path / "one", "--quiet").exit_code == 0
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--no-python"]
    command = [Path(sys.executable).with_name("rsir"), "train", "pretrain", scenes, *QUICK, "--epochs", 2]
    done = subprocess.run(
        [*start, *map(str, command), "--out", str(tmp_path / "two")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("weights: ") == 1
    assert done.stderr.count("images to train on") == 1
    one, two = (load_file(tmp_path / name / "weights.safetensors") for name in ("one", "two"))
    for name, values in one.items():
        torch.testing.assert_close(two[name], values, rtol=1e-3, atol=1e-5)
