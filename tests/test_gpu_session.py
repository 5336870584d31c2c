"""What a session on a lent GPU machine runs (`benchmarks/gpu_session.sh`), as far as it goes without one.

The programs run on the host that plays a device; the script itself runs as it is, on a machine without a GPU.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import gpu_cases
import gpu_extraction
import gpu_session
import gpu_tiny
from cuda_on_host import on_host, pretend
from gpu_reference import euclidean_answer, hamming_answer, rows_to_check
from gpu_timing import Timing, rates
from op_support import same_bits
from rsir_fast.ops import reference
from rsir_fast.ops.engines import device_euclidean, device_hamming

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "benchmarks/gpu_session.sh"


@pytest.fixture
def _hopper(monkeypatch):
    """The device is one of sm_90, played by the host; searches take the paths of large inputs."""
    on_host(monkeypatch)
    monkeypatch.setattr(device_hamming, "MANY_ITEMS", 0)
    monkeypatch.setattr(device_euclidean, "CERTIFY_ELEMENTS", 0)
    pretend(9)
    yield
    pretend(8)


@pytest.mark.usefixtures("_hopper")
def test_the_smallest_cases_pass(capsys):
    assert gpu_tiny.run([], "cpu") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == list(gpu_tiny.CASES)
    assert all(": ok, " in line for line in lines)


@pytest.mark.usefixtures("_hopper")
def test_a_wrong_answer_is_told(capsys, monkeypatch):
    right = gpu_tiny.rf.pack_codes
    monkeypatch.setattr(gpu_tiny.rf, "pack_codes", lambda x: right(x) ^ isinstance(x, torch.Tensor))
    assert gpu_tiny.run(["pack"], "cpu") == 1
    assert "pack_codes: FAILED: " in capsys.readouterr().out


@pytest.mark.usefixtures("_hopper")
def test_cases_are_checked_counted_and_written(tmp_path, monkeypatch):
    """Every kind of case, at a size that the host can play; peers as far as they need no device."""
    tiny = [
        gpu_cases.hamming_topk(17, 600, 64, 10, None),
        gpu_cases.euclidean_topk(2, 600, 40, 10, 1.5),
        gpu_cases.euclidean_topk(9, 600, 40, 10, None, wild=True),
        gpu_cases.relevant_ranks(60, 16, 5),
        gpu_cases.prepare(30, 70),
        gpu_cases.gaussian_normalize(30, 70, "feature"),
        gpu_cases.gaussian_normalize(30, 70, "row"),
        gpu_cases.pack_codes(30, 64),
    ]
    monkeypatch.setattr(gpu_cases, "DEVICE", "cpu")
    monkeypatch.setattr(gpu_session, "timed", lambda run: (run(), Timing(2.0, 1.0, 3.0, 1))[1])
    tiny.append(gpu_cases.with_tma(gpu_cases.euclidean_topk(130, 300, 40, 10, None)))
    results = {"machine": {"device": "the host"}, "ceilings": {"read GB/s": 1000.0, "copy GB/s": 1000.0}, "cases": []}
    for case in tiny:
        results["cases"].append(gpu_session.measure(case, results["ceilings"]))
    rows = {row["case"]: row for row in results["cases"]}
    assert rows["hamming_topk 17 x 600 x 64 bits, k 10"]["rsir_fast"]["failed"] == 0
    few = rows["euclidean_topk 2 x 600 x 40, k 10"]
    assert 10 <= few["rsir_fast, prepared"]["candidates"] < 600
    assert rows["euclidean_topk 9 x 600 x 40, k 10, one query infinite"]["rsir_fast, prepared"]["failed"] == 1
    assert json.loads(json.dumps(results)) == results
    (tmp_path / "results.md").write_text(gpu_session.table(results))
    assert "2 (1-3; " in (tmp_path / "results.md").read_text()


def test_images_to_features_are_checked_and_written(tmp_path, monkeypatch, capsys):
    """On the CPU, whose features they are; then asked to be nearer than equal."""
    monkeypatch.setattr(gpu_extraction, "rate", lambda turn, device: float(turn()))
    monkeypatch.setattr(gpu_extraction, "BATCH", 2)
    monkeypatch.setattr(gpu_extraction, "TOLERANCE", {"float32": 0.0})
    assert gpu_extraction.main(tmp_path, "cpu", 3, ("squeezenet1_1",)) == 0
    (row,) = json.loads((tmp_path / "extraction.json").read_text())["rows"]
    assert row["one operation after the other"] == 2
    assert row["decoding"] == {"cpu": 3}
    assert (row["difference"], row["agrees"], row["same bits as alone"]) == (0, True, True)
    assert "| squeezenet1_1 | float32 | 2 |  | 3 (cpu) | " in capsys.readouterr().out
    monkeypatch.setattr(gpu_extraction, "TOLERANCE", {"float32": -1.0})
    assert gpu_extraction.main(tmp_path, "cpu", 3, ("squeezenet1_1",)) == 1
    assert "FAILED: squeezenet1_1 float32" in capsys.readouterr().err


def test_cases_come_in_their_order_and_have_their_own_names():
    names = [case.name for case in gpu_cases.cases()]
    assert len(set(names)) == len(names)
    assert names[0] == "hamming_topk 64 x 100000000 x 64 bits, k 100"  # never measured
    assert [list(case.runs) for case in gpu_cases.tma_cases()] == 3 * [["rsir_fast, prepared", "rsir_fast, TMA"]]


def test_torch_gives_the_right_answers():
    rng = np.random.default_rng(0)
    for d in (1, 31, 33, 70):
        x = rng.standard_normal((90, d)).astype(np.float32)[rng.integers(0, 90, 90)]
        x[4, 0], x[5, d - 1] = np.inf, np.nan
        found = euclidean_answer(torch.from_numpy(x[:7]), torch.from_numpy(x), 90)
        assert all(same_bits(a.numpy(), b) for a, b in zip(found, reference.euclidean_topk(x[:7], x, 90), strict=True))
    codes = rng.integers(0, 256, (90, 8), dtype=np.uint8)[rng.integers(0, 90, 90)]
    found = hamming_answer(torch.from_numpy(codes[:7]), torch.from_numpy(codes), 90)
    assert all(
        same_bits(a.numpy(), b) for a, b in zip(found, reference.hamming_topk(codes[:7], codes, 90, 64), strict=True)
    )
    assert rows_to_check(1024) == [0, 63, 64, 127, 128, 1023]
    assert rows_to_check(1) == [0]


def test_rates_are_those_that_the_program_prints(tmp_path):
    assert rates("") == {}
    program = tmp_path / "rates"
    program.write_text("#!/bin/sh\necho '{\"L2 TB/s\": 8}'\n")
    program.chmod(0o755)
    assert rates(str(program)) == {"L2 TB/s": 8}


def session(out: Path, *stages: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the script with no GPU in sight; the package is that of this checkout."""
    seen = {**os.environ, "PYTHON": sys.executable, "CUDA_VISIBLE_DEVICES": "", "SITE": str(ROOT / "python")}
    command = [str(SCRIPT), str(out), *stages]
    return subprocess.run(
        command, env={**seen, **environment}, capture_output=True, text=True, check=False, timeout=200
    )


