"""`make bench`: every case, every peer, turn by turn; JSON, Markdown and SVG under benchmarks/results/.

A command that was cut goes on where it stopped: `parts.py`.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import cases
import plots
import tables
from cases import Case
from checks import Checker
from engines import Engine, best_core_type, cores, environments, saved
from interleave import OURS, SMOKE, Effort, measure
from parts import Parts, begin, log
from peers import PEERS
from roofline import Meter, best_of, floors


def warn_if_busy() -> None:
    load = os.getloadavg()[0]
    if load > 0.3 * cores():
        log(
            f"warning: the load of the last minute is {load:.1f}; libraries that wait at barriers suffer most from that"
        )


def start_engines(stack: ExitStack, names: Iterable[str], core_type: str) -> dict[str, Engine]:
    """Return peer -> its process, ended by the stack; ours is always the first."""
    extra = environments(core_type)
    wanted = [OURS, *(name for name in names if name != OURS)]
    return {name: stack.enter_context(Engine(name, extra.get(name))) for name in wanted}


def faiss_core_type(peers: Iterable[str], parts: Parts) -> dict[str, Any]:
    """Find the core type with which faiss is fastest here, if it takes part: the best, and the milliseconds of all."""

    def find() -> dict[str, Any]:
        log("faiss: which OPENBLAS_CORETYPE is best here")
        return dict(zip(("best", "ms"), best_core_type(), strict=True))

    return parts.measured("faiss-core-type", find, counts=False) if "faiss-best" in peers else {}


def run_case(case: Case, engines: dict[str, Engine], effort: Effort) -> dict[str, Any]:
    """Load, check every answer, measure; return what goes into the JSON."""
    engines = {name: engine for name, engine in engines.items() if name in PEERS[case.op] and name not in case.without}
    arrays = cases.inputs(case)
    checker = Checker(case, arrays)
    prepare_s = {}
    with saved(arrays) as paths:
        del arrays
        for name, engine in engines.items():
            prepare_s[name] = engine.ask("load", case.op, name, paths["database"], paths.get("queries"))
    for name, engine in engines.items():
        engine.ask("turn", case.q, case.k, 0.0, 1)
        checker.check(engine, name)
    pairs = measure(engines, case.q, case.k, effort)
    for name, engine in engines.items():  # and the last answer is still right
        checker.check(engine, name)
    used = {name: engine.ask("memory") for name, engine in engines.items()}
    for engine in engines.values():
        engine.ask("drop")
    return {
        **asdict(case),
        "name": case.name,
        "answers": "asserted",
        "prepare_s": prepare_s,
        "memory": used,
        "pairs": pairs,
    }


def run(chosen: Mapping[str, Case], peers: Sequence[str], effort: Effort, parts: Parts) -> dict[str, Any]:
    """Measure the chosen cases, each a part; the roofline before, between and after them."""
    core_type = faiss_core_type(peers, parts)
    rows, runs = [], []
    with ExitStack() as stack:

        @cache
        def started() -> tuple[dict[str, Engine], Meter]:
            warn_if_busy()
            meter = Meter()
            meter.measure()
            return start_engines(stack, peers, core_type.get("best", "")), meter

        def measured(case: Case) -> dict[str, Any]:
            engines, meter = started()
            row = run_case(case, engines, effort)
            if effort.pause:
                meter.measure()
            return {"row": row, "roofline": meter.taken()}

        for number, (name, case) in enumerate(chosen.items(), 1):
            log(f"[{number}/{len(chosen)}] {case.name}")
            part = parts.measured(name, lambda case=case: measured(case))  # type: ignore[misc]
            log(tables.one_line(part["row"]))
            rows.append(part["row"])
            runs += part["roofline"]
    roofline = best_of(runs)
    for case, row in zip(chosen.values(), rows, strict=True):
        row["floors_ms"] = floors(case, roofline)
    found = {"effort": asdict(effort), "roofline": roofline, "cases": rows}
    return {**found, "faiss_core_type": core_type} if core_type else found


def finish(result: dict[str, Any], out: Path | None, parts: Parts) -> None:
    """Write a result and print its tables; its parts are no longer needed."""
    result |= {"seconds": parts.seconds, "measured": parts.dates}
    if out:
        write(result, out)
    parts.remove()
    print(tables.markdown(result))


def write(result: dict[str, Any], path: Path) -> None:
    """Write JSON, and beside it the tables and the plot that are made of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")
    path.with_suffix(".md").write_text(tables.markdown(result) + "\n")
    drawn = plots.draw(result, path.with_suffix(".svg"))
    log(f"written: {path}, .md{', .svg' if drawn else ''}")


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return the options that all programs here have."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--small", action="store_true", help="sizes of smoke tests: seconds, figures without meaning")
    options.add_argument("--out", type=Path, help="JSON to write; default benchmarks/results/<date>-<cpu>.json")
    options.add_argument("--parts", type=int, help="measure no more than so many parts now; the same command goes on")
    return options


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--cases", default="", help="only cases whose name contains this, such as 'Hamming'")
    options.add_argument("--peers", default="", help="comma-separated; default all; ours is always there")
    options.add_argument("--seconds", type=float, default=Effort.seconds, help="time of each peer in each case")
    chosen = options.parse_args()
    wanted = [case for case in cases.CASES if chosen.cases.lower() in case.name.lower()]
    every = dict.fromkeys(name for peers in PEERS.values() for name in peers)
    asked = [name for name in chosen.peers.split(",") if name not in ("", "ours")]  # ours is always measured
    names = [name for name in every if not chosen.peers or name in asked]
    if not wanted:
        options.error(f"--cases {chosen.cases!r}: expected part of a name of: {', '.join(c.name for c in cases.CASES)}")
    for name in asked:
        if name not in every:
            options.error(f"--peers {name}: expected of {', '.join(every)}")
    sized = {case.name: case.small() if chosen.small else case for case in wanted}
    effort = SMOKE if chosen.small else replace(Effort(), seconds=chosen.seconds)
    result, out, parts = begin("bench", chosen, peers=names, effort=asdict(effort))
    finish(result | run(sized, names, effort, parts), out, parts)


if __name__ == "__main__":
    main()
