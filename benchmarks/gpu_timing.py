"""Time on a CUDA device: events, warm-up, cold L2, median and spread; and what the device can do at most."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

COLD_BYTES = 1 << 30
"""Many times any L2. Reading them also hides what Python takes to queue the next call; written, they would still be on
their way to memory while it runs."""


class Timing(NamedTuple):
    median: float
    """Milliseconds."""
    low: float
    high: float
    repeats: int


def timed(run: Callable[[], Any], repeats: int = 15, budget_ms: float = 600.0) -> Timing:
    """Median, 10th and 90th percentile of the time of ``run``, from a cold L2; fewer repeats if they take too long."""
    scratch = torch.zeros(COLD_BYTES // 8, dtype=torch.int64, device="cuda")
    first = _once(run, scratch)
    first = min(first, _once(run, scratch))
    repeats = max(3, min(repeats, int(budget_ms / max(first, 0.01))))
    times = sorted(_once(run, scratch) for _ in range(repeats))
    return Timing(statistics.median(times), times[len(times) // 10], times[-1 - len(times) // 10], repeats)


def _once(run: Callable[[], Any], scratch: torch.Tensor) -> float:
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    scratch.sum()
    start.record()
    result = run()
    end.record()
    end.synchronize()
    del result
    return start.elapsed_time(end)


def ceilings() -> dict[str, float]:
    """What this device can do: copying and reading, torch's products, and what cuda_rates.cu measures."""
    found = _memory_ceilings()
    n = 8192
    a, b = (torch.randn(n, n, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    found["torch bf16 TFLOP/s"] = 2 * n**3 / timed(lambda: a @ b.T).median / 1e9
    return found | rates(os.environ.get("RSIR_CUDA_RATES", ""))


def rates(program: str) -> dict[str, float]:
    """What the program made of cuda_rates.cu says of the device; nothing where there is no such program."""
    if not os.access(program, os.X_OK):
        return {}
    return json.loads(subprocess.check_output([program], text=True, timeout=60))


def _memory_ceilings() -> dict[str, float]:
    source = torch.randint(0, 255, (1 << 31,), dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    copy = timed(lambda: target.copy_(source))
    total = timed(lambda: source.view(torch.int64).sum())
    return {"copy GB/s": 2 * source.numel() / copy.median / 1e6, "read GB/s": source.numel() / total.median / 1e6}
