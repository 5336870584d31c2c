"""The evaluation of Ge et al. 2018: every image queries all others; mAP, ANMRR, precision and recall."""

from __future__ import annotations

import time
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from rsir_fast.archive import Features
from rsir_fast.base.compiled import has_cuda
from rsir_fast.base.progress import OnProgress, Progress, is_stopped
from rsir_fast.base.row_blocks import RowBlocks
from rsir_fast.errors import DatasetError, RsirError
from rsir_fast.extraction.devices import usable_device
from rsir_fast.metrics import Penalty, RankLimit, RetrievalAccumulator
from rsir_fast.ops import gaussian_normalize
from rsir_fast.protocols.cutoffs import as_cutoffs, check_map_at, with_map_at
from rsir_fast.protocols.examples import pick_queries
from rsir_fast.protocols.facts import (
    Example,
    Hit,
    describe_dataset,
    describe_features,
    describe_queries,
    describe_timing,
    digest_of_images,
)
from rsir_fast.protocols.ge2018_result import Ge2018Result, Ge2018Settings, RetrievalFigures
from rsir_fast.protocols.intervals import map_intervals
from rsir_fast.protocols.protocol import AnmrrRule, MapDivisor, Protocol, SplitSource
from rsir_fast.protocols.taught import remarks_on_taught, trained_queries
from rsir_fast.protocols.tied import describe_ties
from rsir_fast.retrieval import (
    Diffusion,
    Expansion,
    FittedSteps,
    Ranking,
    Step,
    fit_steps,
    parse_rerank,
    rank_all,
)
from rsir_fast.retrieval.city_block import CityBlockRanking
from rsir_fast.retrieval.query import normalize_by_default

__all__ = [
    "Distance",
    "Normalization",
    "check_classes",
    "evaluate_ge2018",
    "ge2018_rules",
    "normalized",
    "retrieval_figures",
]


Normalization = Literal["row", "feature", "minmax", "none"]
Distance = Literal["euclidean", "l1"]
CUTOFFS = (1, 2, 5, 10, 20, 50, 100)
"""Numbers of returned images for precision and recall, as far as there are so many."""


