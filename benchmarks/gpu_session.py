"""Every op on the CUDA device beside torch and CuPy, answers asserted: results.json and results.md in a folder.

``python benchmarks/gpu_session.py OUT [part of a case's name ...]``. Both are written after every case: running out of
time loses only the case at hand. ``tma``: those of `gpu_cases.tma_cases`.
"""

from __future__ import annotations

import gc
import json
import math
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import gpu_cases
from gpu_timing import ceilings, timed

OURS = ("rsir_fast, prepared", "rsir_fast")
"""The run that a case's floor is of, by the first of these names that it has."""


def machine() -> dict[str, Any]:
    from rsir_fast.base import compiled

    properties = torch.cuda.get_device_properties(0)
    return {
        "device": properties.name,
        "multiprocessors": properties.multi_processor_count,
        "memory_GiB": round(properties.total_memory / 2**30, 1),
        "L2_MB": round(properties.L2_cache_size / 1e6, 1),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "build": compiled.cuda.build_info(),
        "date": time.strftime("%Y-%m-%d"),
    }


def measure(case: gpu_cases.Case, limits: dict[str, float]) -> dict[str, Any]:
    row: dict[str, Any] = {"case": case.name, "target_ms": case.target_ms}
    inputs = case.make()
    if case.floor_ms is not None and math.isfinite(floor := case.floor_ms(limits)):
        row["floor_ms"] = floor
    answer = None
    for name, run in case.runs.items():
        try:
            result = run(*inputs)
        except (torch.cuda.OutOfMemoryError, ImportError, AttributeError) as error:
            row[name] = {"skipped": f"{type(error).__name__}: {error}".splitlines()[0][:200]}
            continue
        if name.startswith("rsir_fast"):
            case.check(inputs, result)
        if answer is None:
            answer = result
        else:
            case.same(answer, result)
        del result
        row[name] = timed(lambda run=run, inputs=inputs: run(*inputs))._asdict()
        if name in case.report:
            row[name] |= counts(lambda to, name=name, inputs=inputs: case.report[name](*inputs, to))
    return row


def counts(search: Callable[[Callable[[torch.Tensor], None]], None]) -> dict[str, float]:
    """What the fast pass of a search left: candidates a query, and the queries in which it failed."""
    blocks: list[torch.Tensor] = []
    search(blocks.append)
    if not blocks:
        return {}
    candidates, failed = torch.cat(blocks, dim=1)
    return {"candidates": candidates.double().mean().item(), "failed": failed.count_nonzero().item()}


def text(row: dict[str, Any], name: str) -> str:
    value = row.get(name)
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3g}"
    if "skipped" in value:
        return "skipped"
    counted = f"; {value['candidates']:.0f}, {value['failed']}" if "candidates" in value else ""
    return f"{value['median']:.3g} ({value['low']:.3g}-{value['high']:.3g}{counted})"


def table(results: dict[str, Any]) -> str:
    names = sorted({name for row in results["cases"] for name, value in row.items() if isinstance(value, dict)})
    names.sort(key=lambda name: name != "rsir_fast")
    note = (
        "Milliseconds: median (10th-90th percentile; mean number of candidates that the fast pass left a query, "
        "queries in which it failed), cold L2. Floor: bytes or operations over the ceiling."
    )
    lines = [f"{results['machine']['device']}, " + ", ".join(f"{k} {v:.4g}" for k, v in results["ceilings"].items())]
    lines += ["", note, ""]
    lines.append("| case | target | floor | floor / ours | " + " | ".join(names) + " |")
    lines.append("|---" * (4 + len(names)) + "|")
    for row in results["cases"]:
        ours = next((row[name]["median"] for name in OURS if "median" in row.get(name, {})), None)
        share = f"{100 * row['floor_ms'] / ours:.0f} %" if ours and "floor_ms" in row else ""
        cells = [
            row["case"] + (" FAILED" if "failed" in row else ""),
            text(row, "target_ms"),
            text(row, "floor_ms"),
            share,
            *(text(row, name) for name in names),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main(out: Path, wanted: list[str]) -> int:
    out.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = {"machine": machine(), "ceilings": ceilings(), "cases": []}
    failed = 0
    for case in gpu_cases.tma_cases() if wanted == ["tma"] else gpu_cases.cases():
        if wanted not in ([], ["tma"]) and not any(part in case.name for part in wanted):
            continue
        try:
            results["cases"].append(measure(case, results["ceilings"]))
        except (AssertionError, RuntimeError) as error:
            failed = 1
            results["cases"].append({"case": case.name, "failed": f"{type(error).__name__}: {error}"[:2000]})
            print(f"{case.name} FAILED: {error}", file=sys.stderr)
        gc.collect()
        torch.cuda.empty_cache()
        (out / "results.json").write_text(json.dumps(results, indent=1))
        (out / "results.md").write_text(table(results))
    print(table(results))
    return failed


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
