"""In which arithmetic a training runs."""

from __future__ import annotations

from typing import Literal

__all__ = ["Precision"]

Precision = Literal["float32", "bfloat16"]
