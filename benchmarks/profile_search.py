"""Where the time of a prepared search goes: scan, bounds and decision in milliseconds of one thread, by `perf`.

``python benchmarks/profile_search.py --n 50000 --d 512 --q 1024 --k 100``
"""

from __future__ import annotations

import argparse
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

import rsir_fast as rf

PARTS = {
    "scan": r"::tile|::sums|SelfScan|::test_pairs|::test_rows|::append\b|::products|::add_sums16|::split|QueryBlock",
    "bounds": r"select\b|::filter|::widest|CandidateSearch|SharedBounds|std::.*nth_element<float|__introselect<float",
    "decision": r"gather|Decision|RowReader|widen|introselect|introsort|heap|insertion_sort|unguarded|merge",
    "queries": r"quantize|centre|Quantizer|store_query",
}


def draw(rng: np.random.Generator, rows: int, width: int, *, relu: bool) -> np.ndarray:
    values = rng.standard_normal((rows, width), dtype=np.float32)
    return np.maximum(values, 0) if relu else values


def search(arguments: argparse.Namespace) -> None:
    """Prepare, and search once for every line that comes; print the milliseconds that it took."""
    rng = np.random.default_rng(0)
    database = rf.prepare(draw(rng, arguments.n, arguments.d, relu=arguments.relu))
    queries = database if arguments.own else draw(rng, arguments.q, arguments.d, relu=arguments.relu)
    database.topk(queries, arguments.k, threads=1)
    print("ready", flush=True)
    sys.stdin.readline()
    start = time.process_time()
    for _ in range(arguments.repeat):
        database.topk(queries, arguments.k, threads=1)
    print((time.process_time() - start) / arguments.repeat * 1e3, flush=True)
    sys.stdin.readline()


def event() -> str:
    """What samples are taken by: cycles, or time where a virtual machine hides the counters of its processor."""
    trial = ["perf", "stat", "-e", "cycles:u", "true"]
    counted = subprocess.run(trial, capture_output=True, text=True, check=False).stderr
    return "cpu-clock:u" if "<not supported>" in counted else "cycles:u"


def part_of(symbol: str) -> str:
    return next((name for name, pattern in PARTS.items() if re.search(pattern, symbol)), "other")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in {"n": 50_000, "d": 512, "q": 1024, "k": 100, "repeat": 5}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--relu", action="store_true", help="negative values are 0, as of features")
    parser.add_argument("--own", action="store_true", help="the rows of the database are the queries")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        search(arguments)
        return 0
    if shutil.which("perf") is None:
        parser.error("expected perf on the path, found none: install linux-perf")
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "record"
        command = [sys.executable, __file__, *sys.argv[1:], "--child"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdout.readline()
            perf = ["perf", "record", "-q", "-o", str(record), "-e", event(), "-F", "5000", "-p", str(child.pid)]
            with subprocess.Popen(perf) as watching:
                time.sleep(1)  # until it watches
                child.stdin.write("\n")
                total = float(child.stdout.readline())
                watching.send_signal(signal.SIGINT)
            child.stdin.write("\n")
        report = ["perf", "report", "-i", str(record), "--no-children", "--stdio", "-F", "overhead,symbol"]
        lines = subprocess.run(report, capture_output=True, text=True, check=True).stdout.splitlines()
    shares: Counter[str] = Counter()
    for line in lines:
        if found := re.match(r"\s+([\d.]+)%\s+\[.\] (.+)", line):
            shares[part_of(found[2])] += float(found[1])
    asked = "own rows" if arguments.own else arguments.q
    print(f"{asked} of {arguments.n} x {arguments.d}, k {arguments.k}: {total:.1f} ms of one thread")
    for name, share in shares.most_common():
        print(f"  {name:9} {total * share / 100:7.1f} ms")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
