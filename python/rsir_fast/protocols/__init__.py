"""Published evaluations, from features to figures.

Names load on first use (``__init__.pyi`` has them): a result is read and shown without torch.
"""

from __future__ import annotations

from typing import Any

import lazy_loader

from rsir_fast.base.renamed import former_names

_load, _, __all__ = lazy_loader.attach_stub(__name__, __file__)
_gone = former_names(__name__, {"Evaluation": "rsir_fast.Ge2018Result or Dhcnn2021Result"})


def __getattr__(name: str) -> Any:
    return _load(name) if name in __all__ else _gone(name)
