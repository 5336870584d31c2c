"""Calls that torch traces (torch.compile, torch.export) go to the operators that it knows."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from rsir_fast.base.counts import as_count
from rsir_fast.base.isa import choose_isa, supported_isas

__all__ = ["check_traced_where", "operators_if_traced"]


def operators_if_traced(
    *operands: Any, k: Any = None, threads: int | None = None, isa: str | None = None
) -> Any | None:
    """Return the operators that torch knows while it traces a call with these operands, else None.

    They are registered with torch as soon as a call brings a tensor, traced or not. Plain numbers of the call's
    settings are checked; those that torch does not know yet wait.

    Raises
    ------
    TypeError
        An operand is a prepared database, which torch cannot trace.
    TypeError, ValueError
        A setting does not fit.
    """
    torch = sys.modules.get("torch")
    if torch is None or all(type(x) is np.ndarray for x in operands):
        return None
    tensors = [x for x in operands if isinstance(x, torch.Tensor)]
    if not tensors:
        return None
    from rsir_fast.ops import torch_ops

    if not torch.compiler.is_compiling():
        return None
    for x in operands:
        if hasattr(type(x), "instead_of_array"):
            raise TypeError(
                "database: expected a tensor within torch.compile and torch.export, which keep tensors only, got a "
                f"{type(x).__name__}; pass the matrix it was made of, or search outside of them"
            )
    if len(tensors) < len(operands):
        return None
    if k is not None and type(k).__name__ != "SymInt":
        as_count(k, "k")
    if threads is not None:
        as_count(threads, "threads", least=1, noun="a whole number of ")
    if isa is not None and isa not in supported_isas():
        choose_isa(isa)
    return torch_ops


def check_traced_where(where: object) -> None:
    """Raise TypeError for allowed rows that torch cannot trace."""
    if where is not None and not isinstance(where, sys.modules["torch"].Tensor):
        raise TypeError(
            "where: expected a tensor within torch.compile and torch.export, which keep tensors only, got a "
            f"{type(where).__name__}; use torch.as_tensor(where)"
        )
