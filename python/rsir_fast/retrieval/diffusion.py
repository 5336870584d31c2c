"""Diffusion on the graph of mutual neighbours: an item is near if many short paths lead to it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rsir_fast.ops import RankedBlock, RelevantRanks, rank_database
from rsir_fast.retrieval.neighbours import cosines, nearest_others

__all__ = ["Diffusion", "Graph"]

TOLERANCE = 1e-8
"""Scores are computed to this, relative to the largest they can be; smaller ones count as none."""

_BLOCK = 64
"""Queries solved at a time. Never changes a bit."""


class Graph(NamedTuple):
    """A symmetric sparse matrix S with spectral radius of at most 1, laid out by the degree of its nodes.

    Attributes
    ----------
    order : array, int64 [n]
        Items by decreasing degree.
    columns, weights : list of array
        Number s: the neighbour number s, and its weight, of the items that have so many, in that order; neighbours as
        places in `order`.
    """

    order: NDArray[np.int64]
    columns: list[NDArray[np.int64]]
    weights: list[NDArray[np.float64]]

    def times(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return S x for x [n, m], rows in `order`; each column depends on itself only, bit for bit."""
        result = np.zeros_like(x)
        for column, weight in zip(self.columns, self.weights, strict=True):
            term = x[column]
            term *= weight[:, None]
            result[: len(column)] += term
        return result


