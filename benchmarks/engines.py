"""The processes that hold the libraries: start, ask, end; and which OpenBLAS core type is best for faiss."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

CORE_TYPES = ("SkylakeX", "Zen", "Haswell", "Cooperlake", "SapphireRapids", "NEOVERSEN1", "NEOVERSEV1")
"""OPENBLAS_CORETYPE values to try for faiss. An OpenBLAS that does not know one falls back to its slowest kernels."""

_STEERING = re.compile(r"^(OPENBLAS|GOTO|MKL|BLIS|NVPL|OMP|GOMP|KMP|ATEN|ONEDNN|DNNL|FAISS|NPY|RSIR)_")


def cores() -> int:
    return len(os.sched_getaffinity(0))


def clean_environment(threads: int | None = None, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this process's environment without anything that steers a library, with all cores for all."""
    kept = {name: value for name, value in os.environ.items() if not _STEERING.match(name)}
    count = str(threads or cores())
    one = {"OPENBLAS_NUM_THREADS": count} if threads else {}
    return {**kept, "OMP_NUM_THREADS": count, "RSIR_NUM_THREADS": count, **one, **(extra or {})}


class EngineError(RuntimeError):
    """The library raised, or its process ended."""


class Engine:
    """One library in its own process, which runs a program. Use as a context manager, or call `close`."""

    def __init__(self, peer: str, environment: Mapping[str, str] | None = None, program: str = "worker.py") -> None:
        self.peer = peer
        self.environment = dict(environment or {})
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name(program))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=clean_environment(extra=self.environment),
        )

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        self.process.wait()

    def ask(self, name: str, *arguments: Any) -> Any:
        """Run a method of what the process holds (`worker.Holder`) and return what it returns.

        Raises
        ------
        EngineError
            With the traceback of the process.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            pickle.dump((name, arguments), self.process.stdin, protocol=5)
            self.process.stdin.flush()
            done, value = pickle.load(self.process.stdout)
        except (EOFError, BrokenPipeError, pickle.UnpicklingError) as error:
            raise EngineError(f"{self.peer}: its process ended with status {self.process.wait()}") from error
        if not done:
            raise EngineError(f"{self.peer}: {value}")
        return value


@contextmanager
def saved(arrays: Mapping[str, np.ndarray[Any, Any]]) -> Iterator[dict[str, str]]:
    """Put arrays where every process can read them; the same array under two names is one file."""
    size = sum({id(array): array.nbytes for array in arrays.values()}.values())
    shm = Path("/dev/shm")
    in_memory = shm.is_dir() and size < 2**30
    with tempfile.TemporaryDirectory(dir=shm if in_memory else None, prefix="rsir-bench-") as folder:
        paths: dict[int, str] = {}
        for name, array in arrays.items():
            if id(array) not in paths:
                paths[id(array)] = f"{folder}/{name}.npy"
                np.save(paths[id(array)], array)
        yield {name: paths[id(array)] for name, array in arrays.items()}


def best_core_type(candidates: tuple[str, ...] = CORE_TYPES) -> tuple[str, dict[str, float]]:
    """Try faiss with each OPENBLAS_CORETYPE; return the fastest and the best milliseconds of all."""
    n, q = (20_000, 512) if len(candidates) > 1 else (100, 1)
    rng = np.random.default_rng(0)
    arrays = {
        "database": rng.standard_normal((n, 256), np.float32),
        "queries": rng.standard_normal((q, 256), np.float32),
    }
    found: dict[str, float] = {}
    with saved(arrays) as paths:
        for name in candidates:
            with Engine("faiss", {"OPENBLAS_CORETYPE": name}) as engine:
                try:
                    engine.ask("load", "euclidean_topk", "faiss", paths["database"], paths["queries"])
                    found[name] = 1e3 * min(engine.ask("turn", q, 10, 0.5, 20))
                except EngineError:  # no such kernel, or this machine cannot run it
                    continue
    if not found:
        raise EngineError("faiss ran with no OPENBLAS_CORETYPE at all; is faiss-cpu installed? pip install '.[bench]'")
    return min(found, key=lambda name: found[name]), found


def environments(core_type: str) -> dict[str, dict[str, str]]:
    """Return the environment that each peer needs beyond the clean one."""
    return {"faiss-best": {"OPENBLAS_CORETYPE": core_type}}
