"""``rsir reproduce dhcnn2021`` as a user calls it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rsir_fast.cli import app
from scene_files import write_broken, write_scenes

QUICK = ["--freeze-backbone", "-e", "squeezenet1_1", "-w", "random:0", "--device", "cpu"]
SMALL = [*QUICK, "--bits", "8,16", "--seeds", "2", "--epochs", "2"]
TABLES = ("result.json", "table.md", "table.csv", "table.tex", "runs.csv", "report.html")


def run(*arguments):
    return CliRunner().invoke(app, ["reproduce", "dhcnn2021", *map(str, arguments)])


def contents(folder: Path) -> dict[str, bytes]:
    costs = ("timing.json", "memory.json")
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.name not in costs}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("scenes") / "data", per_class=10)


def test_twice_the_same_bytes(scenes, tmp_path):
    done = run(scenes, *SMALL, "--out", tmp_path / "a")
    assert done.exit_code == 0, done.output
    assert "1 of 14: features, Euclidean, seed 0" in done.stderr
    assert "14 of 14: random projection, 16 bits, seed 1" in done.stderr
    assert done.stdout.splitlines()[-1] == f"report: {tmp_path / 'a/report.html'}"
    assert " DHCNN " in done.stdout
    first = contents(tmp_path / "a")
    assert set(TABLES) < set(first)

    again = run(scenes, *SMALL, "--out", tmp_path / "a", "--quiet")
    assert again.exit_code == 0, again.output
    assert again.stderr == ""
    assert contents(tmp_path / "a") == first

    anew = run(scenes, *QUICK, "--bits", "16", "--bits", "8", "--seeds", "2", "--epochs", "2", "--out", tmp_path / "b")
    assert anew.exit_code == 0, anew.output
    assert contents(tmp_path / "b") == first


def test_json_of_the_papers_setting(tmp_path):
    whu = write_scenes(tmp_path / "WHU-RS19", per_class=14)
    options = ["--bits", "8", "--seeds", "1", "--epochs", "1", "--recipe", "matlab", "--paper", "--json", "--quiet"]
    done = run(whu, *QUICK, *options, "-o", tmp_path)
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert result["settings"]["train"] == result["settings"]["rules"]["split"]["train"] == 0.5
    assert result["settings"]["recipes"]["DHCNN"]["loss"]["beta"] == 10
    assert result["settings"]["rules"]["cutoffs"] == [*range(1, 482, 20)]
    assert result["curves"]["methods"]["ITQ"]["cutoffs"] == result["curves"]["methods"]["DHCNN"]["cutoffs"]
    assert result["curves"]["methods"]["ITQ"]["cutoffs"] == [1, 21]
    assert [row["bits"] for row in result["rows"]] == [
        None,
        8,
        8,
        8,
        8,
        8,
    ]  # DHCNN, its label, its probabilities, ITQ, random
    assert json.loads((tmp_path / "result.json").read_text()) == result


@pytest.mark.parametrize("press", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_it_goes_on(scenes, tmp_path, press):
    command = [Path(sys.executable).with_name("rsir"), "reproduce", "dhcnn2021", scenes, *QUICK]
    command += ["--bits", "8", "--seeds", "2", "--epochs", "120", "--out", tmp_path / "a"]
    process = subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    second = tmp_path / "a/models/seed1-8bits-dhcnn"
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and not (second / "checkpoint.pt").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(press)
    _, stderr = process.communicate()
    assert not (second / "result.json").exists(), "the second training was too short to be interrupted"
    if press == signal.SIGINT:
        assert process.returncode == 130
        assert stderr.splitlines()[-1] == (
            f"rsir: interrupted; 5 runs finished and kept in {tmp_path / 'a'}; run the same command again to go on"
        )
    arguments = [scenes, *QUICK, "--bits", "8", "--seeds", "2", "--epochs", "120", "--quiet"]
    assert run(*arguments, "--out", tmp_path / "a").exit_code == 0
    assert run(*arguments, "--out", tmp_path / "b").exit_code == 0
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_unreadable_images_make_exit_code_3(tmp_path):
    folder = write_scenes(tmp_path / "data", classes=2)
    write_broken(folder / "class0")
    done = run(folder, *QUICK, "--bits", "8", "--seeds", "1", "--epochs", "1", "--out", tmp_path / "out")
    assert done.exit_code == 3
    assert "3 images could not be read and were left out" in done.stderr
    assert (tmp_path / "out/report.html").is_file()


def test_what_cannot_be_done_is_one_line(scenes, tmp_path):
    (tmp_path / "file").write_text("")
    for arguments, code, message in [
        (["--bits", "7"], 2, "--bits: expected hash lengths of 8 to 1024, got 7"),
        (["--bits", "16;32"], 2, "--bits: expected hash lengths such as 16,32,64, got '16;32'"),
        (
            ["--unseen", "0.25", "--seeds", "2"],
            2,
            "--seeds: expected none beside --unseen, which trains",
        ),
        (["--draws", "2"], 2, "--draws: expected none beside a split of every class, which has --seeds"),
        (["--out", tmp_path / "file"], 1, "expected a folder for the tables, found a file"),
    ]:
        done = run(scenes, *QUICK, "--out", tmp_path / "out", *arguments)
        assert done.exit_code == code, done.output
        assert message in done.stderr.splitlines()[-1]
