"""The instruction set of a call."""

from __future__ import annotations

import functools

from rsir_fast.base import compiled

__all__ = ["choose_isa", "supported_isas"]


@functools.cache
def supported_isas() -> tuple[str, ...]:
    """Return the instruction sets that this machine runs, best first; ``"scalar"`` is always the last."""
    return tuple(compiled.cpu.supported_isas())


def choose_isa(isa: str | None) -> str:
    """Return the instruction set to run: the argument, else ``RSIR_FORCE_ISA``, else the best one of this machine.

    Raises
    ------
    ValueError
        For a name that is unknown or that this machine cannot run: never a quiet fall-back.
    """
    supported = supported_isas()
    name = isa if isa is not None else compiled.cpu.environment("RSIR_FORCE_ISA") or supported[0]
    if name not in supported:
        source = "RSIR_FORCE_ISA" if isa is None else "isa"
        raise ValueError(
            f"{source}: expected an instruction set that this machine runs ({', '.join(supported)}), got {name!r}; "
            "leave it unset to take the best one"
        )
    return name
