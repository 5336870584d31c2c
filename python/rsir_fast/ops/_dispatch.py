"""The compiled modules, the instruction set and the thread count of a call."""

from __future__ import annotations

import functools
import importlib
from typing import Any

from rsir_fast.ops._arrays import as_count
from rsir_fast.ops._cores import available_cores

MAX_THREADS = 1024

__all__ = ["choose_isa", "choose_threads", "cpu", "cuda", "supported_isas"]


@functools.cache
def cpu() -> Any:
    """Return the compiled CPU module.

    Raises
    ------
    ImportError
        It is missing or was built for another Python: the message names the cause and the fix.
    """
    try:
        return importlib.import_module("rsir_fast._cpu")
    except ImportError as error:
        raise ImportError(
            "expected the compiled module rsir_fast._cpu beside the package, but it cannot be imported "
            f"({error}); build it with `pip install .` (or `make setup`) in the project folder"
        ) from error


def cuda() -> Any | None:
    """Return the compiled CUDA module, or None where rsir_fast was built without a CUDA compiler.

    Raises
    ------
    ImportError
        It is there but cannot be loaded.
    """
    try:
        return importlib.import_module("rsir_fast._cuda")
    except ModuleNotFoundError:
        return None


@functools.cache
def supported_isas() -> tuple[str, ...]:
    """Return the instruction sets that this machine runs, best first; ``"scalar"`` is always the last."""
    return tuple(cpu().supported_isas())


def choose_isa(isa: str | None) -> str:
    """Return the instruction set to run: the argument, else ``RSIR_FORCE_ISA``, else the best one of this machine.

    Raises
    ------
    ValueError
        For a name that is unknown or that this machine cannot run: never a quiet fall-back.
    """
    supported = supported_isas()
    name = isa or cpu().environment("RSIR_FORCE_ISA") or supported[0]
    if name not in supported:
        source = "isa" if isa else "RSIR_FORCE_ISA"
        raise ValueError(
            f"{source}: expected an instruction set that this machine runs ({', '.join(supported)}), got {name!r}; "
            "leave it unset to take the best one"
        )
    return name


def choose_threads(threads: int | None, *, tiny: bool = False) -> int:
    """Return the thread count: the argument, else ``RSIR_NUM_THREADS``, else the cores this process may use.

    The cores are those of its affinity, no more than the CPU quota of its control group rounded up. Never more than
    1024: more than any machine has cores. Where there is no argument, work that is done before another thread is awake
    (`tiny`) is left to the caller alone.

    Raises
    ------
    TypeError, ValueError
        For anything but a whole number of at least 1.
    """
    if threads is not None:
        return _checked_threads("threads", as_count(threads, "threads"))
    text = (cpu().environment("RSIR_NUM_THREADS") or "").strip()
    count = _checked_threads("RSIR_NUM_THREADS", int(text) if text.isdecimal() else text) if text else 0
    return 1 if tiny else count or available_cores()


def _checked_threads(source: str, count: int | str) -> int:
    if isinstance(count, str) or count < 1:
        raise ValueError(f"{source}: expected a whole number of at least 1, got {count!r}")
    return min(count, MAX_THREADS)
