"""Which queries to show: typical ones for every class, and the best and the worst of all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["pick_queries"]


def pick_queries(
    average_precision: ArrayLike, labels: ArrayLike, classes: Sequence[str], *, largest: int = 60
) -> list[tuple[int, str]]:
    """Choose queries to show by a rule that cannot flatter: the median of each class, then the extremes.

    Parameters
    ----------
    average_precision : [n] float
        AP of every image as a query; NaN where it has none.
    labels : [n] int
        Class of every image, an index into `classes`.
    classes : sequence of str
        Class names.
    largest : int
        Most class medians returned; with more classes they are taken at even steps.

    Returns
    -------
    list of (int, str)
        Image index and why it is shown: the best query, the worst query, then for each class the query whose AP is
        the lower median. Ties go to the smaller index. Images without an AP are never chosen.

    Examples
    --------
    >>> pick_queries([0.9, 0.5, 0.7, 0.2, 0.3], [0, 0, 0, 1, 1], ["beach", "river"])
    [(0, 'best of all'), (3, 'worst of all'), (2, 'median of its class'), (3, 'median of its class')]
    """
    ap = np.asarray(average_precision, dtype=np.float64)
    of_class = np.asarray(labels)
    known = np.flatnonzero(np.isfinite(ap))
    if known.size == 0:
        return []
    order = known[np.argsort(ap[known], kind="stable")]
    best = known[np.argmax(ap[known])]
    chosen = [(int(best), "best of all"), (int(order[0]), "worst of all")]
    medians = []
    for index in range(len(classes)):
        members = order[of_class[order] == index]
        if members.size:
            medians.append((int(members[(members.size - 1) // 2]), "median of its class"))
    step = max(1, -(-len(medians) // largest))
    return chosen + medians[::step]
