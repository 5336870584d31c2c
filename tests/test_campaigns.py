"""The campaigns of `tools/`, in short: damaged files, commands killed or failing at any call, answers of every path."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rsir_fast.base.durable import LEFTOVER

TOOLS = Path(__file__).parents[1] / "tools"


def run(*arguments: str) -> str:
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-W", "ignore", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert ended.returncode == 0, ended.stdout[-4000:] + ended.stderr[-4000:]
    return ended.stdout


def test_only_our_errors_leave_a_reader():
    said = run(str(TOOLS / "hostile.py"), "--cases", "60")
    counts = re.findall(r"(.+): 60 damaged, (\d+) refused, (\d+) read, 0 foreign", said)
    assert len(counts) == 19
    refused = {name: int(number) for name, number, _ in counts}
    hostile = ("version", "field", "items", "former manifest", "former shard", "split", "model", "checkpoint")
    assert all(refused[name] > 20 for name in hostile)


def test_a_command_killed_or_failing_at_a_call_can_be_run_again():
    said = run(str(TOOLS / "crash.py"), "--short", "features", "features --force")
    assert len(re.findall(r"features.*: \d\d calls disturbed, 0 failed", said)) == 2


def test_a_training_or_evaluation_killed_at_a_call_can_be_run_again():
    said = run(str(TOOLS / "crash.py"), "--short", "--fault", "KILL", "train", "evaluate")
    assert len(re.findall(r"(train|evaluate): \d calls disturbed, 0 failed", said)) == 2


PLANTED = """
import os, sys
sys.path.insert(0, sys.argv.pop(1))
import crash
from rsir_fast.base import durable
durable._hidden = lambda path: path.with_name(f"{path.name}.{os.getpid()}")  # no later run knows it for what it is
sys.exit(crash.main(["--short", "--fault", "KILL", "features"]))
"""


def test_the_campaign_notices_what_is_left_over():
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-W", "ignore", "-c", PLANTED, str(TOOLS)]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert ended.returncode == 1, ended.stderr[-4000:]
    assert re.search(r"FAILED features\|KILL\|.*\n(.*\n)*features: \d+ calls disturbed, [1-9]", ended.stdout)


STRACE = ["strace", "-f", "--seccomp-bpf", "-qq", "-e", "trace=fsync,rename,renameat,renameat2", "-y"]


def test_the_system_sees_file_and_folder_synced_around_every_rename(tmp_path):
    if (
        shutil.which("strace") is None
        or subprocess.run(["strace", "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("needs strace, and the right to trace")
    program = (
        "from rsir_fast.datasets import generate_scenes\n"
        "from rsir_fast.descriptors import LocalBinaryPatterns\n"
        "from rsir_fast.extraction import encode\n"
        "from rsir_fast.base.together import replace_together\n"
        "import sys; from pathlib import Path\n"
        "out = Path(sys.argv[1])\n"
        "data = generate_scenes(out / 'scenes', classes=1, per_class=2, size=32)\n"
        "encode(data, LocalBinaryPatterns(), out=out / 'features', workers=0)\n"
        "replace_together(out / 'report', {'a': b'1', 'b': b'2'})\n"
    )
    log = tmp_path / "log"
    subprocess.run([*STRACE, "-o", log, sys.executable, "-c", program, tmp_path / "out"], check=True)
    below = re.escape(str(tmp_path / "out"))
    rename = re.compile(rf'rename\w*\((?:AT_FDCWD\S*, )?"({below}[^"]*)", (?:AT_FDCWD\S*, )?"({below}[^"]*)".*\) += 0')
    synced: set[str] = set()
    to_sync: set[str] = set()
    renamed = 0
    for line in log.read_text().splitlines():
        if found := re.search(rf"fsync\(\d+<({below}[^>]*)>\) += 0", line):
            synced.add(found[1])
            to_sync.discard(found[1])
        elif found := rename.search(line):
            source, place = found.groups()
            if LEFTOVER.fullmatch(Path(place).name):
                continue  # on its way to be removed
            assert source in synced, f"{source} was not synced before it was renamed"
            # What was synced stays so under its new name, the content of a folder too.
            synced |= {place + path.removeprefix(source) for path in synced if f"{path}/".startswith(f"{source}/")}
            to_sync.add(str(Path(place).parent))
            renamed += 1
    assert renamed >= 11
    assert not to_sync, f"not synced after a rename: {to_sync}"


def test_every_path_gives_the_same_answer():
    said = run(str(TOOLS / "differential.py"), "--cases", "150")
    assert len(re.findall(r"cases 0 to 149, 0 differ", said)) == 4
    said = run(str(TOOLS / "differential.py"), "--cases", "2", "--large")
    assert len(re.findall(r"large: cases 0 to 1, 0 differ", said)) == 4


ONE_BIT = """
import sys
sys.path.insert(0, sys.argv.pop(1))
import differential
import numpy as np
right = differential.rf.euclidean_topk
def euclidean_topk(*given, **options):
    answer = right(*given, **options)
    if options["method"] != "dense":
        answer.squared.view(np.uint32)[-1, -1] ^= 1
    return answer
differential.rf.euclidean_topk = euclidean_topk
sys.exit(differential.main(["--cases", "20", "--only", "own rows", "--state", sys.argv[1]]))
"""


def test_the_campaign_notices_one_bit_and_goes_on_where_it_stopped(tmp_path):
    state = tmp_path / "state.json"
    command = [sys.executable, "-c", ONE_BIT, str(TOOLS), str(state)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "own rows 0: AssertionError: distances" in ended.stdout
    assert "20 differ" in ended.stdout, ended.stderr[-4000:]
    assert not state.exists()  # what differed is done again
    for cases, first in ((150, 0), (200, 150)):
        said = run(str(TOOLS / "differential.py"), "--cases", str(cases), "--only", "codes", "--state", str(state))
        assert f"from {first})" in said
