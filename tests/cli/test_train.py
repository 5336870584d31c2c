"""``rsir train dhcnn`` as a user calls it."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

import rsir_fast as rf
from rsir_fast.cli import app
from rsir_fast.cli.recipes import RecipeName, RecipeOptions, train_share
from rsir_fast.hashing import HashModel
from scene_files import write_scenes

QUICK = ["--freeze-backbone", "-e", "squeezenet1_1", "-w", "random:0", "--bits", "8", "--device", "cpu"]


def run(*arguments):
    return CliRunner().invoke(app, ["train", "dhcnn", *map(str, arguments)])


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("scenes") / "data")


def test_a_model_is_written_and_named(scenes, tmp_path):
    done = run(scenes, *QUICK, "--epochs", 3, "--out", tmp_path / "run")
    assert done.exit_code == 0, done.output
    assert done.stdout.strip() == f"model: {tmp_path / 'run/model.safetensors'}"
    assert "train head: epoch 3/3, 15/15 images, total " in done.stderr
    assert HashModel.load(tmp_path / "run/model.safetensors").bits == 8
    features = ["features", scenes, "-e", tmp_path / "run/model.safetensors", "--out", tmp_path / "features"]
    done = CliRunner().invoke(app, [*map(str, features), "--device", "cpu", "--quiet"])
    assert done.exit_code == 0, done.output
    assert "\nnetwork   DHCNN of 8 bits on squeezenet1_1, gap (11 values an image)\n" in done.stdout
    result = rf.evaluate_dhcnn2021(rf.Features.load(tmp_path / "features"))
    assert result.bits == 8
    assert dict(result.images) == {"train": 15, "test": 3}
    done = CliRunner().invoke(app, [*map(str, features), "-w", "random:0"])
    assert done.exit_code == 2
    assert "--weights: expected none beside a hash model" in done.stderr
    more = run(scenes, *QUICK, "--epochs", 3, "--out", tmp_path / "run", "--resume", "--json", "--quiet")
    assert more.exit_code == 0, more.output
    assert json.loads(more.stdout)["classes"] == ["class0", "class1", "class2"]
    assert more.stderr == ""


def test_what_cannot_be_done_is_one_line(scenes, tmp_path):
    for arguments, code, message in [
        ([scenes, *QUICK, "--bits", 7], 2, "--bits: expected greater than or equal to 8, got '7'"),
        ([tmp_path / "none", *QUICK, "--no-download"], 1, "none"),
        ([scenes, *QUICK, "--train", "1.5"], 2, "--train: expected a number above 0 and below 1"),
        ([scenes, *QUICK, "--split", tmp_path / "no.json"], 1, "expected a split of images, found no such file"),
        (
            [scenes, *QUICK, "--paper"],
            2,
            "--paper: expected a data set of Song et al. 2021 or their release (UCMerced_LandUse",
        ),
        ([scenes, "-e", "squeezenet1_1,sizes=64", "-w", "random:0", "--freeze-backbone"], 2, "squeezenet1_1 itself"),
        ([scenes, *QUICK, "--eta", "2"], 2, "--eta: expected a number of at least 0 and of at most 1, got 2.0"),
    ]:
        done = run(*arguments, "--out", tmp_path / "run")
        assert done.exit_code == code, done.output
        assert message in done.stderr.splitlines()[-1]
        assert "turns=each" not in done.stderr  # no remedy that would be refused as well
    assert not (tmp_path / "run" / "model.safetensors").exists()


def test_recipe_and_split_by_options(scenes, tmp_path):
    given = [
        "--recipe",
        "matlab",
        "--epochs",
        2,
        "--batch-size",
        4,
        "--learning-rate",
        0.03,
        "--beta",
        10,
        "--eta",
        0.3,
    ]
    given += ["--loss-weighting", "pytorch", "--similarity-gradient", "exact", "--train", 0.5, "--quiet"]
    done = run(scenes, *QUICK, *given, "--out", tmp_path / "half")
    assert done.exit_code == 0, done.output
    made = HashModel.load(tmp_path / "half/model.safetensors").training
    assert len(made["split"]["train"]) == 9
    recipe = made["recipe"]
    assert (recipe["name"], recipe["epochs"], recipe["batch_size"], recipe["learning_rate"]) == ("matlab", 2, 4, 0.03)
    loss = {"p": 32.0, "beta": 10.0, "eta": 0.3, "similarity_gradient": "exact", "loss_weighting": "pytorch"}
    assert recipe["loss"] == {**loss, "classifier_gradient": "whole"}  # of the recipe

    split = rf.stratified_split(rf.open_dataset(scenes), train=2, seed=5)
    split.save(tmp_path / "split.json")
    words = ["--split", tmp_path / "split.json", "--save-split", tmp_path / "train.txt"]
    done = run(scenes, *QUICK, "--epochs", 1, *words, "--out", tmp_path / "own", "--quiet")
    assert done.exit_code == 0, done.output
    assert HashModel.load(tmp_path / "own/model.safetensors").training["split"]["train"] == list(split.train)
    assert (tmp_path / "train.txt").read_text().splitlines() == list(split.train)
    assert (tmp_path / "test.txt").read_text().splitlines() == list(split.test)


def test_a_word_that_says_how_images_are_resized_has_its_way():
    options = RecipeOptions(recipe=RecipeName.pytorch)
    words = {"alexnet:fc7": "short-side", "alexnet:fc7,resize=whole": None, "vgg11:fc7,resize=short-side": None}
    assert {word: options.chosen(word).resize for word in words} == words


def test_what_is_given_goes_before_the_papers_setting():
    options = RecipeOptions(paper=True)
    aid = options.setting("AID")
    assert (options.chosen("mobilenet_v2", aid).loss.beta, train_share(None, aid)) == (25, 0.5)
    assert (RecipeOptions(beta=3.0).chosen("mobilenet_v2", aid).loss.beta, train_share(0.7, aid)) == (3, 0.7)
    assert RecipeOptions().setting("AID") is None
    assert train_share(None, None) == 0.8


def test_options_that_decide_one_another(scenes, tmp_path):
    done = run(scenes, *QUICK, "--split", tmp_path / "split.json", "--train", 0.5)
    assert done.exit_code == 2
    assert "--train: expected none beside --split, which says which images to train on" in done.stderr


def test_only_the_first_process_needs_the_folder(scenes, tmp_path):
    """Hosts may share no folder: features and checkpoint go from the first process to the others."""
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--no-python"]
    command = [Path(sys.executable).with_name("rsir"), "train", "dhcnn", scenes, *QUICK[1:], "--epochs"]
    program = f"exec {shlex.join(map(str, command))} $0 --out {tmp_path}/$RANK --resume"

    def train(epochs):
        done = subprocess.run([*start, "bash", "-c", program, str(epochs)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("18 images, 3 classes") == 1

    train(1)
    (tmp_path / "0/model.safetensors").unlink()
    assert not (tmp_path / "1").exists()
    train(1)  # finished before: read, not trained again
    assert len((tmp_path / "0/log.jsonl").read_text().splitlines()) == 1
    assert HashModel.load(tmp_path / "0/model.safetensors").training["processes"] == 2


def test_two_processes_by_torchrun(scenes, tmp_path):
    assert run(scenes, *QUICK, "--epochs", 3, "--out", tmp_path / "one", "--quiet").exit_code == 0
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--no-python"]
    command = [Path(sys.executable).with_name("rsir"), "train", "dhcnn", scenes, *QUICK, "--epochs", 3]
    done = subprocess.run(
        [*start, *map(str, command), "--out", str(tmp_path / "two")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("model: ") == 1
    one, two = (HashModel.load(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    assert two.training["processes"] == 2
    for a, b in zip(one.network.head.parameters(), two.network.head.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


def test_the_command_that_a_note_names_works_when_it_is_copied(scenes, tmp_path):
    """With the same network, weights and reader: else its features are refused."""
    train = [scenes, *QUICK, "--epochs", 1, "-e", "squeezenet1_1,resize=short-side", "--bands", "1,1,1"]
    told = run(*train, "--out", tmp_path / "first").stderr
    command = shlex.split(re.search(r"(rsir features .*? --out FOLDER), then --features FOLDER", told)[1])
    made = CliRunner().invoke(app, [*command[1:-1], str(tmp_path / "turns"), "-q"])
    assert made.exit_code == 0, made.output
    done = run(*train, "--features", tmp_path / "turns", "--out", tmp_path / "second")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "second/model.safetensors").read_bytes() == (tmp_path / "first/model.safetensors").read_bytes()