@dataclass(frozen=True)
class Diffusion:
    """Rank by diffusion from the query's node on the mutual k-nearest-neighbour graph of the database.

    Edges join items that are among each other's k nearest; an edge weighs max(cosine, 0)^gamma, S = D^-1/2 W D^-1/2.
    The scores of a query are the column of (I - alpha S)^-1 at its node: sums over all paths, each step worth alpha.
    Iscen, Tolias, Avrithis, Furon, Chum: Efficient diffusion on region manifolds, CVPR 2017; the
    query as a node: Donoser, Bischof, CVPR 2013, and Yang et al., AAAI 2019.

    Ranked by decreasing score. Items that the diffusion does not reach (score under 1e-8 of the largest possible)
    follow in the order of their Euclidean distance; so do equal scores; equal distances are ordered by item.

    Parameters
    ----------
    k : int
        Neighbours of the graph.
    alpha : float
        Worth of a step, over 0, under 1.
    gamma : float
        Exponent of the cosine.

    Notes
    -----
    **Query excluded.** The query is an item of the database and a node of the graph, and is taken out of its ranking by
    its number. No label is looked at. The scores of the other items are, but for one factor, those of the diffusion on
    the graph *without* the query's node, started from its mutual neighbours with their weights: with M = I - alpha S
    cut into the query q and the rest r, the column of M^-1 at q is, on r, proportional to M_rr^-1 S_rq (block inverse).
    So no path gains by coming back to the query. What remains of it are the neighbour lists and degrees of the items
    around it.
    **Query included.** The query keeps the place that its own score gives it, mostly the first.

    **Solution.** Chebyshev semi-iteration (Golub, Varga 1961) with as many steps as the bound of its error asks for, 42
    for alpha 0.9: no inner products, so each query's bits depend on that query only. O(edges steps) time a query, O(n)
    memory; beside it O(n k) for the graph, whose neighbours are found exactly in O(n^2 d).

    Examples
    --------
    >>> x = np.array([[1, 0], [0.8, 0.6], [0.28, 0.96], [-1, 0.1]], np.float32)
    >>> diffusion = Diffusion(1)
    >>> (block,) = diffusion.rankings(diffusion.graph(x), x, np.array([1]))
    >>> block.ids.tolist()
    [[1, 2, 0, 3]]
    """

    k: int
    alpha: float = 0.9
    gamma: float = 3.0

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"diffuse: expected at least 1 neighbour, got {self.k}")
        if not 0 < self.alpha < 1:
            raise ValueError(f"diffuse: expected alpha over 0 and under 1, got {self.alpha:g}")
        if not 0 <= self.gamma < math.inf:
            raise ValueError(f"diffuse: expected gamma of at least 0, got {self.gamma:g}")

    @property
    def steps(self) -> int:
        """Steps of the iteration: 2 r^t <= tolerance, r = (1 - sqrt(1 - alpha^2)) / alpha."""
        r = (1 - math.sqrt(1 - self.alpha**2)) / self.alpha
        return math.ceil(math.log(TOLERANCE / 2) / math.log(r))

    def graph(self, vectors: NDArray[np.float32], place: Any = None, *, threads: int | None = None) -> Graph:
        """Build the graph of the items, float32 [n, d]; `place` is where neighbours are found, if elsewhere."""
        if not np.isfinite(vectors).all():
            raise ValueError(f"{self}: expected finite features, whose neighbours mean something")
        n = len(vectors)
        there = vectors if place is None else place
        ids = nearest_others(there, there, self.k, np.arange(n), threads=threads)[1]
        sources = np.repeat(np.arange(n), self.k)
        targets = ids.reshape(-1)
        mutual = np.isin(sources * n + targets, targets * n + sources)
        affinity = np.maximum(cosines(vectors, vectors, ids).reshape(-1), 0.0) ** self.gamma
        sources, targets, affinity = sources[mutual], targets[mutual], affinity[mutual]
        degree = np.bincount(sources, weights=affinity, minlength=n)
        scale = 1 / np.sqrt(np.where(degree > 0, degree, 1.0))
        affinity = affinity * (scale[sources] * scale[targets])
        return _laid_out(n, sources, targets, affinity)

    def scores(self, graph: Graph, items: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the scores [m, n] of all items for queries that are the items named."""
        n = len(graph.order)
        place = np.empty(n, dtype=np.int64)
        place[graph.order] = np.arange(n)
        start = np.zeros((n, len(items)))
        start[place[items], np.arange(len(items))] = 1.0
        before, x, omega = start * 0, start.copy(), 1.0
        for step in range(self.steps):
            omega = 2 / (2 - self.alpha**2) if step == 0 else 1 / (1 - self.alpha**2 * omega / 4)
            after = graph.times(x)
            after *= self.alpha
            after += start
            after -= before
            after *= omega
            after += before
            before, x = x, after
        result = np.empty((len(items), n))
        result[:, graph.order] = x.T
        result[result < TOLERANCE / (1 - self.alpha)] = 0.0
        return result

    def rankings(
        self,
        graph: Graph,
        database: Any,
        items: NDArray[np.int64],
        *,
        block: int | None = None,
        threads: int | None = None,
    ) -> Iterator[RankedBlock]:
        """Yield the full rankings of the items named as queries: first number, squared distances and ids [m, n].

        `database` is what the distances are measured in, here or on a CUDA device.
        """
        size = _BLOCK if block is None else block
        for start, squared, found in rank_database(database[items], database, block=size, threads=threads):
            distances, ids = squared, found
            if not isinstance(ids, np.ndarray):
                distances, ids = distances.cpu().numpy(), ids.cpu().numpy()
            scores = np.take_along_axis(self.scores(graph, items[start : start + len(ids)]), ids, axis=1)
            order = np.argsort(-scores, axis=1, kind="stable")
            yield RankedBlock(start, np.take_along_axis(distances, order, 1), np.take_along_axis(ids, order, 1))

    def ranks(
        self,
        graph: Graph,
        database: Any,
        labels: NDArray[np.int64],
        *,
        block: int | None = None,
        threads: int | None = None,
    ) -> Iterator[RelevantRanks]:
        """Yield the ranks of the relevant items, every item in turn the query, as `rsir_fast.relevant_ranks` does."""
        every = np.arange(len(labels))
        for start, _, ids in self.rankings(graph, database, every, block=block, threads=threads):
            own = every[start : start + len(ids)]
            relevant = labels[ids] == labels[own, None]
            at = np.nonzero(relevant)[1] + 1
            yield RelevantRanks(start, relevant.sum(axis=1), at, np.nonzero(ids == own[:, None])[1] + 1)

    def __str__(self) -> str:
        return f"diffuse:{self.k}:{self.alpha:g}:{self.gamma:g}"


def _laid_out(n: int, sources: NDArray[np.int64], targets: NDArray[np.int64], weights: NDArray[np.float64]) -> Graph:
    """Lay the edges, grouped by increasing source, out for `Graph`."""
    degree = np.bincount(sources, minlength=n)
    order = np.argsort(-degree, kind="stable").astype(np.int64, copy=False)
    place = np.empty(n, dtype=np.int64)
    place[order] = np.arange(n)
    first = np.concatenate([[0], np.cumsum(degree)])
    columns, of_columns = [], []
    for slot in range(int(degree.max(initial=0))):
        edges = first[order[: int((degree > slot).sum())]] + slot
        columns.append(place[targets[edges]])
        of_columns.append(weights[edges])
    return Graph(order, columns, of_columns)
