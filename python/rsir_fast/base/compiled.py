"""The compiled modules, loaded when they are first asked for: ``compiled.cpu``, ``compiled.cuda``."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rsir_fast import _cpu as cpu
    from rsir_fast import _cuda as cuda

__all__ = ["cpu", "cuda", "has_cuda"]


def __getattr__(name: str) -> ModuleType:
    """Load `cpu` and `cuda` when they are first asked for, as ``compiled.cpu``: one that is missing is told then.

    Raises
    ------
    ImportError
        `cpu` is missing or was built for another Python: the message names the cause and the fix.
    """
    if name == "cuda":
        return importlib.import_module("rsir_fast._cuda")
    if name != "cpu":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = globals()["cpu"] = importlib.import_module("rsir_fast._cpu")
    except ImportError as error:
        raise ImportError(
            "expected the compiled module rsir_fast._cpu beside the package, but it cannot be imported "
            f"({error}); build it with `pip install .` (or `make setup`) in the project folder"
        ) from error
    return module


def has_cuda() -> bool:
    """Tell whether rsir_fast was built with a CUDA compiler.

    Raises
    ------
    ImportError
        It was, but the module cannot be loaded.
    """
    try:
        importlib.import_module("rsir_fast._cuda")
    except ModuleNotFoundError:
        return False
    return True
