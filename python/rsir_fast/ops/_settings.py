"""Settings of a call that torch traces."""

from __future__ import annotations

from typing import Any

from rsir_fast.base.compiled import choose_isa, supported_isas
from rsir_fast.base.counts import as_count

__all__ = ["check_settings"]


def check_settings(k: Any, threads: int | None, isa: str | None) -> None:
    """Check, while torch traces a call, the plain numbers of its settings; those it does not know yet wait."""
    if k is not None and type(k).__name__ != "SymInt":
        as_count(k, "k")
    if threads is not None:
        as_count(threads, "threads", least=1, noun="a whole number of ")
    if isa is not None and isa not in supported_isas():
        choose_isa(isa)
