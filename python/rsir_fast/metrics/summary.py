"""All retrieval metrics of an evaluation, gathered block by block."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rsir_fast.base.counts import as_count
from rsir_fast.metrics._hits import RankedHits
from rsir_fast.metrics._inputs import MOST, as_cutoff, as_cutoffs, as_labels, as_relevance, check_choice
from rsir_fast.metrics.anmrr import Penalty, RankLimit, nmrr_of
from rsir_fast.metrics.average_precision import Divisor, average_precision_of
from rsir_fast.metrics.means import mean_over_queries
from rsir_fast.metrics.precision_recall import curve_points as default_curve_points
from rsir_fast.metrics.precision_recall import macro_curve

__all__ = ["RetrievalAccumulator"]

PER_CLASS_CUTOFF = 20


class RetrievalAccumulator:
    """Gather rankings in blocks of queries and summarise them once, at the end.

    The result has the same bits for every division into blocks and every order of the queries: a query's values depend
    on its own ranking only, hits are added as integers, and the means of floats are correctly rounded.

    Parameters
    ----------
    classes
        Names of the classes, in the order of the labels.
    n_ranked
        Length of a whole ranking, where the default curve ends.
    cutoffs
        Numbers of returned items for precision_at and recall_at.
    curve_points
        Numbers of returned items for the precision-recall curve. Default: `metrics.curve_points` of `n_ranked`.
    anmrr_k
        ``"2ng"`` or ``"mpeg7"``, see `nmrr`.
    anmrr_penalty
        ``"1.25k"`` or ``"k+1"``, see `nmrr`.
    max_relevant
        Largest number of relevant items over all queries to come; needed for ``"mpeg7"`` only.
    map_at
        k of mAP@k, by every divisor of `average_precision`. Default: none.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Notes
    -----
    Keeps four bytes for each query and cut-off or curve point (some 600 bytes a query for 10 000 items), nothing of
    the size of a ranking.

    Examples
    --------
    >>> accumulator = RetrievalAccumulator(["beach", "forest"], n_ranked=3, cutoffs=[1])
    >>> accumulator.add([[True, False, False], [False, True, False]], query_labels=[0, 1])
    >>> result = accumulator.result()
    >>> result["map"], result["precision_at"], result["pr_curve"]["recall"]
    (0.75, {'1': 0.5}, [0.5, 1.0, 1.0])
    """

    def __init__(
        self,
        classes: Sequence[str],
        n_ranked: int,
        *,
        cutoffs: Iterable[int] = (1, 2, 5, 10, 20, 50, 100),
        curve_points: Iterable[int] | None = None,
        anmrr_k: RankLimit = "2ng",
        anmrr_penalty: Penalty = "1.25k",
        max_relevant: int | None = None,
        map_at: int | None = None,
    ) -> None:
        check_choice(anmrr_k, ("2ng", "mpeg7"), "anmrr_k")
        check_choice(anmrr_penalty, ("1.25k", "k+1"), "anmrr_penalty")
        if anmrr_k == "mpeg7" and max_relevant is None:
            raise ValueError('max_relevant: needed for anmrr_k="mpeg7", whose K depends on all queries; got None')
        if max_relevant is not None:
            max_relevant = as_count(max_relevant, "max_relevant", most=MOST)
        self._classes = tuple(classes)
        self._cutoffs = np.unique(as_cutoffs(list(cutoffs), "cutoffs"))
        self._curve = (
            default_curve_points(n_ranked)
            if curve_points is None
            else np.unique(as_cutoffs(list(curve_points), "curve_points"))
        )
        self._points = np.unique(np.concatenate([self._cutoffs, self._curve, [PER_CLASS_CUTOFF]]))
        self._anmrr_k: RankLimit = anmrr_k
        self._anmrr_penalty: Penalty = anmrr_penalty
        self._max_relevant = max_relevant
        self._map_at = as_cutoff(map_at, "map_at")
        self._at_k: dict[Divisor, list[NDArray[np.float64]]] = {
            name: [np.empty(0)] for name in ("found", "min", "relevant")
        }
        self._average_precision: list[NDArray[np.float64]] = [np.empty(0)]
        self._nmrr: list[NDArray[np.float64]] = [np.empty(0)]
        self._n_relevant: list[NDArray[np.int64]] = [np.empty(0, dtype=np.int64)]
        self._labels: list[NDArray[np.int64]] = [np.empty(0, dtype=np.int64)]
        self._hits: list[NDArray[np.int32]] = [np.empty((0, len(self._points)), dtype=np.int32)]

    def add(self, relevant_ranked: ArrayLike, query_labels: ArrayLike, n_relevant: ArrayLike | None = None) -> None:
        """Take in the rankings of m queries.

        Parameters
        ----------
        relevant_ranked
            [m, n] bool (or integers 0 and 1), best item first, the query's own item left out unless it is to count.
        query_labels
            [m] integers, the class of each query.
        n_relevant
            R, one integer or [m]; needed where the lists are truncated. Default: the number in each list.

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described. Nothing is taken in then.
        """
        ranked = as_relevance(relevant_ranked)
        if ranked.ndim != 2:
            raise ValueError(f"relevant_ranked: expected [m, n], one ranking per row, got shape {ranked.shape}")
        self._add(RankedHits.find(ranked, n_relevant), query_labels)

    def add_ranks(
        self, ranks: ArrayLike, counts: ArrayLike, query_labels: ArrayLike, n_relevant: ArrayLike | None = None
    ) -> None:
        """Take in the rankings of m queries by the ranks of their relevant items, as `rsir_fast.relevant_ranks` gives.

        Parameters
        ----------
        ranks
            [h] integers, counted from 1: query after query, increasing in each.
        counts
            [m] integers, how many of them are each query's; h is their sum.
        query_labels, n_relevant
            As for `add`, to which this is the same in every bit.

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described. Nothing is taken in then.
        """
        self._add(RankedHits.of_ranks(ranks, counts, n_relevant), query_labels)

    def _add(self, hits: RankedHits, query_labels: ArrayLike) -> None:
        labels = as_labels(query_labels, "query_labels", len(self._classes))
        if len(labels) != len(hits.n_relevant):
            raise ValueError(f"query_labels: expected {len(hits.n_relevant)}, one per ranking, got {len(labels)}")
        nmrr = nmrr_of(hits, self._anmrr_k, self._max_relevant, self._anmrr_penalty)
        self._average_precision.append(average_precision_of(hits))
        if self._map_at is not None:
            for divisor, parts in self._at_k.items():
                parts.append(average_precision_of(hits, self._map_at, divisor))
        self._nmrr.append(nmrr)
        self._n_relevant.append(hits.n_relevant)
        self._labels.append(labels)
        self._hits.append(hits.count_within(self._points).astype(np.int32))

    def average_precision(self) -> NDArray[np.float64]:
        """Return the AP of every query taken in so far, [queries], in their order; NaN where nothing is relevant."""
        return np.concatenate(self._average_precision)

    def result(self) -> dict[str, object]:
        """Summarise what was taken in.

        Returns
        -------
        dict
            Ready for JSON; a value that is undefined (no query with a relevant item) is None.
            ``map``, ``anmrr``, ``queries`` (all), ``queries_without_relevant`` (those left out of every mean),
            ``precision_at`` and ``recall_at`` (by cut-off, as text), ``pr_curve`` (``n``, ``precision``, ``recall``),
            ``map_at`` (where it was asked for: by divisor),
            ``per_class`` (for each class in order ``class``, ``queries``, ``map``, ``anmrr``, ``precision_at_20``).

        Raises
        ------
        ValueError
            If no query has as many relevant items as `max_relevant` says, so that ANMRR would be wrong.
        """
        average_precision, nmrr = np.concatenate(self._average_precision), np.concatenate(self._nmrr)
        n_relevant, labels = np.concatenate(self._n_relevant), np.concatenate(self._labels)
        hits = np.concatenate(self._hits)
        largest = int(n_relevant.max(initial=0))
        if self._anmrr_k == "mpeg7" and len(labels) and largest != self._max_relevant:
            raise ValueError(
                f"max_relevant: expected the largest number of relevant items over all queries, {largest}, "
                f"got {self._max_relevant}; K of every query depends on it"
            )
        overall = mean_over_queries(average_precision)
        whole = macro_curve(hits, n_relevant, self._points)
        at_cutoffs = np.searchsorted(self._points, self._cutoffs)
        on_curve = np.searchsorted(self._points, self._curve)
        keys = [str(n) for n in self._cutoffs]
        return {
            "map": _or_none(overall.value),
            "anmrr": _or_none(mean_over_queries(nmrr).value),
            **self._cut_means(),
            "queries": overall.queries,
            "queries_without_relevant": overall.queries_without_relevant,
            "precision_at": dict(zip(keys, _floats(whole.precision[at_cutoffs]), strict=True)),
            "recall_at": dict(zip(keys, _floats(whole.recall[at_cutoffs]), strict=True)),
            "pr_curve": {
                "n": self._curve.tolist(),
                "precision": _floats(whole.precision[on_curve]),
                "recall": _floats(whole.recall[on_curve]),
            },
            "per_class": [
                {"class": name, **self._of_class(average_precision[own], nmrr[own], n_relevant[own], hits[own])}
                for name, own in ((name, labels == index) for index, name in enumerate(self._classes))
            ],
        }

    def _cut_means(self) -> dict[str, object]:
        if self._map_at is None:
            return {}
        means = {by: _or_none(mean_over_queries(np.concatenate(parts)).value) for by, parts in self._at_k.items()}
        return {"map_at": means}

    def _of_class(
        self,
        average_precision: NDArray[np.float64],
        nmrr: NDArray[np.float64],
        n_relevant: NDArray[np.int64],
        hits: NDArray[np.int32],
    ) -> dict[str, object]:
        column = np.searchsorted(self._points, [PER_CLASS_CUTOFF])
        precision = macro_curve(hits[:, column], n_relevant, self._points[column]).precision
        return {
            "queries": len(n_relevant),
            "map": _or_none(mean_over_queries(average_precision).value),
            "anmrr": _or_none(mean_over_queries(nmrr).value),
            "precision_at_20": _or_none(float(precision[0])),
        }


def _or_none(value: float) -> float | None:
    """JSON has no NaN."""
    return None if math.isnan(value) else value


def _floats(values: NDArray[np.float64]) -> list[float | None]:
    return [_or_none(value) for value in values.tolist()]
