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


def said_by(program: str, *arguments: str) -> str:
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-W", "ignore", "-c", program, str(TOOLS), *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert ended.returncode == 0, ended.stdout[-4000:] + ended.stderr[-4000:]
    return ended.stdout


HOSTILE = """
import sys
sys.path.insert(0, sys.argv[1])
import hostile
sys.exit(hostile.main(["--cases", "25"]))
"""


def test_only_our_errors_leave_a_reader():
    counts = re.findall(r"(.+): 25 damaged, (\d+) refused, (\d+) read, 0 foreign", said_by(HOSTILE))
    assert len(counts) == 19
    refused = {name: int(number) for name, number, _ in counts}
    hostile = ("version", "field", "items", "former manifest", "former shard", "split", "model", "checkpoint")
    assert all(refused[name] > 8 for name in hostile)


CRASHES = """
import os, sys
sys.path.insert(0, sys.argv[1])
import crash
for given in ["9", "features", "features --force"], ["4", "train", "evaluate", "--fault", "KILL"]:
    print("ended with", crash.main(["--short", *given]), flush=True)  # or a child that is forked says it, too
from rsir_fast.base import durable, placed
for module in durable, placed:  # no later run shall know it for what it is
    module._hidden = lambda path: path.with_name(f"{path.name}.{os.getpid()}")
print("planted: ended with", crash.main(["--short", "9", "--fault", "KILL", "features"]))
"""


@pytest.fixture(scope="module")
def crashes() -> str:
    """What the campaign says: of the package, then of a fault in it; all of it once imported."""
    return said_by(CRASHES)


def test_a_command_killed_or_failing_at_a_call_can_be_run_again(crashes):
    found = re.findall(r"(.+): (\d) calls disturbed, (\d) failed.*", crashes.partition("planted")[0])
    assert found[:4] == [
        ("features", "9", "0"),
        ("features --force", "9", "0"),
        ("train", "4", "0"),
        ("evaluate", "4", "0"),
    ], crashes
    assert crashes.startswith("features: ")
    assert re.findall(r"^ended with (.*)", crashes, re.M) == ["0", "0"]


def test_the_campaign_notices_what_is_left_over(crashes):
    planted = crashes.split("ended with 0\n")[2]
    assert re.search(r"^FAILED features\|KILL\|.*\n(.*\n)*features: 9 calls disturbed, [1-9]", planted), crashes
    assert planted.endswith("planted: ended with 1\n")


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


EVERY_PATH = """
import sys
sys.path.insert(0, sys.argv[1])
import differential
most = [part for kind in ("search", "ranks", "codes") for part in ("--only", kind)]
own = ["--only", "own rows", "--first", "1"]  # of case 0 plain NumPy takes 15 s, which judges that pass in `search`
for given in ["150", *most], ["30", *own], ["2", "--large", "--first", "3"]:
    assert differential.main(["--cases", *given]) == 0
"""


def test_every_path_gives_the_same_answer():
    said = said_by(EVERY_PATH)
    assert re.findall(r"^(search|ranks|codes): cases 0 to 149, 0 differ", said, re.M) == ["search", "ranks", "codes"]
    assert "own rows: cases 1 to 30, 0 differ" in said
    assert len(re.findall(r"large: cases 3 to 4, 0 differ", said)) == 4


ONE_BIT = """
import os, sys
sys.path.insert(0, sys.argv[1])
import differential
import numpy as np
right = differential.rf.euclidean_topk
def euclidean_topk(*given, **options):
    answer = right(*given, **options)
    if options["method"] != "dense":
        answer.squared.view(np.uint32)[-1, -1] ^= 1
    return answer
differential.rf.euclidean_topk = euclidean_topk
given = ["--state", sys.argv[2], "--only"]
assert differential.main([*given, "search", "--cases", "20"]) == 1
print("noted:", os.path.exists(sys.argv[2]))
for cases in "150", "200":
    assert differential.main([*given, "codes", "--cases", cases]) == 0
"""


def test_the_campaign_notices_one_bit_and_goes_on_where_it_stopped(tmp_path):
    said = said_by(ONE_BIT, str(tmp_path / "state.json"))
    assert "search 0: AssertionError: distances" in said
    assert "20 differ" in said
    assert "noted: False" in said  # what differed is done again
    assert re.findall(r"codes: .* from (\d+)\)", said) == ["0", "150"]
