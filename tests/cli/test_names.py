"""One meaning for one name, over all commands; what was called otherwise before says what it is called now."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import defaultdict
from typing import get_args, get_type_hints

import pytest
import typer
from typer.testing import CliRunner

from rsir_fast.cli import app
from scene_files import write_scenes


def commands(group: typer.Typer = app, path: tuple[str, ...] = ()):
    """Every command by its words, with its function."""
    for command in group.registered_commands:
        yield (*path, command.name), command.callback
    for inner in group.registered_groups:
        yield from commands(inner.typer_instance, (*path, inner.name))


def parameters():
    """Command, names, Python name, kind of value of every option and argument."""
    for path, function in commands():
        for name, hint in get_type_hints(function, include_extras=True).items():
            told = next((extra for extra in get_args(hint)[1:] if hasattr(extra, "param_decls")), None)
            if told is None:
                continue
            # Beside a type, what typer calls the default is the first of the names.
            names = [text for text in (told.default, *(told.param_decls or ())) if isinstance(text, str)]
            argument = type(told).__name__ == "ArgumentInfo"
            default = name.upper() if argument else f"--{name.replace('_', '-')}"
            yield " ".join(path), names if any(text[:2] == "--" for text in names) else [*names, default], hint


SEVERAL = {"--encoder", "--steps", "--rerank", "--bits", "--normalize", "DATA", "FEATURES"}
"""What one command takes once and another many times, or with more words, each with the same meaning."""


def test_a_name_takes_one_kind_of_value():
    kinds = defaultdict(set)
    for _, names, hint in parameters():
        kind = next(kind for kind in (*get_args(get_args(hint)[0]), get_args(hint)[0]) if kind is not type(None))
        if SEVERAL.isdisjoint(names):
            for name in names:
                kinds[name].add(kind)
    assert {name: kind for name, kind in kinds.items() if len(kind) > 1} == {}


def test_a_short_name_is_that_of_one_option():
    longs = defaultdict(set)
    for _, names, _ in parameters():
        for short in (name for name in names if name.startswith("-") and len(name) == 2):
            longs[short].add(next((name for name in names if name.startswith("--")), short))
    assert {short: names for short, names in longs.items() if len(names) > 1} == {}
    assert {"-o", "-e", "-w", "-q", "-k"} == set(longs)


@pytest.mark.parametrize(
    ("arguments", "now"),
    [
        (["demo", "--data", "folder"], "rsir demo FOLDER"),
        (["demo", "--data=folder"], "rsir demo FOLDER"),
        (["demo", "-d", "folder"], "rsir demo FOLDER"),
        (["demo", "--per-class", "3"], "--scenes-per-class"),
        (["doctor", "--all"], "--all-networks"),
        (["features", "x", "--all", "-o", "y"], "--all-items"),
        (["evaluate", "ge2018", "x", "--all"], "--all-items"),
        (["evaluate", "dhcnn2021", "x", "--all"], "--all-items"),
        (["train", "dhcnn", "x", "--all"], "--all-items"),
        (["train", "hashing", "x", "--all"], "--all-items"),
        (["reproduce", "dhcnn2021", "x", "--all"], "--all-items"),
        (["reproduce", "ge2018", "x", "--all"], "--all-items"),
        (["reproduce", "ge2018", "--data", "x"], "rsir reproduce ge2018 FOLDER"),
        (["reproduce", "ge2018", "x", "--weights", "w"], "--weights-folder"),
        (["reproduce", "ge2018", "x", "-w", "w"], "--weights-folder"),
        (["search", "x", "q.jpg", "--rerank", "9"], "--rerank-codes"),
        (["features", "x", "--backbone", "cnn-m"], "it is --encoder NAME now"),
        (["features", "x", "-b", "cnn-m"], "it is --encoder NAME now"),
        (["train", "pretrain", "x", "--backbone", "cnn-m"], "it is --encoder NAME now"),
        (["reproduce", "ge2018", "x", "-b", "cnn-m"], "it is --encoder NAME now"),
        (["reproduce", "ge2018", "x", "--descriptor", "hog"], "it is --encoder NAME, such as bovw-150 now"),
        (["evaluate", "ge2018", "x", "--layer", "fc6"], "it is --encoder NAME:LAYER now"),
        (["evaluate", "ge2018", "x", "--descriptor", "hog"], "it is --encoder NAME, such as bovw-150 now"),
        (["features", "x", "--model", "m"], "it is --encoder FILE now"),
        (["evaluate", "dhcnn2021", "x", "-m", "m"], "it is --encoder FILE now"),
        (["train", "dhcnn", "x", "--resize", "whole"], "it is --encoder NAME,resize=short-side now"),
        (["features", "x", "--turns"], "it is --encoder NAME,turns=mean now"),
        (["features", "x", "--each-turn"], "it is --encoder NAME,turns=each now"),
        (["evaluate", "ge2018", "x", "--sizes", "64"], "it is --encoder NAME,sizes=224+320 now"),
        (["features", "x", "--precision", "bfloat16"], "it is --encoder NAME,precision=bfloat16 now"),
        (["search", "x", "q.jpg", "--model", "m"], "it is --weights FILE now"),
    ],
)
def test_an_old_name_says_the_new_one(tmp_path, monkeypatch, arguments, now):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"rsir: error: {next(a for a in arguments if a.startswith('-')).partition('=')[0]}: ")
    assert now in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        ("features scenes -o x --data y", "rsir features FOLDER"),
        ("features scenes -o x -d y", "rsir features FOLDER"),
        ("search x y --data z", "rsir search FEATURES QUERIES"),
        ("compare --data z", "rsir compare FEATURES"),
        ("evaluate ge2018 x --resume", "the same command again"),
        ("reproduce ge2018 x --resume", "the same command again"),
        ("demo --resume", "the same command again"),
        ("search x y --resume", "the same command again"),
        ("reproduce ge2018 x --bits 8", "an option of `rsir reproduce dhcnn2021`, `rsir reproduce hashing`, "),
        ("compare x -w y", "an option of `rsir demo`, "),
        ("features x -o y --rerank expand:5", "`rsir compare`, `rsir search`, `rsir evaluate ge2018` and "),
        ("train dhcnn x --lr 3", "it is --learning-rate"),
        ("features x --output y", "it is --out"),
        ("search x y --top-k 3", "it is -k"),
        ("features x -o y --bacth-size 3", "did you mean --batch-size"),
        ("train pretrain x --epoch 3", "did you mean --epochs"),
        ("features x -o y --frobnicate", "`rsir features -h`"),
        ("frobnicate", "there are compare, demo"),
        ("extract x", "did you mean features?"),
        ("evaluate ge2019 x", "did you mean ge2018?"),
        ("features x", "--out: expected a value"),
        ("search x", "QUERIES: expected images, or --id, --at,"),
        ("search x y -k many", "-k: expected a whole number, got 'many'"),
        ("features x -o y --batch-size=many", "--batch-size: expected a whole number, got 'many'"),
        ("features x -o y -e mobilnet_v2", "did you mean mobilenet_v2?"),
    ],
)
def test_what_was_meant_is_said_in_one_line(tmp_path, monkeypatch, arguments, meant):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, arguments.split())
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("rsir: error: ")
    assert meant in line
    assert list(tmp_path.iterdir()) == []


def test_values_may_look_like_old_names():
    done = CliRunner().invoke(app, ["reproduce", "ge2018", "nowhere", "-o", "x", "--", "-w"])
    assert "no such option" not in done.stderr


def test_python_m_rsir_fast_is_rsir():
    done = subprocess.run([sys.executable, "-m", "rsir_fast", "features", "-h"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Usage: rsir features" in done.stdout
    done = subprocess.run([sys.executable, "-m", "rsir_fast", "frobnicate"], capture_output=True, text=True)
    assert done.returncode == 2


@pytest.mark.parametrize(
    "command",
    [
        "features {}",
        "evaluate ge2018 {}",
        "evaluate dhcnn2021 {}",
        "reproduce ge2018 {}",
        "reproduce ge2018 mine={}",
        "reproduce dhcnn2021 {}",
        "reproduce hashing {}",
        "train dhcnn {}",
        "train hashing {} --method dpsh",
        "train pretrain {}",
        "demo {}",
    ],
)
def test_no_command_writes_among_what_it_reads(tmp_path, monkeypatch, command):
    (tmp_path / "forest").mkdir()
    (tmp_path / "forest/a.jpg").write_bytes(b"kept")
    monkeypatch.chdir(tmp_path)
    default = [[]] if "features" not in command else []
    for out in (["--out", f"{tmp_path}/forest/.."], ["--out", f"{tmp_path}/forest/new"], *default):
        done = CliRunner().invoke(app, [*command.format(tmp_path).split(), *out])
        assert done.exit_code == 2, done.output
        assert "--out: expected a folder of its own outside of" in done.stderr
    assert [path.name for path in tmp_path.rglob("*")] == ["forest", "a.jpg"]


@pytest.mark.parametrize("seconds", [0.5, 1.0, 2.0])
def test_interrupted_while_it_starts_it_is_one_line(tmp_path, seconds):
    write_scenes(tmp_path / "scenes", per_class=150)  # not done within that time
    command = [sys.executable, "-m", "rsir_fast", "features", tmp_path / "scenes", "-o", tmp_path / "out"]
    started = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    time.sleep(seconds)
    started.send_signal(signal.SIGINT)
    said = started.communicate()[1]
    assert started.returncode == 130, said
    assert said.startswith("rsir: interrupted")
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("pause", [0.0, 0.05, 0.3])
def test_interrupted_twice_it_is_one_line_as_well(tmp_path, pause):
    write_scenes(tmp_path / "scenes", per_class=60)
    command = [sys.executable, "-m", "rsir_fast", "features", tmp_path / "scenes", "-o", tmp_path / "out"]
    command += ["-e", "bovw-8"]
    started = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    said = started.stderr.readline()  # at work
    assert "vocabulary" in said
    for _ in range(2):
        if started.poll() is None:
            started.send_signal(signal.SIGINT)
        time.sleep(pause)
    said = started.communicate()[1]
    assert started.returncode == 130, said
    assert said.startswith("rsir: interrupted")
    assert len(said.splitlines()) == 1
