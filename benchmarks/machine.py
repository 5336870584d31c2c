"""Where and with what a result was made."""

from __future__ import annotations

import os
import platform
import re
import shlex
import subprocess
import sys
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from engines import clean_environment, cores

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PACKAGES = ("rsir-fast", "faiss-cpu", "torch", "numpy", "scikit-learn", "usearch", "torchmetrics")
PACKAGES += ("torchvision", "onnxruntime", "openvino", "pyarrow", "lancedb", "duckdb")


def now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def provenance() -> dict[str, Any]:
    """Return command, commit, machine, versions and threads."""
    from rsir_fast.base.isa import supported_isas
    from rsir_fast.base.shared import shared_command

    return {
        "date": now(),
        "command": shlex.join(["python", os.path.relpath(sys.argv[0], ROOT), *shared_command(sys.argv[1:])]),
        "commit": _git("rev-parse", "HEAD"),
        "uncommitted_changes": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "machine": {
            "cpu": cpu_name(),
            "architecture": platform.machine(),
            "cores": cores(),
            "isas": supported_isas(),
            "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
            "transparent_hugepages": _read("/sys/kernel/mm/transparent_hugepage/enabled"),
            "kernel": platform.release().split("-")[0],
            "load_at_start": os.getloadavg()[0],
        },
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
        "threads": cores(),
        "environment_removed": sorted(set(os.environ) - set(clean_environment())),
    }


def cpu_name() -> str:
    """Return the model name; with family and model number where the name says little."""
    fields = dict(re.findall(r"^([^\t:]+)\s*: (.*)$", _read("/proc/cpuinfo").split("\n\n")[0], re.MULTILINE))
    name = fields.get("model name", "").strip() or platform.processor() or platform.machine()
    numbers = [fields[key] for key in ("cpu family", "model") if key in fields]
    return name + (f" (family {numbers[0]}, model {numbers[1]})" if len(numbers) == 2 else "")


def result_path(kind: str, result: dict[str, Any]) -> Path:
    """Return benchmarks/results/<date>-<cpu>[-kind].json."""
    cpu = re.sub(r"[^a-z0-9]+", "-", result["machine"]["cpu"].lower()).strip("-")
    suffix = "" if kind == "bench" else f"-{kind}"
    return RESULTS / f"{result['date'][:10]}-{cpu}{suffix}.json"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _git(*arguments: str) -> str:
    try:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
