"""`make bench-sweep`: is a peer faster at any number of queries? Ours against the fastest peers, q x k x d x n.

A command that was cut goes on where it stopped, by database (`parts.py`); `--minutes` count all its calls together.
"""

from __future__ import annotations

import time
from argparse import Namespace
from contextlib import ExitStack
from dataclasses import asdict, replace
from functools import cache, partial
from itertools import product
from typing import Any

import cases
from cases import Case
from checks import Checker
from engines import Engine, saved
from interleave import OURS, SMOKE, Effort, measure
from parts import Parts, begin, log
from run import faiss_core_type, finish, parser, start_engines, warn_if_busy

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
    """What was measured of one database: its cells, what was left out, and whether the time was up before the end."""

    def __init__(self, chosen: Namespace, memory: float, end: float) -> None:
        self.ks, self.data, self.longest_call, self.small = chosen.k, chosen.data, chosen.longest_call, chosen.small
        self.memory, self.end = memory, end
        self.cells: list[dict[str, Any]] = []
        self.left_out: list[dict[str, Any]] = []
        self.shrunk: list[str] = []
        self.stopped = False

    def run(self, n: int, d: int, queries: list[int], engines: dict[str, Engine]) -> dict[str, Any]:
        """Measure all query counts and all k."""
        row = 4.0 * d
        most = int(self.memory / (row * (OUR_COPIES + PEER_COPIES)))
        if n > most:
            fits = most // 10_000 * 10_000 or most
            self.shrunk.append(f"{n:,} x {d} to {fits:,} x {d}")
            n = fits
        case = Case("euclidean_topk", max(queries), n, d, max(self.ks), self.data)
        arrays = cases.inputs(case)
        known = [query for query in (0, 15, 511, 4095) if query < case.q]
        known = known if n * d < 3e8 else known[:2]
        checkers = {k: Checker(replace(case, k=k), arrays, known) for k in self.ks}
        peers = [name for name in engines if name != OURS]
        together = n * row * (OUR_COPIES + len(peers) + 1) <= self.memory
        with saved(arrays) as paths:
            arrays.clear()
            groups = [peers] if together else [[name] for name in peers]
            for number, group in enumerate(groups):
                current = {name: engines[name] for name in [OURS, *group]}
                for name, engine in current.items():
                    if name != OURS or group[0] == peers[0]:
                        engine.ask("load", case.op, name, paths["database"], paths["queries"])
                end = time.monotonic() + (self.end - time.monotonic()) / (len(groups) - number)
                self._queries(case, queries, current, checkers, end)
                for name in group:
                    engines[name].ask("drop")
        engines[OURS].ask("drop")
        return {name: getattr(self, name) for name in ("cells", "left_out", "shrunk", "stopped")}

    def _queries(
        self,
        case: Case,
        queries: list[int],
        engines: dict[str, Engine],
        checkers: dict[int, Checker],
        end: float,
    ) -> None:
        known: dict[tuple[str, int], tuple[int, float]] = {}  # name, k -> queries and best seconds of the last cell

        def expected(name: str, q: int, k: int) -> float:
            before, seconds = known.get((name, k), (q, 0.0))
            return seconds * q / before

        for q, k in product(queries, self.ks):
            if time.monotonic() > end:
                self.stopped = True
                return
            cell = {"n": case.n, "d": case.d, "q": q, "k": k}
            if expected(OURS, q, k) > self.longest_call:
                self.left_out += [{**cell, "peer": name} for name in engines if name != OURS]
                continue
            running = {OURS: engines[OURS]}
            for name in engines:
                if name != OURS and expected(name, q, k) <= self.longest_call:
                    running[name] = engines[name]
                elif name != OURS:
                    self.left_out.append({**cell, "peer": name})
            if len(running) == 1:
                continue
            for name, engine in running.items():
                known[name, k] = (q, engine.ask("turn", q, k, 0.0, 1)[0])
                checkers[k].check(engine, name, q)
            longest = max(known[name, k][1] for name in running)
            effort = SMOKE if self.small else CHEAP if longest < 0.3 else DEAR
            pairs = measure(running, q, k, effort)
            for place, pair in enumerate(pairs):
                if pair["ratio"] < DOUBTFUL and not self.small:
                    alone = {name: running[name] for name in (OURS, pair["peer"])}
                    again = replace(effort, turn=0.05, most=9, least=3, seconds=0.5)
                    pairs[place] = {**measure(alone, q, k, again)[0], "measured_again": True}
            known[OURS, k] = (q, min(pair["ours_best"] for pair in pairs))
            known |= {(pair["peer"], k): (q, pair["theirs_best"]) for pair in pairs}
            self.cells += [{**cell, **pair} for pair in pairs]
            text = ", ".join(f"{pair['peer']} {pair['ratio']:.2f}x" for pair in pairs)
            log(f"  n {case.n:,} d {case.d} q {q} k {k}: {text}")


