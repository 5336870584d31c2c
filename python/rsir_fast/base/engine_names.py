"""Names of what computes a network, for commands and the library alike."""

from __future__ import annotations

from typing import Literal

__all__ = ["EngineName"]

EngineName = Literal["torch", "onnx", "openvino", "auto"]
"""``auto`` takes one of the others."""
