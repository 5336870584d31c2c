"""Every item in turn a query: from vectors, through re-ranking, to ranks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsir_fast.base.row_blocks import RowBlocks
from rsir_fast.ops import RelevantRanks, euclidean_topk, relevant_ranks
from rsir_fast.retrieval.diffusion import Diffusion, Graph
from rsir_fast.retrieval.expansion import Expansion

__all__ = ["Ranking", "rank_all"]


class Ranking:
    """What ranks the items, all of them queries: Euclidean distance, or diffusion.

    Made by `rank_all`.

    Attributes
    ----------
    queries, database : array [n, d], or RowBlocks
        Where they are ranked.
    """

    def __init__(
        self,
        queries: Any,
        database: Any,
        diffusion: tuple[Diffusion, Graph] | None = None,
        *,
        threads: int | None = None,
    ) -> None:
        self.queries, self.database = queries, database
        self._diffusion, self._threads = diffusion, threads

    @property
    def diffused(self) -> bool:
        """Whether the ranking is by diffusion, not by distance."""
        return self._diffusion is not None

    def ranks(self, labels: NDArray[np.int64], block: int | None = None) -> Iterator[RelevantRanks]:
        """Yield the ranks of the relevant items, as `rsir_fast.relevant_ranks` with every item its own query."""
        if self._diffusion is not None:
            diffusion, graph = self._diffusion
            return diffusion.ranks(graph, self.database, labels, block=block, threads=self._threads)
        return self._ranks(labels, block)

    def _ranks(self, labels: NDArray[np.int64], block: int | None) -> Iterator[RelevantRanks]:
        own = np.arange(len(labels))
        start = 0
        # Rows that lie apart are queries where they lie.
        for queries in self.queries.blocks if isinstance(self.queries, RowBlocks) else [self.queries]:
            rows = slice(start, start + len(queries))
            for found in relevant_ranks(
                queries,
                self.database,
                labels[rows],
                labels,
                self_ids=own[rows],
                block=block,
                threads=self._threads,
            ):
                yield found._replace(start=start + found.start)
            start += len(queries)

    def nearest(self, items: NDArray[np.int64], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return squared distances and ids [m, k] of the first k results of some queries, themselves among them."""
        if self._diffusion is not None:
            diffusion, graph = self._diffusion
            blocks = list(diffusion.rankings(graph, self.database, items, threads=self._threads))
            return (
                np.concatenate([block.distances[:, :k] for block in blocks]),
                np.concatenate([block.ids[:, :k] for block in blocks]),
            )
        squared, ids = euclidean_topk(self.queries[items], self.database, k, threads=self._threads)
        if not isinstance(ids, np.ndarray):
            squared, ids = squared.cpu().numpy(), ids.cpu().numpy()
        return squared, ids

    def told(self, measured: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return distances of `nearest` as readers are told them."""
        return np.sqrt(measured.astype(np.float64))


def rank_all(
    vectors: NDArray[np.float32],
    stages: Sequence[Expansion | Diffusion],
    *,
    move: Callable[[NDArray[np.float32]], Any] | None = None,
    threads: int | None = None,
) -> Ranking:
    """Make the ranking of all items for all items.

    Parameters
    ----------
    vectors : array, float32 [n, d]
    stages : sequence of Expansion or Diffusion
        As `rsir_fast.retrieval.parse_rerank` gives them.
    move : callable, optional
        Brings an array to where neighbours and ranks are found, such as a CUDA device.
    threads : int, optional
        As in `rsir_fast.euclidean_topk`.

    Returns
    -------
    Ranking

    Examples
    --------
    >>> x = np.array([[1, 0], [0.8, 0.6], [0, 1], [0.1, 1]], np.float32)
    >>> (found,) = rank_all(x, [Expansion(1)]).ranks(np.array([0, 0, 1, 1]))
    >>> found.drop_self().ranks.tolist()
    [1, 1, 1, 1]
    """
    own = np.arange(len(vectors))
    queries = database = vectors
    diffusion: tuple[Diffusion, Graph] | None = None
    for stage in stages:
        if isinstance(stage, Expansion):
            queries, database = stage.apply(queries, database, own, move=move, threads=threads)
        else:
            there = database if move is None else move(database)
            diffusion = stage, stage.graph(database, there, threads=threads)
    there = database if move is None else move(database)
    asked = there if queries is database else queries if move is None else move(queries)
    return Ranking(asked, there, diffusion, threads=threads)