def sweep(chosen: Namespace, parts: Parts) -> dict[str, Any]:
    """Measure, or take up, every database; each may take its share of what is left of the time."""
    peers = chosen.peers.split(",")
    core_type = faiss_core_type(peers, parts)
    databases = list(product(chosen.dims, chosen.items))
    found: dict[str, Any] = {"cells": [], "left_out": [], "shrunk": [], "stopped": False}
    with ExitStack() as stack:

        @cache
        def engines() -> dict[str, Engine]:
            warn_if_busy()
            return start_engines(stack, peers, core_type.get("best", ""))

        def measured(n: int, d: int, share: float) -> dict[str, Any]:
            running = engines()
            memory = chosen.memory_gib * 2**30 if chosen.memory_gib else 0.85 * free_memory()
            return Sweep(chosen, memory, time.monotonic() + share).run(n, d, sorted(chosen.queries), running)

        for number, (d, n) in enumerate(databases):
            share = (60 * chosen.minutes - parts.seconds) / (len(databases) - number)
            if share <= 0:
                found["stopped"] = True
                break
            part = parts.measured(f"{n} x {d}", partial(measured, n, d, share))
            found = {
                name: before or part[name] if name == "stopped" else before + part[name]
                for name, before in found.items()
            }
    return {**found, "faiss_core_type": core_type} if core_type else found


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--k", type=int, nargs="+", default=[10, 100])
    options.add_argument("--data", choices=("normal", "relu"), default="normal")
    options.add_argument("--peers", default=",".join(PEERS), help="comma-separated")
    options.add_argument("--dims", type=int, nargs="+", default=DIMS)
    options.add_argument("--items", type=int, nargs="+", default=ITEMS)
    options.add_argument("--queries", type=int, nargs="+", default=QUERIES)
    options.add_argument("--longest-call", type=float, default=2.0, help="seconds; longer calls are left out")
    options.add_argument("--minutes", type=float, default=25.0, help="of all calls of the command together")
    options.add_argument("--memory-gib", type=float, help="default: 85 %% of what is free")
    chosen = options.parse_args()
    if chosen.small:
        chosen.dims, chosen.items, chosen.queries, chosen.minutes = [64, 96], [500, 2_000], [1, 3, 64], 60.0
    settings = {name: getattr(chosen, name) for name in ("k", "data", "peers", "queries", "longest_call", "minutes")}
    effort = {"cheap": asdict(CHEAP), "dear": asdict(DEAR)}
    result, out, parts = begin("sweep", chosen, **settings)
    head = {"k": chosen.k, "data": chosen.data, "longest_call": chosen.longest_call, "effort": effort}
    finish(result | head | sweep(chosen, parts), out, parts)


def free_memory() -> float:
    """Return the bytes that this machine can give now."""
    with open("/proc/meminfo") as lines:
        return next(1024.0 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))


if __name__ == "__main__":
    main()
