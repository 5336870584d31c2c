"""``rsir train hashing``: any method by command."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from typer.testing import CliRunner

import rsir_fast as rf
from rsir_fast.archive import Features
from rsir_fast.cli import app, checked
from rsir_fast.errors import TrainingError
from rsir_fast.hashing import METHODS, RECIPES, HashModel
from rsir_fast.protocols.reproduce_dhcnn2021_result import HashingTableResult
from scene_files import write_scenes

NETWORK = ["-e", "squeezenet1_1", "-w", "random:0", "--device", "cpu", "--quiet"]
QUICK = ["--freeze-backbone", "--bits", "8", "--epochs", "3", *NETWORK]


def rsir(*arguments, code=0):
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == code, done.output
    return done


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Scenes, and the features of their turns."""
    place = tmp_path_factory.mktemp("hashing")
    write_scenes(place / "scenes")
    rsir("features", place / "scenes", "-e", "squeezenet1_1,turns=each", *NETWORK[2:], "--out", place / "turns")
    return place


def train(place, method, out, *more, code=0):
    given = ["--features", place / "turns", "--method", method, *more, "--out", out]
    return rsir("train", "hashing", place / "scenes", *QUICK, *given, code=code)


def test_the_model_is_that_of_the_table_and_of_train_dhcnn(place, tmp_path):
    """By the same bytes: one implementation, whichever command trains."""
    methods = {"dhcnn": "DHCNN", "dpsh": "DPSH", "csq": "CSQ", "proxy-anchor": "proxy-anchor"}
    table = ["--methods", ",".join(methods), "--seeds", "1", "--features", place / "turns", "--out", tmp_path / "table"]
    rsir("reproduce", "hashing", place / "scenes", *QUICK, *table)
    made = {path.parent.name: path.read_bytes() for path in (tmp_path / "table/models").glob("*/model.safetensors")}
    for method, title in methods.items():
        done = json.loads(train(place, method, tmp_path / method, "--json").stdout)
        assert (done["method"], done["bits"]) == (method, 8)
        model = tmp_path / method / "model.safetensors"
        (of_table,) = (content for name, content in made.items() if method in name)
        assert model.read_bytes() == of_table
        assert HashModel.load(model).training.get("method", "DHCNN") == title
    rsir("train", "dhcnn", place / "scenes", *QUICK, "--features", place / "turns", "--out", tmp_path / "own")
    assert (tmp_path / "own/model.safetensors").read_bytes() == (tmp_path / "dhcnn/model.safetensors").read_bytes()


@pytest.mark.parametrize("method", ["dpsh", "hashnet", "greedyhash", "proxy-anchor"])
def test_interrupted_and_given_again_it_is_the_same_model(place, tmp_path, method):
    train(place, method, tmp_path / "whole")

    def stopping(at):
        return at.epoch < 2

    recipe = replace(RECIPES["modern"], loss=METHODS[method]())
    encoder = rf.load_encoder("squeezenet1_1", weights="random:0")
    given = {"bits": 8, "recipe": recipe, "epochs": 3, "freeze_backbone": True, "device": "cpu"}
    given |= {"features": Features.load(place / "turns"), "progress": stopping, "out": tmp_path / "again"}
    with pytest.raises(TrainingError, match="training stopped in epoch 2"):
        rf.train_dhcnn(place / "scenes", encoder, **given)
    train(place, method, tmp_path / "again")
    for name in ("model.safetensors", "log.jsonl"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_the_default_folder_names_the_method(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = rsir(
        "train", "hashing", place / "scenes", *QUICK, "--features", place / "turns", "--method", "multi-similarity"
    )
    assert done.stdout.split()[-1] == str(
        tmp_path / "runs/multi-similarity-scenes-squeezenet1_1-gap-8/model.safetensors"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "--method: expected a value"),
        (["--method", "dphs"], "--method: expected one of dhcnn, dpsh, hashnet, "),
        (["--method", "dphs"], "did you mean dpsh?"),
        (["--method", "dpsh", "--beta", "3"], "`rsir train dhcnn`, not of `rsir train hashing`"),
        (["--method", "dhcnn", "--paper"], "`rsir train dhcnn`, not of `rsir train hashing`"),
        (["--method", "csq", "--eta", "0.1"], "`rsir train dhcnn`, not of `rsir train hashing`"),
        (["--method", "csq", "--loss-weighting", "matlab"], "`rsir train dhcnn`, not of `rsir train hashing`"),
        (["--method", "dsh", "--accumulate", "2"], "--accumulate: expected 1, and one process, as DSH compares"),
        (["--method", "dpsh", "--split", "80/20", "--train", "0.5"], "--train: expected none beside --split"),
        (
            ["--method", "dpsh", "-e", "m.safetensors"],
            "expected a network such as mobilenet_v2, got a trained",
        ),
        (["--method", "dpsh", "-e", "lbp"], "--encoder: expected a network, got lbp, which runs none"),
        (["--method", "dpsh", "--noise", "x"], "--noise: expected one of symmetric, asymmetric, got 'x'\n"),
        (["--method", "dpsh", "--noise", "symmetric"], "which is its share; give --label-noise as well\n"),
    ],
)
def test_what_cannot_be_done_is_one_line(place, tmp_path, words, message):
    done = rsir("train", "hashing", place / "scenes", *QUICK, *words, "--out", tmp_path / "run", code=2)
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_names_of_methods_are_listed_in_the_help():
    told = "".join(rsir("train", "hashing", "--help").stdout.split())
    assert all(name in told for name in checked.HASHING)


@pytest.mark.parametrize("method", ["triplet", "multi-similarity", "proxy-anchor"])
def test_one_image_a_class_has_nothing_to_teach_to_what_compares_images_of_one(place, tmp_path, method):
    if method == "proxy-anchor":
        train(place, method, tmp_path / "run", "--shots", "1")
        return
    refused = train(place, method, tmp_path / "run", "--shots", "1", code=1).stderr
    assert "expected a class with two training images or more, as " in refused
    assert "found one image a class; take more, or another method" in refused
    assert len(refused.splitlines()) == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("command", ["train dhcnn", "train hashing", "reproduce dhcnn2021", "reproduce hashing"])
def test_the_help_offers_what_there_is(command):
    said = " ".join(re.sub("[│╭╰─╮╯]", " ", rsir(*command.split(), "--help").stdout).split())
    assert ("or that of --paper" in said) == ("--paper" in said.replace("or that of --paper", ""))
    assert "model.safetensors of" not in said
    assert "bovw" not in said


def test_a_table_by_given_words_has_the_methods_as_they_are(place, tmp_path):
    """An encoder's word that says how images are resized has its way in the table as in a training."""
    given = ["-e", "squeezenet1_1,resize=whole", *NETWORK[2:], "--freeze-backbone", "--bits", "8", "--epochs", "1"]
    given += ["--recipe", "pytorch", "--seeds", "1", "--methods", "dpsh"]
    rsir("reproduce", "hashing", place / "scenes", *given, "--out", tmp_path)
    (recipe,) = HashingTableResult.load(tmp_path).settings.recipes.values()
    assert recipe.get("resize") is None
    assert Features.load(tmp_path / "features").provenance["preprocessing"]["resize"] == "whole"


def test_what_served_the_training_alone_is_never_taken_for_labels(place, tmp_path):
    train(place, "proxy-anchor", tmp_path / "run")
    model = HashModel.load(tmp_path / "run/model.safetensors")
    assert (model.training["method"], model.training["embeds"]) == ("proxy-anchor", True)
    assert not any(parameter.any() for parameter in model.network.head.classifier.parameters())
