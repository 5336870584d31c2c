"""The compiled modules and the instruction set of a call."""

from __future__ import annotations

import functools
import importlib
from typing import Any

__all__ = ["choose_isa", "cpu", "cuda", "supported_isas"]


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
