"""The rows of the images that are ranked, by the name of the gallery; a query is left out of its own ranking."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsir_fast.protocols.protocol import Gallery

__all__ = ["gallery_rows", "without_own"]


def gallery_rows(gallery: Gallery, n: int, train: NDArray[np.int64], test: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rows [m] int64 of a gallery among `n` images, of which `test` are the queries.

    Examples
    --------
    >>> gallery_rows("rest", 4, np.array([0]), np.array([2])).tolist()
    [0, 1, 3]
    """
    every = np.arange(n)
    return {"train": train, "test": test, "rest": np.setdiff1d(every, test), "all": every}[gallery]


def without_own(ids: NDArray[np.int64], own: NDArray[np.int64], *tables: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """Return tables [q, m] without the place of each query itself, [q, m - 1]: `own` [q] is once in its row of `ids`.

    Examples
    --------
    >>> ids = np.array([[0, 2, 1], [2, 1, 0]])
    >>> without_own(ids, np.array([0, 1]), ids)[0].tolist()
    [[2, 1], [2, 0]]
    """
    others = ids != own[:, None]
    return tuple(table[others].reshape(len(ids), ids.shape[1] - 1) for table in tables)
