"""Retrieval and label metrics: plain functions on arrays, exact definitions, float64.

Rankings are bool arrays, best item first, ranks counted from 1. A query without relevant items has no value (NaN) and
is left out of means and counted apart. Nothing here depends on how queries are divided into blocks.
"""

from __future__ import annotations

from rsir_fast.metrics.anmrr import Penalty, RankLimit, anmrr, nmrr
from rsir_fast.metrics.average_precision import Divisor, Empty, average_precision, mean_average_precision
from rsir_fast.metrics.hamming_radius import RadiusCurve, precision_recall_by_radius, radius_counts, radius_curve
from rsir_fast.metrics.labels import cohen_kappa, confusion_matrix, overall_accuracy, per_class_accuracy
from rsir_fast.metrics.means import QueryMean, mean_over_queries
from rsir_fast.metrics.multilabel import (
    Gain,
    TiedGains,
    acg_at,
    ndcg_at,
    shared_labels,
    weighted_average_precision,
)
from rsir_fast.metrics.precision_recall import (
    PrecisionRecallCurve,
    curve_points,
    precision_at,
    precision_recall_curve,
    recall_at,
)
from rsir_fast.metrics.rankings import drop_self, ranked_relevance, share_label
from rsir_fast.metrics.significance import (
    Interval,
    PairedComparison,
    bootstrap_interval,
    compare_paired,
    holm_adjusted,
    interval_over_splits,
)
from rsir_fast.metrics.summary import RetrievalAccumulator
from rsir_fast.metrics.tied_ranking import TiedRanking
from rsir_fast.metrics.ties import (
    FixedDivisor,
    TieAwareMap,
    average_precision_bounds,
    expected_average_precision,
    expected_precision_at,
    expected_recall_at,
    rank_by_distance,
    tie_aware_map,
)

__all__ = [
    "Divisor",
    "Empty",
    "FixedDivisor",
    "Gain",
    "Interval",
    "PairedComparison",
    "Penalty",
    "PrecisionRecallCurve",
    "QueryMean",
    "RadiusCurve",
    "RankLimit",
    "RetrievalAccumulator",
    "TieAwareMap",
    "TiedGains",
    "TiedRanking",
    "acg_at",
    "anmrr",
    "average_precision",
    "average_precision_bounds",
    "bootstrap_interval",
    "cohen_kappa",
    "compare_paired",
    "confusion_matrix",
    "curve_points",
    "drop_self",
    "expected_average_precision",
    "expected_precision_at",
    "expected_recall_at",
    "holm_adjusted",
    "interval_over_splits",
    "mean_average_precision",
    "mean_over_queries",
    "ndcg_at",
    "nmrr",
    "overall_accuracy",
    "per_class_accuracy",
    "precision_at",
    "precision_recall_by_radius",
    "precision_recall_curve",
    "radius_counts",
    "radius_curve",
    "rank_by_distance",
    "ranked_relevance",
    "recall_at",
    "share_label",
    "shared_labels",
    "tie_aware_map",
    "weighted_average_precision",
]
