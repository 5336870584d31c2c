"""Answers are asserted before a time counts: ours to the bit, the peers' to their rounding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cases import Case
from engines import Engine
from rsir_fast.ops import reference
from rsir_fast.testing import assert_topk_equivalent


class Checker:
    """The independent float64 answer of some queries (or rows) of a case, and the comparison of answers with it.

    By default those are three queries, the first, the middle and the last, or a hundred rows of an op without queries.
    """

    def __init__(self, case: Case, arrays: dict[str, NDArray[Any]], queries: list[int] | None = None) -> None:
        self.case = case
        database = arrays["database"]
        if case.q:
            self.rows = np.unique(np.linspace(0, case.q - 1, 3).astype(int) if queries is None else queries)
            wanted = arrays["queries"][self.rows]
            if case.op == "hamming_topk":
                self.truth = _by_block(lambda part: reference.hamming_distances(wanted, part, case.d), database, 2**18)
            else:
                step = max(1, 2**21 // database.shape[1])
                self.truth = _by_block(lambda part: reference.squared_distances(wanted, part), database, step)
                # float32 sums of |q|^2 + |x|^2 - 2 q.x err relative to the norms, not to the distance.
                self.slack = 1e-4 * float((wanted.astype(np.float64) ** 2).sum(1).max())
            self.ids = np.argsort(self.truth, axis=1, kind="stable")[:, : case.k]
            self.distances = np.take_along_axis(self.truth, self.ids, 1)
        else:
            self.rows = np.unique(np.linspace(0, case.n - 1, 100).astype(int))
            some = database[self.rows]
            self.truth = reference.pack_codes(some) if case.op == "pack_codes" else reference.gaussian_normalize(some)

    def check(self, engine: Engine, peer: str, q: int | None = None) -> None:
        """Assert that the last answer of the engine is right; q: how many queries it was for, default all."""
        known = self.rows < (q or self.rows[-1] + 1)
        distances, ids = engine.ask("rows", self.rows[known])
        ours = peer.startswith("rsir_fast")
        if not self.case.q:
            if ours or self.case.op == "pack_codes":
                self._same_bits(distances, self.truth, peer)
            else:
                np.testing.assert_allclose(distances, self.truth, rtol=1e-4, atol=1e-5)
        elif ours:
            self._same_bits(ids, self.ids[known], peer)
            self._same_bits(distances, self.distances[known], peer)
        else:
            slack = self.slack if self.case.op == "euclidean_topk" else 0.0
            assert_topk_equivalent(distances, ids, self.truth[known], rtol=1e-4, atol=slack)

    def _same_bits(self, found: NDArray[Any], expected: NDArray[Any], peer: str) -> None:
        differing = int((found != expected).sum())
        assert found.shape == expected.shape, f"{self.case.name}: {peer} gives {found.shape}, not {expected.shape}"
        assert differing == 0, f"{self.case.name}: {differing} values of {peer} differ from the reference"


def _by_block(distances: Callable[[Any], NDArray[Any]], database: NDArray[Any], step: int) -> NDArray[Any]:
    parts = [distances(database[first : first + step]) for first in range(0, len(database), step)]
    return np.concatenate(parts, axis=1)
