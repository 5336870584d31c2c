"""What is stated of every hash model, without the network; no torch."""

from __future__ import annotations

from pydantic import BaseModel, InstanceOf

__all__ = ["MAX_BITS", "MIN_BITS", "Training"]

MIN_BITS, MAX_BITS = 8, 1024
"""Of a trained code."""


class _Split(BaseModel):
    """The images that a model was trained on, and those it was not."""

    train: list[InstanceOf[str]]
    test: list[InstanceOf[str]]


class Training(BaseModel):
    """How a model came to be, as far as something depends on it."""

    split: _Split | None = None
