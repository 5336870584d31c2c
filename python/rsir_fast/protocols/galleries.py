"""The rows of the images that are ranked, by the name of the gallery."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rsir_fast.protocols.protocol import Gallery

__all__ = ["gallery_rows"]


def gallery_rows(gallery: Gallery, n: int, train: NDArray[np.int64], test: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rows [m] int64 of a gallery among `n` images, of which `test` are the queries.

    Examples
    --------
    >>> gallery_rows("rest", 4, np.array([0]), np.array([2])).tolist()
    [0, 1, 3]
    """
    every = np.arange(n)
    return {"train": train, "test": test, "rest": np.setdiff1d(every, test), "all": every}[gallery]
