"""Rows of a table beside the one that they are compared with, by query and by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rsir_fast.protocols.compare_results_result import PairTest
from rsir_fast.protocols.intervals import RESAMPLES, map_intervals
from rsir_fast.protocols.reproduce_ge2018_result import Against, MethodRun, RunFigures
from rsir_fast.protocols.tested import pair_test, with_holm

__all__ = ["against_each", "with_intervals"]


def against_each(reference: MethodRun, runs: Sequence[MethodRun], labels: Mapping[str, int]) -> list[Against]:
    """Compare each of some rows with the reference; `labels` are the classes of all items. p is corrected for them."""
    return [_against(pair) for pair in with_holm([_pair(reference, run, labels) for run in runs])]


def with_intervals(found: RunFigures, labels: NDArray[np.int64]) -> RunFigures:
    """Return figures with the intervals that a run of before does not have."""
    if found.map_intervals is not None:
        return found
    return found.model_copy(update={"map_intervals": map_intervals(found.average_precision, labels, RESAMPLES)})


def _pair(reference: MethodRun, result: MethodRun, labels: Mapping[str, int]) -> PairTest:
    """Compare two rows on the queries that both have, each left out of its own ranking."""
    one, other = (
        dict(zip(found.items, found.query_excluded.average_precision.tolist(), strict=True))
        for found in (reference, result)
    )
    common = [item for item in one if item in other]
    first, second = (np.array([found[item] for item in common], np.float64) for found in (one, other))
    return pair_test(("reference", "row"), first, second, np.array([labels[item] for item in common], np.int64))


def _against(pair: PairTest) -> Against:
    return Against(
        difference=pair.difference,
        low=pair.by_query.low,
        high=pair.by_query.high,
        p_value=pair.by_query.p_value,
        p_holm=pair.by_query.p_holm,
        queries=pair.queries,
        by_class=pair.by_class,
    )
