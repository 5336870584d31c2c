"""The result of `rsir_fast.protocols.evaluate_multilabel`."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rsir_fast.protocols.evaluation import EvaluationResult
from rsir_fast.protocols.intervals import MapIntervals
from rsir_fast.protocols.result import Part, Text, Value, as_array

__all__ = ["LabelFacts", "LabelRow", "MultilabelFigures", "MultilabelResult", "MultilabelSettings"]


class MultilabelSettings(Part):
    """Settings that decide the figures: ``normalize`` of features, ``bits`` of codes, the gain of NDCG."""

    distance: Literal["euclidean", "hamming"]
    normalize: Literal["row", "none"] | None = None
    bits: int | None = None
    gain: Literal["exponential", "linear"]


class LabelFacts(Part):
    """The labels: their names, images of each, labels of an image in the mean, and a digest of the labels of all.

    ``digest`` is None in what was written before it was stated.
    """

    names: tuple[Text, ...]
    counts: tuple[int, ...]
    mean_per_image: Value
    digest: str | None = None


class LabelRow(Part):
    """The figures of the queries that have one label."""

    label: Text
    queries: int
    map: Value
    weighted_map: Value


class MultilabelFigures(Part):
    """Retrieval by shared labels in figures, expected over the order of ties; None where there is no value.

    Attributes
    ----------
    map : float or None
        An image is relevant if it shares a label with the query.
    weighted_map : float or None
        Of `rsir_fast.metrics.weighted_average_precision`; may exceed 1.
    map_intervals, weighted_map_intervals : MapIntervals or None
        How sure the two are, by query and by class, which is that of an image's folder: none where images have none.
        None in what was written before they were stated.
    cutoffs : tuple of int
        Numbers of returned images for what follows, means over the queries.
    ndcg_at, acg_at, precision_at, recall_at : tuple of float or None
        As in `rsir_fast.metrics.ndcg_at` and `rsir_fast.metrics.acg_at`; precision and recall of shared labels.
    per_label : tuple of LabelRow
    per_query : tuple of float or None
        AP of every query.
    queries, queries_without_relevant : int
        All, and those left out of every mean.
    relevant_share : float or None
        Relevant images of all, in the mean over the queries: what a random ranking has as precision.
    """

    map: Value
    weighted_map: Value
    map_intervals: MapIntervals | None = None
    weighted_map_intervals: MapIntervals | None = None
    cutoffs: tuple[int, ...]
    ndcg_at: tuple[Value, ...]
    acg_at: tuple[Value, ...]
    precision_at: tuple[Value, ...]
    recall_at: tuple[Value, ...]
    per_label: tuple[LabelRow, ...]
    per_query: tuple[Value, ...] = ()
    queries: int
    queries_without_relevant: int
    relevant_share: Value

    @property
    def average_precision(self) -> NDArray[np.float64]:
        """AP of every query, NaN where nothing is relevant: for `rsir_fast.metrics.compare_paired`."""
        return as_array(self.per_query)


class MultilabelResult(EvaluationResult):
    """What `rsir_fast.protocols.evaluate_multilabel` found.

    Apart from ``timing`` it depends on the features, the label sets and the settings only.

    Attributes
    ----------
    protocol, rsir_fast : str
    dataset : DatasetFacts
    features : FeaturesFacts
    settings : MultilabelSettings
    rules : Protocol
    labels : LabelFacts
    queries : Queries
        ``items``; ``labels`` are the numbers of their classes, if they have any.
    query_excluded : MultilabelFigures
        Every image in turn a query, left out of its own ranking.
    timing : Timing
    """

    protocol: Literal["multilabel"]
    settings: MultilabelSettings
    labels: LabelFacts
    query_excluded: MultilabelFigures

    @property
    def by_place(self) -> dict[str, MultilabelFigures]:
        """The figures by the name of their place."""
        return {"query_excluded": self.query_excluded}

    def _headlines(self) -> dict[str, float | None]:
        return {place: found.map for place, found in self.by_place.items()}