def evaluate_ge2018(
    features: Features,
    *,
    normalize: Normalization | None = None,
    distance: Distance = "euclidean",
    steps: str | Sequence[Step] = "",
    rerank: str | Sequence[Expansion | Diffusion] = "",
    anmrr_k: RankLimit = "2ng",
    anmrr_penalty: Penalty = "1.25k",
    cutoffs: Sequence[int] = CUTOFFS,
    map_at: int | None = None,
    divisor: MapDivisor = "min",
    examples: int = 10,
    resamples: int | None = None,
    block: int | None = None,
    threads: int | None = None,
    device: str | torch.device | None = None,
    progress: OnProgress | None = None,
) -> Ge2018Result:
    """Evaluate retrieval by the protocol of Ge et al. 2018.

    Gaussian normalisation, Euclidean distance, every image in turn as the query against all others; an image is
    relevant if it is of the query's class. Computed with the query left out of its own ranking (by index, so that
    duplicates of it count) and once more with the query left in.

    Beyond the paper, `steps` change the features and `rerank` the rankings. Neither looks at a label. The database, all
    images, is what steps are fitted on and neighbours are taken from; a query is never a neighbour of its own.

    Parameters
    ----------
    features : Features
        With classes, from `rsir_fast.encode` or `Features.load`.
    normalize : {"row", "feature", "minmax", "none"}
        Gaussian over the elements of each vector (the paper, equation 2) or over the database for each feature; each
        feature from its least to its largest finite value in the database onto 0 to 1; or not at all. Default: "row";
        "none" where there are steps, which otherwise come after it.
    distance : {"euclidean", "l1"}
        ``"l1"``: the sum of absolute differences, on the CPU, for short vectors; not with `rerank`.
    steps : str or sequence of Step
        Post-processing such as ``"power:0.5, l2, pca:64, l2"``: `rsir_fast.retrieval.parse_steps`. With ``l2`` last the
        Euclidean distance ranks as the cosine.
    rerank : str or sequence of Expansion or Diffusion
        Such as ``"expand:10"`` or ``"diffuse:30"``: `rsir_fast.retrieval.parse_rerank`. Where queries are expanded, the
        figures with the query included rank its own item by its distance from the expanded query.
    anmrr_k : {"2ng", "mpeg7"}
        K of ANMRR: 2 NG (the paper's field) or min(4 NG, 2 max NG).
    anmrr_penalty : {"1.25k", "k+1"}
        The rank that a relevant image beyond K is counted at, `rsir_fast.metrics.nmrr`: 1.25 K or K + 1.
    cutoffs : sequence of int
        Numbers of returned images for precision and recall, as far as there are so many.
    map_at : int, optional
        k of mAP@k beside mAP over the whole ranking; default: none.
    divisor : {"found", "min", "relevant"}
        What AP@k divides by: the relevant images found within k, min(k, R) or R. mAP@k by the other two stands beside
        it.
    examples : int
        Results to show for each example query; 0 for no examples.
    resamples : int, optional
        Draws of queries behind the interval of mAP, 0 for no intervals. Default: 2,000, of more than 4,194 queries
        fewer; of classes there are 50,000.
    block : int, optional
        Queries ranked at a time. Never changes a figure.
    threads : int, optional
        As in `rsir_fast.euclidean_topk`. Never changes a figure.
    device : optional
        Where to normalise and rank: the features are moved to a CUDA device once, and only the ranks of the relevant
        images come back. Default: CUDA where there is a device. Never changes a figure; the CPU does it where
        rsir_fast was built without CUDA. ``timing["device"]`` names the one that did.
    progress : callable, optional
        Called with a `rsir_fast.Progress` of the stage ``"rank"`` after every block of queries; returning False stops.

    Returns
    -------
    Ge2018Result
        ``query_excluded`` and ``query_included``, each with ``map``, ``anmrr``, ``precision_at``, ``recall_at``,
        ``pr_curve``, ``per_class`` and ``average_precision`` of every query, in the order of ``queries``; ``settings``.
        ``ties`` (not where rankings are diffused) has ``tied_share``, the share of the distances from 64 queries that
        are tied, and ``map_expected_over_ties``: None, or from a share of 10 % on mAP expected over a random order of
        ties.

    Raises
    ------
    DatasetError
        If there are no images, no classes, or only one.
    ValueError
        For an unknown setting, a device that torch cannot use here, or steps or re-ranking that these features do not
        allow.

    Notes
    -----
    O(n^2 dim) time. Memory beside the features: for each query some 600 bytes, and the ranks of a block's relevant
    images, as in `rsir_fast.relevant_ranks`; never a ranking.

    Examples
    --------
    >>> matrix = np.array([[0, 1, 2], [0, 2, 4], [5, 0, 1], [9, 0, 2]], np.float32)
    >>> features = Features(matrix, ("a/1", "a/2", "b/1", "b/2"), np.array([0, 0, 1, 1]), ("a", "b"), "demo")
    >>> result = evaluate_ge2018(features)
    >>> result.query_excluded.map, result.query_excluded.anmrr
    (1.0, 0.0)
    """
    normalize = normalize or normalize_by_default(None, steps)
    if normalize not in get_args(Normalization):
        raise ValueError(f"normalize: expected one of {', '.join(get_args(Normalization))}, got {normalize!r}")
    if distance not in get_args(Distance):
        raise ValueError(f"distance: expected 'euclidean' or 'l1', got {distance!r}")
    if distance == "l1" and rerank:
        raise ValueError(
            "distance: expected 'euclidean' with rerank, whose neighbours are those, got 'l1'; leave one out"
        )
    cutoffs = as_cutoffs(cutoffs)
    check_map_at(map_at, divisor)
    features = features.field()
    labels = check_classes(features.name, features.labels)
    start = time.perf_counter()
    n = len(features)
    counts = np.bincount(labels, minlength=len(features.classes))
    place = _ranking_device(device) if distance == "euclidean" else torch.device("cpu")
    ranking, beyond = _ranking(features.vectors, normalize, steps, rerank, place, threads)
    if distance == "l1":
        ranking = CityBlockRanking(np.asarray(ranking.database))

    def accumulator(others: int) -> RetrievalAccumulator:
        largest = max(0, int(counts.max()) - 1 + others)
        return RetrievalAccumulator(
            features.classes,
            n - 1 + others,
            cutoffs=[cutoff for cutoff in cutoffs if cutoff < n],
            anmrr_k=anmrr_k,
            anmrr_penalty=anmrr_penalty,
            max_relevant=largest,
            map_at=map_at,
        )

    excluded, included = accumulator(0), accumulator(1)
    for found in ranking.ranks(labels, block):
        done = found.start + len(found.counts)
        own = labels[found.start : done]
        others = found.drop_self()
        included.add_ranks(found.ranks, found.counts, own)
        excluded.add_ranks(others.ranks, others.counts, own)
        if is_stopped(progress, Progress("rank", done, n)):
            raise RsirError(f"evaluation stopped after {done} of {n} queries")
    average_precision = excluded.average_precision()
    ranked = digest_of_images(features.items, [[features.classes[label]] for label in labels.tolist()])
    chosen = pick_queries(average_precision, labels, features.classes) if examples else []
    shown = _examples(features, ranking, average_precision, chosen, examples)
    seconds = time.perf_counter() - start
    device_name = torch.cuda.get_device_name(place) if place.type == "cuda" else place.type
    return Ge2018Result(
        protocol="ge2018",
        rsir_fast=version("rsir-fast"),
        dataset=describe_dataset(features, remarks_on_taught(features)),
        features=describe_features(features),
        settings=Ge2018Settings(
            normalize=normalize,
            distance=distance,
            anmrr_k=anmrr_k,
            query="every image",
            relevant="same class",
            ties="item index",
            **beyond,
        ),
        rules=with_map_at(ge2018_rules(anmrr_k, anmrr_penalty, cutoffs), map_at, divisor),
        queries=describe_queries(features.items, labels, trained_queries(features)),
        query_excluded=retrieval_figures(excluded, labels, resamples, map_at, divisor),
        query_included=retrieval_figures(included, labels, resamples, map_at, divisor),
        galleries={"query_excluded": ranked, "query_included": ranked},
        **({} if ranking.diffused else {"ties": describe_ties(ranking, labels)}),
        timing=describe_timing(features, seconds, threads, device=device_name),
        examples=shown,
    )


