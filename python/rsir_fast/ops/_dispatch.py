"""The compiled modules, the instruction set and the thread count of a call."""

from __future__ import annotations

import functools
import importlib
from typing import Any

from rsir_fast.base.text import printable
from rsir_fast.ops._arrays import as_count
from rsir_fast.ops._cores import available_cores

MAX_THREADS = 1024

__all__ = ["check_settings", "choose_isa", "choose_threads", "cpu", "cuda", "supported_isas"]


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
    name = isa if isa is not None else cpu().environment("RSIR_FORCE_ISA") or supported[0]
    if name not in supported:
        source = "RSIR_FORCE_ISA" if isa is None else "isa"
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
        return min(as_count(threads, "threads", least=1, noun="a whole number of "), MAX_THREADS)
    text = (cpu().environment("RSIR_NUM_THREADS") or "").strip()
    if not text:
        return 1 if tiny else available_cores()
    count = int(text) if text.isdecimal() and len(text) < 20 else 0
    if count < 1:
        raise ValueError(f"RSIR_NUM_THREADS: expected a whole number of at least 1, got {printable(text[:80])!r}")
    return 1 if tiny else min(count, MAX_THREADS)


def check_settings(k: Any, threads: int | None, isa: str | None) -> None:
    """Check, while torch traces a call, the plain numbers of its settings; those it does not know yet wait."""
    if k is not None and type(k).__name__ != "SymInt":
        as_count(k, "k")
    if threads is not None:
        as_count(threads, "threads", least=1, noun="a whole number of ")
    if isa is not None and isa not in supported_isas():
        choose_isa(isa)
