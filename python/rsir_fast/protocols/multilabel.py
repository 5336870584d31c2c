"""Retrieval of images with several labels each: any-match mAP, weighted mAP, NDCG and ACG."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rsir_fast import metrics
from rsir_fast.archive import Features
from rsir_fast.base.progress import OnProgress, Progress, is_stopped
from rsir_fast.datasets import LabelSets
from rsir_fast.errors import DatasetError, RsirError
from rsir_fast.metrics import Gain, TiedGains
from rsir_fast.ops import rank_database
from rsir_fast.protocols.cutoffs import as_cutoffs
from rsir_fast.protocols.facts import (
    describe_dataset,
    describe_features,
    describe_queries,
    describe_timing,
    digest_of_images,
)
from rsir_fast.protocols.galleries import without_own
from rsir_fast.protocols.intervals import map_intervals
from rsir_fast.protocols.multilabel_result import (
    LabelFacts,
    LabelRow,
    MultilabelFigures,
    MultilabelResult,
    MultilabelSettings,
)
from rsir_fast.protocols.protocol import Protocol, SplitSource
from rsir_fast.protocols.result import mean
from rsir_fast.protocols.taught import remarks_on_taught, trained_queries

__all__ = ["evaluate_multilabel"]

CUTOFFS = (1, 5, 10, 20, 50, 100)
"""Numbers of returned images."""


def evaluate_multilabel(
    features: Features,
    label_sets: LabelSets | None = None,
    *,
    cutoffs: Sequence[int] = CUTOFFS,
    gain: Gain = "exponential",
    normalize: Literal["row", "none"] = "row",
    threads: int | None = None,
    progress: OnProgress | None = None,
) -> MultilabelResult:
    """Evaluate retrieval where images have several labels: every image in turn queries all others.

    An image is relevant if it shares a label with the query, the more the better. Features are ranked by Euclidean
    distance, the codes of a hash model by Hamming distance; every figure is expected over the order of equal distances.

    Parameters
    ----------
    features : Features
        From `rsir_fast.encode` or `Features.load`.
    label_sets : LabelSets, optional
        Of its images, in their order. Default: the class of each image as its one label.
    cutoffs : sequence of int
        Numbers of returned images for NDCG, ACG, precision and recall, as far as there are so many.
    gain : {"exponential", "linear"}
        Of NDCG: `rsir_fast.metrics.ndcg_at`.
    normalize : {"row", "none"}
        Gaussian normalisation of each vector, as in `rsir_fast.evaluate_ge2018`; of codes there is none.
    threads : int, optional
        As in `rsir_fast.euclidean_topk`. Never changes a figure.
    progress : callable, optional
        Called with a `rsir_fast.Progress` of the stage ``"rank"`` after every block of queries; returning False stops.

    Returns
    -------
    MultilabelResult

    Raises
    ------
    DatasetError
        If there are fewer than two images, no labels, or not one label set for each image.
    ValueError
        For an unknown setting.

    Notes
    -----
    O(n^2 (dim + labels + log n)) time. Memory beside the features: a block of rankings and some fifteen arrays of its
    size; whole rankings are needed, as every image may be relevant to some degree.

    Examples
    --------
    >>> sets = LabelSets(("field", "river", "road"), np.array([[1, 1, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1]]))
    >>> matrix = np.array([[0, 1, 2], [0, 2, 4], [0, 1, 1], [9, 0, 2]], np.float32)
    >>> result = evaluate_multilabel(Features(matrix, ("1", "2", "3", "4"), None, (), "demo"), sets)
    >>> result.query_excluded.map, result.query_excluded.queries_without_relevant
    (1.0, 1)
    """
    start, numbers = time.perf_counter(), as_cutoffs(cutoffs)
    for name, value, choices in (("gain", gain, ("exponential", "linear")), ("normalize", normalize, ("row", "none"))):
        if value not in choices:
            raise ValueError(f"{name}: expected one of {', '.join(map(repr, choices))}, got {value!r}")
    sets = _sets_of(features, label_sets)
    n = len(features)
    settings, ranked = _ranked(features, normalize, gain, threads)
    at = np.array([number for number in numbers if number < n], np.int64)
    found = _Found(at, gain)
    for first, distances, ids in ranked:
        done = first + len(ids)
        shared = np.take_along_axis(metrics.shared_labels(sets.sets[first:done], sets.sets), ids, axis=1)
        found.add(*without_own(ids, np.arange(first, done), distances, shared))
        if is_stopped(progress, Progress("rank", done, n)):
            raise RsirError(f"evaluation stopped after {done} of {n} queries")
    names = [[name for name, own in zip(sets.names, row, strict=True) if own] for row in sets.sets]
    return MultilabelResult(
        protocol="multilabel",
        rsir_fast=version("rsir-fast"),
        dataset=describe_dataset(features, remarks_on_taught(features)),
        features=describe_features(features),
        settings=settings,
        rules=Protocol(
            split=SplitSource(kind="leave one out"),
            gallery=("all",),
            relevance="label",
            cutoffs=numbers,
            ties="expected",
            units=("query",) if features.labels is None else ("query", "class"),
        ),
        labels=LabelFacts(
            names=sets.names,
            counts=tuple(sets.counts().tolist()),
            mean_per_image=float(sets.sets.sum() / n),
            digest=digest_of_images(features.items, [sorted(own) for own in names]),
        ),
        queries=describe_queries(features.items, features.labels, trained_queries(features)),
        galleries={"query_excluded": digest_of_images(features.items, [[]] * n)},
        query_excluded=found.figures(sets, features.labels),
        timing=describe_timing(features, time.perf_counter() - start, threads),
    )


class _Found:
    """What the rankings gave, block by block."""

    def __init__(self, cutoffs: NDArray[np.int64], gain: Gain) -> None:
        self.cutoffs, self.gain = cutoffs, gain
        self.parts: dict[str, list[NDArray[np.float64]]] = {}

    def add(self, distances: NDArray[Any], shared: NDArray[np.int64]) -> None:
        """Take in the rankings of some queries, [m, n] each."""
        gains = TiedGains.sort(distances, shared)
        hits, relevant = gains.tied.hits_within(self.cutoffs), gains.tied.n_relevant.astype(np.float64)
        relevant[relevant == 0] = np.nan
        values = {
            "map": gains.tied.expected(),
            "weighted_map": gains.weighted_average_precision(),
            "share": relevant / max(1, shared.shape[1]),
            "ndcg_at": gains.ndcg_at(self.cutoffs, self.gain),
            "acg_at": gains.acg_at(self.cutoffs),
            "precision_at": hits / self.cutoffs + 0 * relevant[:, None],
            "recall_at": hits / relevant[:, None],
        }
        for name, part in values.items():
            self.parts.setdefault(name, []).append(part)

    def figures(self, sets: LabelSets, classes: NDArray[np.int64] | None) -> MultilabelFigures:
        """Summarise them; `classes` [n] are those of the images, if they have any."""
        every = {name: np.concatenate(parts) for name, parts in self.parts.items()}
        precision, weighted = every["map"], every["weighted_map"]
        at = ("ndcg_at", "acg_at", "precision_at", "recall_at")
        return MultilabelFigures(
            map=mean(precision),
            weighted_map=mean(weighted),
            map_intervals=map_intervals(precision, classes),
            weighted_map_intervals=map_intervals(weighted, classes),
            cutoffs=tuple(self.cutoffs.tolist()),
            **{name: tuple(mean(column) for column in every[name].T) for name in at},
            per_label=tuple(
                LabelRow(label=name, queries=own.size, map=mean(precision[own]), weighted_map=mean(weighted[own]))
                for name, own in zip(sets.names, map(np.flatnonzero, sets.sets.T), strict=True)
            ),
            per_query=tuple(precision.tolist()),
            queries=len(precision),
            queries_without_relevant=int(np.isnan(precision).sum()),
            relevant_share=mean(every["share"]),
        )


def _sets_of(features: Features, given: LabelSets | None) -> LabelSets:
    n = len(features)
    if given is None and features.labels is not None:
        given = LabelSets.of_classes(features.labels, features.classes)
    if given is None or n < 2 or not given.sets.any():
        what = "no labels" if given is None or n >= 2 else f"{n} images"
        raise DatasetError(f"{features.name}: expected two images or more with labels, found {what}; give label sets")
    if len(given) != n:
        raise DatasetError(f"{features.name}: expected {n} label sets, one for each image, got {len(given)}")
    return given


def _ranked(
    features: Features, normalize: Literal["row", "none"], gain: Gain, threads: int | None
) -> tuple[MultilabelSettings, Iterator[tuple[int, Any, Any]]]:
    """Return how every image is ranked for every one, and the rankings."""
    if "hash" in features.provenance:
        codes, bits = np.asarray(features["codes"]), int(features.provenance["hash"]["bits"])
        settings = MultilabelSettings(distance="hamming", bits=bits, gain=gain)
        return settings, rank_database(codes, codes, metric="hamming", bits=bits, threads=threads)
    settings = MultilabelSettings(distance="euclidean", normalize=normalize, gain=gain)
    matrix = features.field().matrix
    return settings, rank_database(matrix, matrix, normalize=normalize, threads=threads)
