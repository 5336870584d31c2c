"""A measuring command that was killed goes on; what it had measured stays, and only where figures are comparable."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from argparse import Namespace
from pathlib import Path

import pytest

import parts
from cases import CASES
from engines import clean_environment
from machine import ROOT, provenance
from parts import Parts

HERE = Path(__file__).parent
PROGRAMS = {
    "run": ["--cases", "L2 50,000 x 512, 64 q", "--peers", "rsir_fast,numpy"],
    "sweep": ["--peers", "numpy"],
    "growth": ["--only", "512"],
}


def command(program, out, *options):
    return [sys.executable, str(HERE / f"{program}.py"), "--small", "--out", str(out), *PROGRAMS[program], *options]


def run(*arguments):
    return subprocess.run(command(*arguments), capture_output=True, text=True, env=clean_environment())


def killed(program, out, least):
    """Kill the command when it has kept so many parts; return them by their file's name."""
    folder = out.with_suffix(".parts")
    with subprocess.Popen(command(program, out), stderr=subprocess.DEVNULL, env=clean_environment()) as process:
        deadline = time.monotonic() + 300
        while len(list(folder.glob("*.json"))) < least and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    return {file.name: json.loads(file.read_text())["part"] for file in folder.glob("*.json")}


def figures(program, result):
    """Return of every part of a result what it measured."""
    if program == "sweep":
        databases = dict.fromkeys((cell["n"], cell["d"]) for cell in result["cells"])
        return [[cell for cell in result["cells"] if (cell["n"], cell["d"]) == each] for each in databases]
    return result["cases" if program == "run" else "series"]


@pytest.mark.parametrize("program", list(PROGRAMS))
def bench_a_killed_command_goes_on(program, tmp_path):
    out = tmp_path / "result.json"
    kept = killed(program, out, 2)
    (out.with_suffix(".parts") / "half.new").write_text('{"half')
    done = run(program, out)
    assert done.returncode == 0, done.stderr
    assert not out.with_suffix(".parts").exists()
    assert done.stderr.count(": measured ") == len(kept)
    found = figures(program, json.loads(out.read_text()))
    assert len(found) > len(kept) >= 2
    for part in kept.values():  # times, to the last digit
        if program == "run":
            part["row"]["floors_ms"] = next(row["floors_ms"] for row in found if row["name"] == part["row"]["name"])
        assert {"run": part.get("row"), "sweep": part.get("cells"), "growth": part}[program] in found


def bench_by_one_part_at_a_time(tmp_path):
    out = tmp_path / "result.json"
    for count in (1, 2):
        done = run("growth", out, "--parts", "1")
        assert done.returncode != 0
        assert "the same command goes on" in done.stderr
        assert len(list(out.with_suffix(".parts").glob("*.json"))) == count
    assert run("growth", out, "--parts", "1").returncode == 0
    assert len(json.loads(out.read_text())["measured"]) == 3


KEY = {"sources": "a", "cpu": "one", "numpy": "2.0"}


def bench_a_part_counts_only_where_all_is_the_same(tmp_path, capsys):
    first = Parts(tmp_path / "p", KEY)
    assert first.measured("x", lambda: {"ms": 1}) == {"ms": 1}
    assert Parts(tmp_path / "p", KEY).measured("x", lambda: {"ms": 2}) == {"ms": 1}
    for name in KEY:
        other = Parts(tmp_path / "p", {**KEY, name: "other"})
        assert other.measured("x", lambda: {"ms": 3}) == {"ms": 3}
        assert f"x: measured anew, as it was with other {name} ({KEY[name]}, now other)" in capsys.readouterr().err
        again = Parts(tmp_path / "p", KEY)
        assert again.measured("x", lambda: {"ms": 1}) == {"ms": 1}


def bench_what_an_earlier_day_left_is_taken_up(tmp_path, capsys):
    older, newer = tmp_path / "2026-01-30-cpu-sweep.parts", tmp_path / "2026-01-31-cpu-sweep.parts"
    for folder, key in ((older, KEY), (newer, {**KEY, "numpy": "3.0"})):
        Parts(folder, key).measured("x", lambda: {"ms": 1})
    (tmp_path / "2026-01-31-cpu-sweep-2.parts").mkdir()
    today = tmp_path / "2026-02-01-cpu-sweep.parts"
    assert parts.unfinished(today, KEY) == older
    assert "2026-01-31-cpu-sweep.parts: left alone, as it is of other numpy (3.0, now 2.0)" in capsys.readouterr().err
    assert parts.unfinished(today, {**KEY, "cpu": "two"}) is None
    assert parts.unfinished(tmp_path / "2026-02-01-cpu.parts", KEY) is None


def bench_small_sizes_without_a_place_touch_no_results(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "result_path", lambda *_: tmp_path / "2026-02-01-cpu.json")
    _, out, kept = parts.begin("bench", Namespace(small=True, out=None, parts=None))
    assert out is None
    assert tmp_path not in kept.folder.parents
    kept.remove()
    _, out, kept = parts.begin("bench", Namespace(small=False, out=None, parts=None))
    assert (out, kept.folder) == (tmp_path / "2026-02-01-cpu.json", tmp_path / "2026-02-01-cpu.parts")


def bench_every_case_has_a_file_of_its_own(tmp_path):
    kept = Parts(tmp_path, KEY)
    for case in CASES:
        kept.measured(case.name, dict)
    assert len(list(tmp_path.glob("*.json"))) == len(CASES)


def bench_a_command_names_no_folder_of_this_machine(monkeypatch):
    words = ["benchmarks/extraction.py", "--data", "/data/UC Merced", "--out=/home/ann/b.json", "-k", "3"]
    monkeypatch.setattr("sys.argv", [str(ROOT / words[0]), *words[1:]])
    assert provenance()["command"] == "python benchmarks/extraction.py --data 'UC Merced' --out=b.json -k 3"