def test_every_stage_has_its_turn_and_its_line_in_the_log(tmp_path):
    pytest.importorskip("rsir_fast._cuda", reason="built without a CUDA compiler")
    done = session(tmp_path / "out", TESTS="tests/ops/test_pack_codes.py")
    log = (tmp_path / "out/session.log").read_text()
    assert done.returncode == 1  # there is no device
    stages = ("smoke", "time", "test", "extract", "tma", "memcheck", "racecheck")
    places = [log.index(f"== {stage}: exit") for stage in stages]
    assert places == sorted(places)
    assert "gpu_tiny: no CUDA device that torch can use" in log
    assert "== test: exit 0" in log  # all skipped
    assert "skipped" in log
    assert "== in all: FAILED" in log
    assert "build:" not in log
    assert "== smoke: exit 1, " in done.stdout


def test_a_stage_that_hangs_is_ended_and_the_next_one_runs(tmp_path):
    """A Python that sleeps in the smoke test stands for a kernel that hangs; what it printed before is kept."""
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\ncase "$*" in *gpu_tiny*) echo begun; sleep 60;; *) echo "ran $*";; esac\n')
    python.chmod(0o755)
    done = session(tmp_path / "out", "smoke", "time", PYTHON=str(python), LIMITS="smoke=1")
    log = (tmp_path / "out/session.log").read_text()
    assert done.returncode == 1
    assert log.index("begun") < log.index("== smoke: out of time, 1 s") < log.index("ran benchmarks/gpu_session.py")
    assert "== time: exit 0" in log


def test_stages_fit_into_their_time():
    limits = subprocess.check_output(
        ["bash", "-c", f"grep -o '^declare -A limit=.*' {SCRIPT} && eval \"$(grep '^declare -A limit=' {SCRIPT})\" && "
         "unset limit[build] && echo $((${limit[*]/%/ +} 0))"],
        text=True,
    )  # fmt: skip
    assert limits.splitlines()[-1] == "500"


def test_an_unknown_stage_is_refused(tmp_path):
    done = session(tmp_path / "out", "smoke", "sanitise")
    assert done.returncode == 2
    assert "expected smoke, time, test, extract, tma, memcheck or racecheck, got 'sanitise'" in done.stderr
