"""Exact, reproducible content-based retrieval of remote sensing images.

Names load on first use, so that ``import rsir_fast`` costs milliseconds and never loads torch by itself. Which there
are is in ``__init__.pyi``.
"""

from __future__ import annotations

from typing import Any

import lazy_loader

# Names that there were -> what does it now.
_GONE = {
    "Backbone": "Encoder",
    "CodeMatches": "Hits",
    "Evaluation": "Ge2018Result or Dhcnn2021Result",
    "describe_dataset": "encode(dataset, encoder)",
    "extract": "encode(dataset, encoder)",
    "load_backbone": "load_encoder('NAME:LAYER', weights=...)",
    "load_descriptor": "load_encoder('NAME')",
    "PreparedCodes": "Database",
    "PreparedDatabase": "Database",
    "PreparedTensor": "Database",
    "ShardedCodes": "Database",
    "ShardedDatabase": "Database",
    "search_codes": "search(database, Query(ids=... or images=...))",
    "prepare_codes": "prepare(codes, metric='hamming', bits=...)",
}

_load, _, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("rsir-fast")
    if name in __all__:
        value = globals()[name] = _load(name)
        return value
    if name in _GONE:
        # `from rsir_fast import name` hides the words of an AttributeError.
        raise ImportError(f"rsir_fast.{name} is now rsir_fast.{_GONE[name]}")
    raise AttributeError(f"module 'rsir_fast' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