def ge2018_rules(k: RankLimit = "2ng", penalty: Penalty = "1.25k", cutoffs: tuple[int, ...] = CUTOFFS) -> Protocol:
    """State the rules of the protocol."""
    split, anmrr = SplitSource(kind="leave one out"), AnmrrRule(k=k, penalty=penalty)
    rules: dict[str, Any] = {"cutoffs": cutoffs, "anmrr": anmrr, "ties": "index", "units": ("query", "class")}
    return Protocol(split=split, gallery=("all",), relevance="class", **rules)


def retrieval_figures(
    found: RetrievalAccumulator,
    labels: NDArray[np.int64],
    resamples: int | None,
    map_at: int | None,
    divisor: MapDivisor,
) -> RetrievalFigures:
    """Return the figures; queries were added in the order of `labels`."""
    precision = found.average_precision()
    content: dict[str, Any] = {**found.result(), "per_query": tuple(precision.tolist())}
    content["map_intervals"] = map_intervals(precision, labels, resamples)
    if map_at is not None:
        content["map_at"] = {"k": map_at, "divisor": divisor, **content["map_at"]}
    return RetrievalFigures.model_validate(content)


def check_classes(name: str, labels: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """Return the labels of a data set that can be evaluated.

    Raises
    ------
    DatasetError
        If there are no images, no classes, or only one.
    """
    if labels is not None and np.unique(labels).size >= 2:
        return labels
    found = "a folder without classes" if labels is None else "no images" if len(labels) == 0 else "only one class"
    raise DatasetError(
        f"{name}: expected images in one folder per class, whose names say what is relevant, found {found}; "
        "to rank without classes use `rsir search`"
    )


def normalized(matrix: Any, normalize: Normalization, threads: int | None = None) -> Any:
    """Normalise a feature matrix [n, dim], an array, rows in blocks or a tensor, as the protocol's setting says."""
    if normalize == "none":
        return matrix
    if normalize == "minmax":
        return _from_least_to_largest(np.asarray(matrix))
    if normalize == "row" and isinstance(matrix, RowBlocks):
        return _normalized_rows(matrix, threads)
    return gaussian_normalize(matrix, axis=normalize, threads=threads)


def _from_least_to_largest(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """Map each feature onto 0 to 1 over the database, in float64, rounded once; a constant one to 0."""
    finite = np.isfinite(matrix)
    least = matrix.min(axis=0, initial=np.inf, where=finite).astype(np.float64)
    span = matrix.max(axis=0, initial=-np.inf, where=finite) - least
    with np.errstate(invalid="ignore"):  # what is not finite stays so
        return np.asarray((matrix - least) / np.where(span > 0, span, 1), np.float32)


def _normalized_rows(matrix: RowBlocks, threads: int | None) -> NDArray[np.float32]:
    """Return the rows of all blocks side by side, as every one of them is to be ranked for every other."""
    rows = np.empty(matrix.shape, np.float32)
    start = 0
    for block in matrix.blocks:
        gaussian_normalize(block, out=rows[start : start + len(block)], threads=threads)
        start += len(block)
    return rows


def _ranking_device(device: str | torch.device | None) -> torch.device:
    """Return a CUDA device only where this build has kernels for it."""
    wanted = usable_device(device)
    return wanted if wanted.type == "cuda" and has_cuda() else torch.device("cpu")


def _moved(matrix: NDArray[np.float32] | RowBlocks, device: torch.device) -> Any:
    """Return the matrix as it is for the CPU, or a copy on a CUDA device."""
    return matrix if device.type == "cpu" else torch.tensor(np.asarray(matrix), device=device)


def _ranking(
    rows: RowBlocks,
    normalize: Normalization,
    steps: str | Sequence[Step],
    rerank: str | Sequence[Expansion | Diffusion],
    place: torch.device,
    threads: int | None,
) -> tuple[Ranking, dict[str, Any]]:
    """Return what ranks the images, and the settings of what goes beyond the paper; none for the paper's method."""
    stages = parse_rerank(rerank) if isinstance(rerank, str) else tuple(rerank)
    if not steps and not stages:
        if normalize == "minmax":  # NumPy's, wherever the ranking is
            database = _moved(normalized(rows, normalize), place)
        else:
            database = normalized(_moved(rows, place), normalize, threads)
        return Ranking(database, database, threads=threads), {}
    vectors = normalized(np.asarray(rows), normalize, threads)
    fitted: FittedSteps = fit_steps(steps, vectors)
    beyond: dict[str, Any] = {}
    if fitted.steps:
        vectors = fitted.transform(vectors)
        beyond["steps"] = [str(step) for step in fitted.steps]
        beyond["dim"] = int(vectors.shape[1])
    if fitted.figures:
        beyond["fitted"] = fitted.figures
    if stages:
        beyond["rerank"] = [str(stage) for stage in stages]
    return rank_all(vectors, stages, move=lambda array: _moved(array, place), threads=threads), beyond


def _examples(
    features: Features,
    ranking: Ranking,
    average_precision: NDArray[np.float64],
    chosen: list[tuple[int, str]],
    size: int,
) -> tuple[Example, ...]:
    """Return the best `size` results of the chosen queries, each query left out of its own."""
    if not chosen or features.labels is None:
        return ()
    queries = np.array([query for query, _ in chosen])
    measured, ids = ranking.nearest(queries, min(size + 1, len(features)))
    distances = ranking.told(measured)
    classes = [features.classes[label] for label in features.labels]
    shown = []
    for (query, note), row, row_ids in zip(chosen, distances, ids, strict=True):
        # Under many ties the query may not be among its own nearest; then the last result is one too many.
        others = [(int(item), float(distance)) for item, distance in zip(row_ids, row, strict=True) if item != query]
        results = tuple(
            Hit(item=item, class_name=classes[item], distance=distance, relevant=classes[item] == classes[query])
            for item, distance in others[:size]
        )
        precision = float(average_precision[query])
        shown.append(
            Example(query=query, query_class=classes[query], note=note, average_precision=precision, results=results)
        )
    return tuple(shown)
