"""Time on a CUDA device: events, warm-up, cold L2, median and spread."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

COLD_BYTES = 1 << 30  # many times any L2; writing it also hides what Python takes to queue the next call


class Timing(NamedTuple):
    median: float
    """Milliseconds."""
    low: float
    high: float
    repeats: int


def timed(run: Callable[[], Any], repeats: int = 15, budget_ms: float = 1500.0) -> Timing:
    """Median, 10th and 90th percentile of the time of ``run``, from a cold L2; fewer repeats if they take too long."""
    scratch = torch.empty(COLD_BYTES, dtype=torch.uint8, device="cuda")
    first = _once(run, scratch)
    first = min(first, _once(run, scratch))
    repeats = max(3, min(repeats, int(budget_ms / max(first, 0.01))))
    times = sorted(_once(run, scratch) for _ in range(repeats))
    return Timing(statistics.median(times), times[len(times) // 10], times[-1 - len(times) // 10], repeats)


def _once(run: Callable[[], Any], scratch: torch.Tensor) -> float:
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    scratch.zero_()
    start.record()
    result = run()
    end.record()
    end.synchronize()
    del result
    return start.elapsed_time(end)


def ceilings() -> dict[str, float]:
    """What this device can do: GB/s of a copy, TFLOP/s of a bf16 product, TOP/s of an int8 product."""
    found = _memory_ceilings()
    n = 8192
    a, b = (torch.randn(n, n, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    found["bf16 TFLOP/s"] = 2 * n**3 / timed(lambda: a @ b.T).median / 1e9
    a, b = (torch.randint(-127, 128, (n, n), device="cuda", dtype=torch.int8) for _ in range(2))
    found["int8 TOP/s"] = 2 * n**3 / timed(lambda: torch._int_mm(a, b.T)).median / 1e9
    return found


def _memory_ceilings() -> dict[str, float]:
    source = torch.randint(0, 255, (1 << 31,), dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    copy = timed(lambda: target.copy_(source))
    total = timed(lambda: source.view(torch.int64).sum())
    return {"copy GB/s": 2 * source.numel() / copy.median / 1e6, "read GB/s": source.numel() / total.median / 1e6}
