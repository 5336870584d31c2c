"""A value that cannot be right ends with 2 and one line that names the option, before any work, whatever the option."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

import rsir_fast as rf
from rsir_fast.cli import app
from scene_files import write_scenes

HUGE = "1" + "0" * 30
COUNT = ["x", "1.5", "nan", "-1", HUGE]
PATHS = [
    "--choose-on",
    "--features",
    "--label-map",
    "--labels",
    "--out",
    "--report-on",
    "--root",
    "--save-split",
    "--weights-folder",
    "--with",
]
NUMBER = ["x", "nan", "inf", "-1", "1e400"]
CHAINS = ["x", "🛰", ",", "power:nan", "power:inf", "power:0", "pca", "pca:0", "pca:x", "whiten:-1", "l2:3"]
STAGES = ["x", "expand", "expand:0", "expand:nan", "expand:5:nan", "augment:0", "diffuse:5:1", "diffuse:5:0.5:nan"]
WRONG = {
    "--accumulate": ["0", *COUNT],
    "--anmrr-k": ["x"],
    "--distance": ["x", "l2"],
    "--anmrr-penalty": ["x", "k"],
    "--encoder": [
        *[
            "🛰",
            "random:0",
            "x" * 300,
            "cnn-m:fc9",
            "cnn-m:",
            "cnn-m,turns=x",
            "cnn-m,x=1",
            "gist",
            "bovw-0",
            "bovw-x",
            "morphological-61",
        ],
        *[f"bovw-{HUGE}", "hog:fc6", "squeezenet1_1,sizes=31", "squeezenet1_1,sizes=64+64", "squeezenet1_1,resize=x"],
        "squeezenet1_1,precision=float16",
    ],
    "--cutoffs": ["0", "1,0", "1.5", "x", "", HUGE],
    "--divisor": ["x", "k"],
    "--map-at": ["0", *COUNT],
    "--field": ["fc9"],
    "--bands": ["x", "0", "-1", "1,2", "4,3,2,1", "1.5,2,3"],
    "--batch-size": ["0", *COUNT],
    "--beta": NUMBER,
    "--bits": ["0", "7", "1025", *COUNT],
    "--decoder": ["x"],
    "--engine": ["x"],
    "--device": ["x", "🛰", "cuda:99", "cpu:7", "meta"],
    "--draws": ["0", *COUNT],
    "--drops": ["x", "0", "-1", "5,3", "1,1", HUGE],
    "--epochs": ["0", *COUNT],
    "--eta": ["2", *NUMBER],
    "--examples": COUNT,
    "--form": ["x"],
    "--gain": ["x"],
    "--init": ["x"],
    "--learning-rate": ["0", *NUMBER],
    "--loss-weighting": ["x"],
    "--normalize": ["x"],
    "--image-memory": ["x", "0", "-4GiB", "nan"],
    "--image-seconds": ["0", "-1", *NUMBER],
    "--max-pixels": ["0", *COUNT[:-1]],
    "--max-pixels-per-byte": ["0", "-1", *NUMBER],
    "--patience": ["0", *COUNT],
    "--precision": ["float16"],
    "--recipe": ["x"],
    "--reference": ["x"],
    "--rerank": STAGES,
    "--rerank-codes": ["0", "x"],
    "--scenes-per-class": ["1", *COUNT],
    "--scale": ["x", "5:1", "nan:3", "percentile:2", "percentile:9,1", "minmax:1"],
    "--schedule": ["x"],
    "--seed": COUNT,
    "--seeds": ["0", *COUNT],
    "--similarity-gradient": ["x"],
    "--steps": CHAINS,
    "--threads": ["0", *COUNT],
    "--split": ["", "80/10", "0/100", "80-20"],
    "--trained-queries": ["x", ""],
    "--train": ["0", "1", *NUMBER],
    "--shots": ["0", *COUNT],
    "--gallery": ["", "x", "train,train", "train,"],
    "--label-noise": ["0", "1", *NUMBER],
    "--noise": ["x"],
    "--unseen": ["0", "1", *NUMBER],
    "--weights": ["random:", "random:x", "random:-1", f"random:{HUGE}"],
    "--width": ["0", "1.5", *NUMBER],
    "--workers": COUNT,
    "-k": ["0", "x", "-1", "nan"],
    "--offset": ["x", "-1"],
    "--min-distance": ["x", "nan", "-1"],
    "--max-distance": ["x", "nan", "-1"],
    "--id": ["x", "-1"],
    "--ids": ["x", "3-"],
    "--at": ["x", "1"],
    "--box": ["x", "1,2,3", "1,2,3,95", "1,3,2,2"],
    "--window": ["x", "1,2,3", "1,2,0,4"],
    "--where": ["x", "class"],
    "--strategy": ["x"],
    "--version": ["0", "x"],
    "--column": ["x", "colour=a"],
    "--crs": ["x"],
    "--date": ["x", "%Q"],
    "--days": ["x", "-1", "nan"],
    "--dequantize": ["x", "linear:", "linear:0"],
    "--keep": ["0", "x"],
    "--method": ["x", "dpsh,csq"],
    "--methods": ["x", "dhcnn,x", ""],
    "--nodata-max": ["x", "2", "-1", "nan"],
    "--size": ["0", "x", "-1", "nan"],
    "--stride": ["0", "x", "-1"],
    "--table": [""],
    "--unit": ["x"],
    **{name: [""] for name in ("--text", "--vectors", "--liked", "--unliked", "--class", "--after", "--before")},
    **{name: [""] for name in ("--polygon", "--html")},
    **{name: ["", "a\0b"] for name in PATHS},
}
"""By option. A path that is merely not there is no wrong value: it ends with 1."""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("wrong")
    scenes = write_scenes(place / "scenes")
    made = CliRunner().invoke(app, ["features", str(scenes), "-o", str(place / "features"), *NETWORK, "-q"])
    assert made.exit_code == 0, made.output
    rf.stratified_split(rf.open_dataset(scenes)).save(place.parent / "split.json")
    np.save(place.parent / "vectors.npy", np.zeros((3, 2), np.float32))
    return place


PYTHON = re.compile(
    r"\w=(True|False|None)|\bNone\b|\b(as|load|list|from)_\w+|\brf\.|\brsir_fast\.\w|\w\(\)|from Python"
)
"""Names of Python, which say nothing to a user of the command line."""

NETWORK = ["-e", "squeezenet1_1", "-w", "random:0", "--workers", "0"]
OUT = ["-o", "out", "-q"]
LEARN = ["--freeze-backbone", "--epochs", "1", "--bits", "8"]
COMMANDS = {
    "archive add": ["features", "scenes", "--workers", "0"],
    "archive compact": ["features"],
    "archive create": ["out", "scenes", *NETWORK],
    "archive duplicates": ["features"],
    "archive export": ["features", "out.npy"],
    "archive import": ["out", "../vectors.npy"],
    "archive info": ["features"],
    "archive leaks": ["features", "../split.json"],
    "archive log": ["features"],
    "archive remove": ["features", "class0/class0_0.jpg"],
    "archive vacuum": ["features"],
    "archive verify": ["features"],
    "compare": ["features"],
    "demo": ["scenes", *OUT, *NETWORK],
    "doctor": [],
    "evaluate dhcnn2021": ["scenes", *OUT],
    "evaluate ge2018": ["scenes", *OUT, *NETWORK],
    "evaluate multilabel": ["scenes", *OUT, *NETWORK],
    "features": ["scenes", *OUT, *NETWORK],
    "reproduce dhcnn2021": ["scenes", *OUT, *NETWORK, *LEARN, "--seeds", "1"],
    "reproduce ge2018": ["scenes", *OUT, "-e", "lbp"],
    "reproduce hashing": ["scenes", *OUT, *NETWORK, "--bits", "8", "--epochs", "1", "--seeds", "1"],
    "search": ["features", "scenes/class0/class0_0.jpg"],
    "train dhcnn": ["scenes", *OUT, *NETWORK, *LEARN],
    "train hashing": ["scenes", *OUT, *NETWORK, *LEARN, "--method", "dpsh"],
    "train pretrain": ["scenes", *OUT, "-e", "cnn-f", "--width", "0.05", "--epochs", "9", "--workers", "0"],
}


def options_with_a_value(command: str) -> list[str]:
    found = typer.main.get_command(app)
    for word in command.split():
        found = found.commands[word]
    options = [parameter for parameter in found.params if parameter.param_type_name == "option"]
    return [max(option.opts, key=len) for option in options if not option.is_flag]


@pytest.mark.parametrize("command", COMMANDS)
def test_wrong_values(place, monkeypatch, command):
    monkeypatch.chdir(place)
    # The first command in this order that has an option is tried with all of its wrong values, the others with one.
    earlier = [name for name in COMMANDS if name < command]
    tried = {option for name in earlier for option in options_with_a_value(name)}
    for option in options_with_a_value(command):
        for value in WRONG[option][: 1 if option in tried else None]:
            given = [f"{option}={value}"] if option.startswith("--") else [option, value]
            words = [word for word in COMMANDS[command] if word != "-q"]  # a note that announces work would be seen
            done = CliRunner().invoke(app, [*command.split(), *words, *given])
            assert done.exit_code == 2, (given, done.output, done.exception)
            assert done.stderr.startswith("rsir: error: "), done.stderr
            assert len(done.stderr.splitlines()) == 1, done.stderr
            assert not done.stdout, given
            assert "Traceback" not in done.stderr
            assert not PYTHON.search(done.stderr), done.stderr
            stated = option in done.stderr or (option in STATED_BY and re.search(STATED_BY[option], done.stderr))
            assert stated, (given, done.stderr)
            assert sorted(path.name for path in place.iterdir()) == ["features", "scenes"], given


STATED_BY = {
    "--encoder": "(has no layer|unknown encoder)",
    "--rerank": "(expand|augment|diffuse): expected",
    "--steps": "(power|pca|whiten): expected",
    "--field": "expected one of the (fields|vectors)",
}
"""Where the value itself is named in place of the option."""


def test_every_command_is_tried():
    names = {command.name for command in app.registered_commands}
    groups = {group.name: group.typer_instance for group in app.registered_groups}
    names |= {f"{name} {inner.name}" for name, group in groups.items() for inner in group.registered_commands}
    assert names == set(COMMANDS)
    assert {option for name in COMMANDS for option in options_with_a_value(name)} == set(WRONG)


@pytest.mark.parametrize(
    "arguments",
    [
        ["features", "nowhere", "-o", "out"],
        ["features", "scenes", "-o", "out", "-w", "nowhere.pth"],
        ["features", "scenes", "-o", "out", "-e", "nowhere.safetensors"],
        ["evaluate", "ge2018", "nowhere"],
        ["evaluate", "dhcnn2021", "scenes", "-e", "nowhere.safetensors"],
        ["evaluate", "ge2018", "features", "--with", "nowhere", "-o", "out"],
        ["search", "nowhere", "scenes"],
        ["search", "features", "nowhere.jpg"],
        ["compare", "nowhere"],
        ["train", "dhcnn", "nowhere"],
        ["train", "hashing", "nowhere", "--method", "dpsh"],
        ["train", "dhcnn", "scenes", *NETWORK, "--split", "nowhere.json", "-o", "out"],
        ["train", "pretrain", "nowhere"],
        ["reproduce", "ge2018", "nowhere"],
        ["reproduce", "ge2018", "scenes", "--weights-folder", "nowhere"],
        ["reproduce", "dhcnn2021", "nowhere"],
        ["demo", "nowhere"],
    ],
)
def test_what_is_not_there_ends_with_1(place, monkeypatch, arguments):
    monkeypatch.chdir(place)
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1, done.output
    assert "nowhere" in done.stderr
    assert not PYTHON.search(done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout
    assert sorted(path.name for path in place.iterdir()) == ["features", "scenes"]


LATE = {"--field": {"fc9"}, "--device": {"cuda:99"}, "--reference": {"x"}, "--rerank-codes": {"0", "x"}}
"""Values that only a network, a device, all rows or the features tell wrong."""

TRIED = """
import functools, json, sys
import typer.testing
from typer.testing import CliRunner
from rsir_fast.cli import app

typer.testing._get_command = functools.cache(typer.testing._get_command)  # as in conftest.py
for arguments in json.load(sys.stdin):
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2, (arguments, done.output)
    assert "torch" not in sys.modules, arguments
    assert len(done.stderr.splitlines()) == 1 and done.stderr.startswith("rsir: error: "), (arguments, done.stderr)
"""


def test_what_can_be_told_at_once_is(place):
    """Before torch is imported, which takes seconds, and before a note announces any work."""
    tried, before = [], set()
    for command in COMMANDS:
        words = [word for word in COMMANDS[command] if word != "-q"]  # a note that announces work would be seen
        for option in options_with_a_value(command):
            for value in WRONG[option][: 1 if option in before else None]:
                if value not in LATE.get(option, ()):
                    given = [f"{option}={value}"] if option.startswith("--") else [option, value]
                    tried.append([*command.split(), *words, *given])
            before.add(option)
    assert len(tried) > 300
    done = subprocess.run(
        [sys.executable, "-c", TRIED], input=json.dumps(tried), capture_output=True, text=True, cwd=place
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert sorted(path.name for path in place.iterdir()) == ["features", "scenes"]
