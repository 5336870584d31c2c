"""The result of `rsir_fast.evaluate_ge2018`."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from rsir_fast.protocols.evaluation import EvaluationResult
from rsir_fast.protocols.intervals import MapIntervals
from rsir_fast.protocols.protocol import MapAt
from rsir_fast.protocols.result import Part, Text, Value, as_array

__all__ = [
    "ClassFigures",
    "ExpectedOverTies",
    "Ge2018Result",
    "Ge2018Settings",
    "PrecisionRecallCurve",
    "RetrievalFigures",
    "Ties",
]


class Ge2018Settings(Part):
    """Settings that decide the figures; those beyond the paper's method are absent where nothing is."""

    normalize: Literal["row", "feature", "minmax", "none"]
    distance: Literal["euclidean", "l1"] = "euclidean"
    anmrr_k: Literal["2ng", "mpeg7"] = "2ng"
    query: str = "every image"
    relevant: str = "same class"
    ties: str = "item index"
    steps: tuple[str, ...] | None = None
    dim: int | None = None
    fitted: dict[str, Any] | None = None
    rerank: tuple[str, ...] | None = None


class PrecisionRecallCurve(Part):
    """Mean precision and recall at each number of returned images."""

    n: tuple[int, ...]
    precision: tuple[Value, ...]
    recall: tuple[Value, ...]


class ClassFigures(Part):
    """The figures of the queries of one class."""

    class_name: Text = Field(alias="class")
    queries: int
    map: Value
    anmrr: Value
    precision_at_20: Value


class RetrievalFigures(Part):
    """The figures of all queries, in one convention; None where no query has a relevant image.

    Attributes
    ----------
    map, anmrr : float or None
    map_intervals : MapIntervals or None
        How sure ``map`` is; None in what was written before it was stated.
    queries, queries_without_relevant : int
        All, and those left out of every mean.
    precision_at, recall_at : dict of int to float
        By the number of returned images.
    map_at : MapAt or None
        MAP@k; None where it was not asked for.
    pr_curve : PrecisionRecallCurve
    per_class : tuple of ClassFigures
    per_query : tuple of float or None
        AP of every query, None where nothing is relevant, in the order of the result's ``queries``.
    """

    map: Value
    map_intervals: MapIntervals | None = None
    anmrr: Value
    queries: int
    queries_without_relevant: int
    precision_at: dict[int, Value]
    recall_at: dict[int, Value]
    map_at: MapAt | None = None
    pr_curve: PrecisionRecallCurve
    per_class: tuple[ClassFigures, ...]
    per_query: tuple[Value, ...] = ()

    @property
    def average_precision(self) -> NDArray[np.float64]:
        """AP of every query, NaN where nothing is relevant: for `rsir_fast.metrics.compare_paired`."""
        return as_array(self.per_query)


class ExpectedOverTies(Part):
    """MAP expected over a random order of equal distances."""

    query_excluded: Value
    query_included: Value


class Ties(Part):
    """How many distances are tied, and, where many are, what that leaves to chance."""

    tied_share: float
    queries_looked_at: int
    map_expected_over_ties: ExpectedOverTies | None


class Ge2018Result(EvaluationResult):
    """What `rsir_fast.evaluate_ge2018` found.

    Apart from ``timing`` it depends on the features and settings only, to the last bit.

    Attributes
    ----------
    protocol, rsir_fast : str
    dataset : DatasetFacts
    features : FeaturesFacts
    settings : Ge2018Settings
    rules : Protocol or None
    queries : Queries
        ``items`` and ``labels``, numbers of classes.
    query_excluded, query_included : RetrievalFigures
        With the query left out of its own ranking, and left in.
    ties : Ties or None
        None where rankings are diffused.
    timing : Timing
    examples : tuple of Example
        Rankings to show; not in ``result.json``.

    Examples
    --------
    >>> import rsir_fast as rf
    >>> matrix = np.array([[0, 1, 2], [0, 2, 4], [5, 0, 1], [9, 0, 2]], np.float32)
    >>> features = rf.Features(matrix, ("a/1", "a/2", "b/1", "b/2"), np.array([0, 0, 1, 1]), ("a", "b"), "demo")
    >>> result = rf.evaluate_ge2018(features)
    >>> result.query_excluded.map, result.query_excluded.precision_at[1], result.settings.normalize
    (1.0, 1.0, 'row')
    >>> result
    Ge2018Result(ge2018, demo, 4 images, unknown:unknown, mAP query excluded 100.00 %, query included 100.00 %)
    """

    protocol: Literal["ge2018"]
    settings: Ge2018Settings
    query_excluded: RetrievalFigures
    query_included: RetrievalFigures
    ties: Ties | None = None

    @property
    def by_place(self) -> dict[str, RetrievalFigures]:
        """The figures by the name of their place."""
        return {"query_excluded": self.query_excluded, "query_included": self.query_included}

    def _headlines(self) -> dict[str, float | None]:
        return {place: found.map for place, found in self.by_place.items()}
