"""The roofline of this machine: builds roofline.cpp, runs it, and says what a case costs at least."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from cases import Case
from engines import cores

Roofline = dict[str, Any]
Runs = list[list[dict[str, Any]]]
"""Of each run of the program its probes."""


def build(folder: Path) -> Path:
    """Compile the program with the C++ compiler of the package (CXX, else c++)."""
    program = folder / "roofline"
    compiler = os.environ.get("CXX", "c++")
    source = Path(__file__).with_name("roofline.cpp")
    subprocess.run([compiler, "-O2", "-std=c++17", "-pthread", str(source), "-o", str(program)], check=True)
    return program


def caches() -> dict[str, int]:
    """Return bytes of L2 that one core has and of L3 that all share; a guess where the kernel does not tell."""
    found = {"l2": 2**20, "l3": 2**24}
    for index in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"):
        try:
            level, size = (index / "level").read_text().strip(), (index / "size").read_text().strip()
        except OSError:
            continue
        if f"l{level}" in found and size.endswith("K"):
            found[f"l{level}"] = int(size[:-1]) * 1024
    return found


class Meter:
    """Measures as often as asked, and hands out what every run since the last time gave."""

    def __init__(self, dram_bytes: int = 2**28) -> None:
        self.caches = caches()
        self.dram_bytes = dram_bytes
        self._runs: Runs = []
        self._folder = tempfile.TemporaryDirectory(prefix="rsir-roofline-")
        self._program = build(Path(self._folder.name))

    def measure(self) -> None:
        threads = cores()
        sizes = [threads, self.caches["l2"], self.caches["l3"] // threads, self.dram_bytes]
        done = subprocess.run([str(self._program), *map(str, sizes)], check=True, capture_output=True, text=True)
        self._runs.append(json.loads(done.stdout)["probes"])

    def taken(self) -> Runs:
        runs, self._runs = self._runs, []
        return runs


def best_of(runs: Runs) -> Roofline:
    """Return figure -> value and instruction of the best probe: a limit is what was reached once; and all runs."""
    best: dict[str, dict[str, Any]] = {}
    for probe in (probe for run in runs for probe in run):
        if probe["value"] > best.get(probe["name"], {"value": 0})["value"]:
            best[probe["name"]] = {"value": probe["value"], "instruction": probe["instruction"]}
    return {"threads": cores(), "caches": caches(), "best": best, "runs": runs}


def floors(case: Case, roofline: Roofline) -> dict[str, float]:
    """Return the milliseconds that a case takes at least, by what binds.

    ``fp32`` and ``int8``: all products at the peak rate of the type, or one read of the database in that type from the
    memory level it fits into, whichever is longer. ``counting``: xor, count and add of every byte. ``memory``: one read
    and one write.
    """
    best = {name: entry["value"] for name, entry in roofline["best"].items()}

    def reading(size: float) -> float:
        inside = size <= roofline["caches"]["l3"] and "l3_read_gbytes" in best
        return size / best["l3_read_gbytes" if inside else "dram_read_gbytes"] / 1e6

    def longest(size: float, work: float, rate: str) -> float:
        return max(reading(size), work / best[rate] / 1e6 if rate in best else 0.0)

    if case.op == "euclidean_topk":
        work, items = 2.0 * case.q * case.n * case.d, float(case.n * case.d)
        return {"fp32": longest(4 * items, work, "fp32_fma_gflops"), "int8": longest(items, work, "int8_gops")}
    if case.op == "hamming_topk":
        size = case.n * case.d / 8
        return {"counting": longest(size, case.q * size, "hamming_gbytes")}
    size = 4.0 * case.n * case.d
    moved = size * (2 if case.op.startswith("gaussian_normalize") else 1 + 1 / 32)
    return {"memory": moved / best["dram_copy_gbytes" if moved > 1.5 * size else "dram_read_gbytes"] / 1e6}
