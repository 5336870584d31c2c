"""``rsir reproduce ge2018`` as a user calls it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from network_files import write_network
from rsir_fast.cli import app
from scene_files import write_broken, write_scenes

QUICK = ["-e", "colour-histogram", "-e", "lbp", "--device", "cpu"]


@pytest.fixture(autouse=True)
def nowhere_else(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path_factory.mktemp("hub")))
    monkeypatch.delenv("RSIR_WEIGHTS", raising=False)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("scenes") / "data", per_class=6)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return write_network(tmp_path_factory.mktemp("weights"), "cnn-alex")


def run(*arguments):
    return CliRunner().invoke(app, ["reproduce", "ge2018", *map(str, arguments)])


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_twice_the_same_bytes(scenes, weights, tmp_path):
    arguments = [f"one={scenes}", f"two={scenes}", "--weights-folder", weights, *QUICK, "-o", tmp_path / "a"]
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    assert "one: 18 images, 3 classes" in done.stderr
    assert "\n1 of 12: one: cnn-alex, pool5, fc6, fc7\n" in done.stderr
    assert "\n12 of 12: two: lbp\n" in done.stderr
    assert done.stdout.splitlines()[-1] == f"report: {tmp_path / 'a/report.html'}"
    # Nothing is published for this data set, and there is one file of weights.
    assert "CNN-M, fc6" not in done.stdout
    said = " ".join(done.stdout.split())
    assert "9 rows and 1 column without any figure are left out (weights not found: imagenet-vgg-m.mat; " in said
    assert len(json.loads((tmp_path / "a/result.json").read_text())["datasets"][0]["rows"]) == 14
    assert (tmp_path / "a/map-one.csv").read_text().count("\n") == 6
    first = contents(tmp_path / "a")
    assert {"map-one.tex", "map-two.md", "anmrr.csv", "report.html", "result.json"} < set(first)

    again = run(*arguments, "--quiet")
    assert again.exit_code == 0, again.output
    assert again.stderr == ""
    assert contents(tmp_path / "a") == first

    every = run(*arguments, "--quiet", "--all-rows")
    assert re.search(r"CNN-M, fc6 +– \[\d\]", every.stdout)
    assert "left out" not in every.stdout
    assert (tmp_path / "a/map-one.csv").read_text().count("\n") == 15


def test_from_nothing_all_but_times_are_the_same(scenes, weights, tmp_path):
    results = []
    for name in ("a", "b"):
        done = run(scenes, "--weights-folder", weights, *QUICK, "--json", "--quiet", "-o", tmp_path / name)
        assert done.exit_code == 0, done.output
        results.append(json.loads(done.stdout))
        assert json.loads((tmp_path / name / "result.json").read_text()) == results[-1]
        for row in results[-1]["datasets"][0]["rows"]:
            row.pop("timing", None)
    assert results[0] == results[1]
    for name in ("map-data.md", "map-data.csv", "map-data.tex", "map_by_class-data.svg", "precision_recall-data.svg"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_interrupted_it_goes_on(scenes, weights, tmp_path):
    arguments = [f"data={scenes}", "--weights-folder", weights, *QUICK]
    command = [Path(sys.executable).with_name("rsir"), "reproduce", "ge2018", *arguments, "--out", tmp_path / "a"]
    process = subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    first = tmp_path / "a/runs/data/cnn-alex-pool5/result.json"
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and not first.exists():
        assert process.poll() is None
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate()
    assert process.returncode == 130
    message = r"rsir: interrupted; \d runs? finished and kept in .*/a; run the same command again to go on"
    assert re.fullmatch(message, stderr.splitlines()[-1])
    assert not (tmp_path / "a/report.html").exists()
    kept = first.read_bytes()
    for out in ("a", "b"):
        assert run(*arguments, "--quiet", "--out", tmp_path / out).exit_code == 0
    assert first.read_bytes() == kept
    assert (tmp_path / "a/map-data.csv").read_bytes() == (tmp_path / "b/map-data.csv").read_bytes()


def test_unreadable_images_make_exit_code_3(tmp_path):
    folder = write_scenes(tmp_path / "data", classes=2)
    write_broken(folder / "class0")
    done = run(folder, *QUICK, "--out", tmp_path / "out")
    assert done.exit_code == 3
    assert "3 images could not be read and were left out" in done.stderr
    assert (tmp_path / "out/report.html").is_file()


def test_no_weights_at_all_is_a_table_of_reasons(scenes, tmp_path):
    done = run(scenes, "-e", "none", "-o", tmp_path)
    assert done.exit_code == 0, done.output
    assert "weights not found: imagenet-vgg-verydeep-16.mat" in done.stdout


def test_help_names_the_defaults():
    done = CliRunner().invoke(app, ["reproduce", "ge2018", "--help"], env={"COLUMNS": "200"})
    for text in ("[default: squeezenet1_1, mobilenet_v2, bovw-150,", "[default: runs/reproduce-ge2018-NAMES]"):
        assert text in done.stdout


def test_a_damaged_weight_file_is_named(scenes, weights, tmp_path, monkeypatch):
    monkeypatch.setenv("RSIR_WEIGHTS", str(weights))
    (tmp_path / "w").mkdir()
    (tmp_path / "w/imagenet-caffe-alex.mat").write_bytes(b"other content")
    done = run(f"a={scenes}", "--weights-folder", tmp_path / "w", *QUICK, "-q", "-o", tmp_path / "out")
    assert done.exit_code == 0
    assert "rsir: a, cnn-alex:fc6: passed over: " in done.stderr


def test_a_folder_with_an_equals_sign(tmp_path):
    folder = write_scenes(tmp_path / "a=b", classes=2, per_class=3)
    for number, given in enumerate((folder, f"mine={folder}")):
        done = run(given, "-e", "lbp", "-q", "-o", tmp_path / str(number))
        assert done.exit_code == 0, done.output
    assert (tmp_path / "0/map-a-b.md").is_file()
    assert (tmp_path / "1/map-mine.md").is_file()


def test_what_cannot_be_done_is_one_line(scenes, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    for arguments, code, message in [
        ([f"={scenes}"], 2, "DATA: expected FOLDER or NAME=FOLDER"),
        (["a="], 2, "DATA: expected FOLDER or NAME=FOLDER"),
        ([""], 2, "arguments: expected a value, got nothing"),
        ([scenes, "-e", "none"], 2, "--encoder: expected names, or none by itself"),
        ([f"a={scenes}", f"a={scenes}"], 2, "expected different names, got a twice"),
        ([tmp_path / "none"], 1, "none: expected FOLDER/CLASS/image.jpg"),
        ([tmp_path / "empty"], 1, "empty"),
        ([scenes, "--weights-folder", tmp_path / "none"], 1, "expected a folder of weight files, found nothing there"),
        ([scenes, "-o", tmp_path / "file"], 1, "expected a folder for the tables, found a file"),
        ([scenes, "--reference", "x"], 2, "--reference: expected one of cnn-alex:pool5;"),
        ([scenes, "-e", "sift"], 2, "--encoder: unknown encoder 'sift'"),
        ([scenes, "-e", "mobilenet_v2,turns=mean"], 2, "--encoder: expected NAME or NAME:LAYER alone"),
        ([scenes, "--rerank", "magic"], 2, "magic"),
        ([scenes, "-e", "mobilenet_v2:fc9"], 2, "'mobilenet_v2' has no layer 'fc9'"),
        ([scenes, "-e", "cnn-f:gap"], 2, "'cnn-f' has no layer 'gap'"),
    ]:
        quick = QUICK[2:] if ":" in str(arguments[-1]) else QUICK
        done = run(*quick, "--out", tmp_path / "out", *arguments)
        assert done.exit_code == code, (arguments, done.output)
        assert message in done.stderr.splitlines()[-1]
        assert not (tmp_path / "out").exists()
