"""`make bench-sweep`: is a peer faster at any number of queries? Ours against the fastest peers, q x d x n."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import asdict, replace
from typing import Any

import cases
from cases import Case
from checks import Checker
from engines import Engine, saved
from interleave import OURS, SMOKE, Effort, measure
from machine import provenance, result_path
from run import faiss_core_type, log, parser, start_engines, warn_if_busy, write
from tables import markdown

QUERIES = [1, 2, 3, *(step * 2**power for power in range(1, 11) for step in (2, 3)), 4096]
DIMS = [64, 512, 1280, 4096]
ITEMS = [2_000, 20_000, 100_000, 1_000_000]
PEERS = ["faiss-best", "faiss", "torch", "numpy"]

CHEAP = Effort(turn=0.02, seconds=0.2, least=3, most=4)
DEAR = Effort(turn=0.0, seconds=0.0, least=1, most=1)
DOUBTFUL = 1.15
"""A ratio below this is measured again, longer, before it is believed."""

OUR_COPIES, PEER_COPIES = 1.75, 2.0
"""Memory while preparing, in units of the database: ours with its int8 copy, a peer with one more copy."""


class Sweep:
    """The cells measured so far, and what is left of the time."""

    def __init__(self, k: int, data: str, longest_call: float, minutes: float, memory: float, small: bool) -> None:
        self.k, self.data, self.longest_call, self.memory, self.small = k, data, longest_call, memory, small
        self.end = time.monotonic() + 60 * minutes
        self.cells: list[dict[str, Any]] = []
        self.left_out: list[dict[str, Any]] = []
        self.shrunk: list[str] = []

    def stopped(self) -> bool:
        return time.monotonic() > self.end

    def run(self, n: int, d: int, queries: list[int], engines: dict[str, Engine]) -> None:
        """Measure all query counts for one database."""
        row = 4.0 * d
        most = int(self.memory / (row * (OUR_COPIES + PEER_COPIES)))
        if n > most:
            fits = most // 10_000 * 10_000 or most
            self.shrunk.append(f"{n:,} x {d} to {fits:,} x {d}")
            n = fits
        case = Case("euclidean_topk", max(queries), n, d, self.k, self.data)
        arrays = cases.inputs(case)
        known = [query for query in (0, 15, 511, 4095) if query < case.q]
        checker = Checker(case, arrays, known if n * d < 3e8 else known[:2])
        peers = [name for name in engines if name != OURS]
        together = n * row * (OUR_COPIES + len(peers) + 1) <= self.memory
        with saved(arrays) as paths:
            arrays.clear()
            for group in [peers] if together else [[name] for name in peers]:
                current = {name: engines[name] for name in [OURS, *group]}
                for name, engine in current.items():
                    if name != OURS or group[0] == peers[0]:
                        engine.ask("load", case.op, name, paths["database"], paths["queries"])
                self._queries(case, queries, current, checker)
                for name in group:
                    engines[name].ask("drop")
        engines[OURS].ask("drop")

    def _queries(self, case: Case, queries: list[int], engines: dict[str, Engine], checker: Checker) -> None:
        known: dict[str, tuple[int, float]] = {}  # name -> queries and best seconds of its last cell

        def expected(name: str, q: int) -> float:
            before, seconds = known.get(name, (q, 0.0))
            return seconds * q / before

        for q in queries:
            if self.stopped():
                return
            cell = {"n": case.n, "d": case.d, "q": q}
            if expected(OURS, q) > self.longest_call:
                self.left_out += [{**cell, "peer": name} for name in engines if name != OURS]
                continue
            running = {OURS: engines[OURS]}
            for name in engines:
                if name != OURS and expected(name, q) <= self.longest_call:
                    running[name] = engines[name]
                elif name != OURS:
                    self.left_out.append({**cell, "peer": name})
            if len(running) == 1:
                continue
            for name, engine in running.items():
                known[name] = (q, engine.ask("turn", q, self.k, 0.0, 1)[0])
                checker.check(engine, name, q)
            effort = SMOKE if self.small else CHEAP if max(seconds for _, seconds in known.values()) < 0.3 else DEAR
            pairs = measure(running, q, self.k, effort)
            for place, pair in enumerate(pairs):
                if pair["ratio"] < DOUBTFUL and not self.small:
                    alone = {name: running[name] for name in (OURS, pair["peer"])}
                    again = replace(effort, turn=0.05, most=9, least=3, seconds=0.5)
                    pairs[place] = {**measure(alone, q, self.k, again)[0], "measured_again": True}
            known[OURS] = (q, min(pair["ours_best"] for pair in pairs))
            known |= {pair["peer"]: (q, pair["theirs_best"]) for pair in pairs}
            self.cells += [{**cell, **pair} for pair in pairs]
            text = ", ".join(f"{pair['peer']} {pair['ratio']:.2f}x" for pair in pairs)
            log(f"  n {case.n:,} d {case.d} q {q}: {text}")


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--k", type=int, default=10)
    options.add_argument("--data", choices=("normal", "relu"), default="normal")
    options.add_argument("--peers", default=",".join(PEERS), help="comma-separated")
    options.add_argument("--dims", type=int, nargs="+", default=DIMS)
    options.add_argument("--items", type=int, nargs="+", default=ITEMS)
    options.add_argument("--queries", type=int, nargs="+", default=QUERIES)
    options.add_argument("--longest-call", type=float, default=2.0, help="seconds; longer calls are left out")
    options.add_argument("--minutes", type=float, default=60.0, help="stop after so many")
    options.add_argument("--memory-gib", type=float, help="default: 85 %% of what is free")
    chosen = options.parse_args()
    if chosen.small:
        chosen.dims, chosen.items, chosen.queries = [64, 96], [500, 2_000], [1, 3, 64]
    result = {"kind": "sweep", **provenance(), "k": chosen.k, "data": chosen.data, "longest_call": chosen.longest_call}
    memory = chosen.memory_gib * 2**30 if chosen.memory_gib else 0.85 * free_memory()
    peers = chosen.peers.split(",")
    core_type = faiss_core_type(peers, result)
    result["effort"] = {"cheap": asdict(CHEAP), "dear": asdict(DEAR)}
    warn_if_busy()
    sweep = Sweep(chosen.k, chosen.data, chosen.longest_call, chosen.minutes, memory, chosen.small)
    with ExitStack() as stack:
        engines = start_engines(stack, peers, core_type)
        for d in chosen.dims:
            for n in chosen.items:
                if not sweep.stopped():
                    sweep.run(n, d, sorted(chosen.queries), engines)
    result |= {"cells": sweep.cells, "left_out": sweep.left_out, "shrunk": sweep.shrunk, "stopped": sweep.stopped()}
    if not chosen.small or chosen.out:
        write(result, chosen.out or result_path("sweep", result))
    print(markdown(result))


def free_memory() -> float:
    """Return the bytes that this machine can give now."""
    with open("/proc/meminfo") as lines:
        return next(1024.0 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))


if __name__ == "__main__":
    main()
