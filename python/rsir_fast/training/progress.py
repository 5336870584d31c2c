"""How far a training is, and in which arithmetic it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Precision", "TrainingProgress"]

Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class TrainingProgress:
    """How far a training is.

    Attributes
    ----------
    epoch, epochs
        Counted from 1, of the stage.
    images, total
        Images seen in this epoch, and of an epoch.
    terms
        Means over the epoch so far of the loss and its parts, by name.
    learning_rate
        The highest of all layers'.
    images_per_s
        Rate of this run.
    eta_s
        Seconds left at that rate, of the stage.
    stage
        What is trained: ``"head"``, which comes first where a hash network has both stages, or ``"network"``.
    """

    epoch: int
    epochs: int
    images: int
    total: int
    terms: dict[str, float]
    learning_rate: float
    images_per_s: float
    eta_s: float
    stage: str = "network"
