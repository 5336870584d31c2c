"""What a weight file or its format says about the input of its network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Normalization"]


@dataclass(frozen=True)
class Normalization:
    """Preprocessing facts that a weight file carries or that belong to its format (see `Preprocessing`)."""

    channel_order: str
    divisor: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    mean_image: NDArray[np.float32] | None = None
