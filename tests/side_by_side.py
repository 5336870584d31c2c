"""All fields of features in one matrix, codes left out: what used to be stored."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive import Features


def table(features: Features) -> NDArray[np.float32]:
    """Return the fields side by side, [n, dim]."""
    return np.hstack([features[field.name] for field in features.fields if field.kind != "code"])
