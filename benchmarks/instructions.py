"""Instructions that one call executes, where a machine is too noisy to compare two versions by time.

valgrind counts a process that makes one call and one that makes several; the difference is the calls'. It knows no
AVX-512 and nothing of caches: compare versions of one instruction set, and confirm by time.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import cases
from cases import Case
from engines import clean_environment
from peers import PEERS

CALLS = 3


def call(case: Case, calls: int) -> None:
    """Prepare once and make so many calls."""
    arrays = cases.inputs(case)
    run = PEERS[case.op]["rsir_fast"](arrays["database"])
    for _ in range(calls):
        run(arrays.get("queries"), case.k)


def counted(arguments: list[str], isa: str) -> int:
    """Return the instructions of a process of this program."""
    environment = {**clean_environment(threads=1), "RSIR_FORCE_ISA": isa}
    with tempfile.TemporaryDirectory() as folder:
        counts = f"--callgrind-out-file={Path(folder) / 'out'}"
        command = ["valgrind", "--tool=callgrind", counts, sys.executable, __file__, *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    collected = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or collected is None:
        raise SystemExit(f"valgrind failed:\n{done.stderr[-2000:]}")
    return int(collected[1])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--op", choices=list(PEERS), default="euclidean_topk")
    options.add_argument("--isa", choices=("scalar", "avx2", "neon"), default="avx2")
    for name, value in {"q": 16, "n": 2_000, "d": 128, "k": 10}.items():
        options.add_argument(f"--{name}", type=int, default=value)
    options.add_argument("--calls", type=int, default=0, help="make so many calls here, uncounted")
    chosen = options.parse_args()
    with_queries = chosen.op.endswith("topk")
    q, k = (chosen.q, chosen.k) if with_queries else (0, 0)
    case = Case(chosen.op, q, chosen.n, chosen.d, k)
    if chosen.calls:
        call(case, chosen.calls)
        return
    same = ["--op", chosen.op, *(f"--{name}={getattr(chosen, name)}" for name in "qndk")]
    few, many = (counted([*same, "--calls", str(calls)], chosen.isa) for calls in (1, 1 + CALLS))
    each = (many - few) / CALLS
    print(f"{case.name}, {chosen.isa}, 1 thread: {each:,.0f} instructions a call", end="")
    print(f", {each / (case.q * case.n * case.d):.3f} a pair and feature" if with_queries else "")


if __name__ == "__main__":
    main()
