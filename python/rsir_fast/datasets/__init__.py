"""Data sets: benchmark layouts, folders, torch data sets, splits, synthetic scenes.

Names load on first use (``__init__.pyi`` has them): archives name images without the libraries that read them.
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
