"""Queries of one part ranked against a gallery of another: the parts of a split, or two data sets."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive import Features
from rsir_fast.base.shown import counted
from rsir_fast.base.text import listed, printable
from rsir_fast.datasets import Split
from rsir_fast.errors import DatasetError
from rsir_fast.metrics import Penalty, RankLimit, RetrievalAccumulator
from rsir_fast.ops import euclidean_topk, gaussian_normalize, gaussian_statistics, relevant_ranks
from rsir_fast.protocols.apart import check_apart, check_comparable
from rsir_fast.protocols.cutoffs import as_cutoffs, check_map_at, with_map_at
from rsir_fast.protocols.examples import pick_queries
from rsir_fast.protocols.facts import (
    Example,
    Hit,
    describe_dataset,
    describe_features,
    describe_queries,
    digest_of_images,
)
from rsir_fast.protocols.facts import describe_timing as timing_of
from rsir_fast.protocols.galleries import gallery_rows
from rsir_fast.protocols.ge2018 import CUTOFFS, check_classes, retrieval_figures
from rsir_fast.protocols.ge2018_result import Ge2018Result, Ge2018Settings
from rsir_fast.protocols.protocol import GALLERIES, AnmrrRule, Gallery, MapDivisor, Protocol, SplitSource
from rsir_fast.protocols.split_source import split_source
from rsir_fast.protocols.taught import remarks_on_taught, trained_queries
from rsir_fast.retrieval import Step, fit_steps
from rsir_fast.retrieval.query import Normalize, normalize_by_default

__all__ = ["Between", "between_datasets", "between_parts", "evaluate_between"]


@dataclass(frozen=True)
class Between:
    """Who asks, and what is ranked; made by `between_parts` or `between_datasets`.

    Attributes
    ----------
    asking, ranked : Features
        Those of the queries, and of the gallery.
    queries, gallery : array, int64 [q], [m]
        Their rows.
    query_labels, gallery_labels : array, int64 [q], [m]
        In one numbering, that of `classes`.
    classes : tuple of str
    own : array, int64 [q], or None
        Where each query is in the gallery; None where none of them is.
    split : SplitSource
    place : {"train", "test", "rest", "all", "other"}
        What the gallery is.
    label_map : tuple of (str, str)
        Names of classes of the queries and of the gallery that are one.
    notes : tuple of str
        What is to be known of both.
    """

    asking: Features
    ranked: Features
    queries: NDArray[np.int64]
    gallery: NDArray[np.int64]
    query_labels: NDArray[np.int64]
    gallery_labels: NDArray[np.int64]
    classes: tuple[str, ...]
    own: NDArray[np.int64] | None
    split: SplitSource
    place: Gallery | Literal["other"]
    label_map: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


def between_parts(features: Features, split: Split, gallery: Gallery = "train", file: str | None = None) -> Between:
    """Let the test images of a split ask for a part of the images.

    Parameters
    ----------
    features : Features
        With classes.
    split : Split
        Of their items; those that are not among the features, as they could not be read, are told of.
    gallery : {"train", "test", "rest", "all"}
        The training images, the test images, all images but these, or all. A query in its gallery is left out of its
        own ranking.
    file : str, optional
        Name of the file that the split was read from.

    Returns
    -------
    Between

    Raises
    ------
    DatasetError
        If there are no classes, or nothing to ask or to rank.
    ValueError
        For an unknown gallery.

    Examples
    --------
    >>> labels, classes = np.array([0, 0, 1, 1]), ("a", "b")
    >>> made = Features(np.eye(4, dtype=np.float32), ("a/1", "a/2", "b/1", "b/2"), labels, classes, "d")
    >>> asked = between_parts(made, Split("d", ("a/1", "b/1"), ("a/2", "b/2")), "rest")
    >>> asked.queries.tolist(), asked.gallery.tolist()
    ([1, 3], [0, 2])
    """
    if gallery not in GALLERIES:
        raise ValueError(f"gallery: expected one of {', '.join(GALLERIES)}, got {gallery!r}")
    labels = check_classes(features.name, features.labels)
    row = {item: number for number, item in enumerate(features.items)}
    train, test = (np.array([row[i] for i in part if i in row], np.int64) for part in (split.train, split.test))
    rows = gallery_rows(gallery, len(features), train, test)
    if not len(test) or not len(rows) - (gallery == "test"):
        raise DatasetError(
            f"{features.name}: expected test images of the split and images to rank, found {len(test)} and {len(rows)}"
            "; use the split of these images"
        )
    own = None
    if gallery in ("test", "all"):
        own = np.arange(len(test)) if gallery == "test" else test
    gone = len(split.train) + len(split.test) - len(train) - len(test)
    notes = [f"{len(test)} test images are the queries, {len(rows)} images the gallery ({gallery})"]
    if gone:
        notes.append(f"{gone} images of the split are not here, or could not be read")
    notes += remarks_on_taught(features, test)
    source = split_source(split, file)
    classes, asked, searched = features.classes, labels[test], labels[rows]
    return Between(features, features, test, rows, asked, searched, classes, own, source, gallery, notes=tuple(notes))


def between_datasets(asking: Features, ranked: Features, label_map: Mapping[str, str] | None = None) -> Between:
    """Let the images of one data set ask for those of another.

    Parameters
    ----------
    asking, ranked : Features
        Made by the same encoder, with classes.
    label_map : mapping of str to str, optional
        Names of classes of `asking` to names of classes of `ranked`; several may go to one. Images of classes that are
        not in it, on either side, are left out, which `notes` say. Default: names that both have.

    Returns
    -------
    Between

    Raises
    ------
    FeaturesError
        If another encoder made one of them.
    DatasetError
        If there are no classes, the map names some that there are not, no image is left, or one is in both.

    Examples
    --------
    >>> one = Features(np.eye(2, 3, dtype=np.float32), ("p/1", "q/1"), np.array([0, 1]), ("p", "q"), "one")
    >>> two = Features(np.eye(2, 3, dtype=np.float32), ("A/1", "B/1"), np.array([0, 1]), ("A", "B"), "two")
    >>> between_datasets(one, two, {"p": "B"}).notes  # doctest: +NORMALIZE_WHITESPACE
    ('1 query from one, 1 image of two to rank; classes: p = B', 'left out, as no class of the map: 1 image of one (q)',
     'left out, as no class of the map: 1 image of two (A)')
    """
    check_comparable(asking, ranked)
    check_apart(asking, ranked)
    labels = [check_classes(features.name, features.labels) for features in (asking, ranked)]
    names = {name: name for name in asking.classes if name in ranked.classes} if label_map is None else dict(label_map)
    for features, named in ((asking, names.keys()), (ranked, names.values())):
        unknown = [name for name in named if name not in features.classes]
        if unknown or not names:
            found = listed([printable(name) for name in unknown]) if unknown else "no class in both"
            raise DatasetError(
                f"{features.name}: expected a map of its classes ({', '.join(map(printable, features.classes))}), "
                f"got {found}; give a label map, CLASS OF THE QUERIES to CLASS OF THE GALLERY"
            )
    classes = tuple(dict.fromkeys(names.values()))
    one = np.array([classes.index(names[name]) if name in names else -1 for name in asking.classes])[labels[0]]
    other = np.array([classes.index(name) if name in classes else -1 for name in ranked.classes])[labels[1]]
    queries, gallery = np.flatnonzero(one >= 0), np.flatnonzero(other >= 0)
    if not len(queries) or not len(gallery):
        raise DatasetError(
            f"{asking.name}, {ranked.name}: expected images of mapped classes in both, found {len(queries)} and "
            f"{len(gallery)}"
        )
    pairs = ", ".join(f"{printable(a)} = {printable(b)}" if a != b else printable(a) for a, b in names.items())
    notes = [
        f"{counted(len(queries), 'query', 'queries')} from {asking.name}, "
        f"{counted(len(gallery), 'image', 'images')} of {ranked.name} to rank; classes: {pairs}"
    ]
    notes += remarks_on_taught(asking, queries)
    for features, rows, known in ((asking, one, names.keys()), (ranked, other, names.values())):
        left = [printable(name) for name in features.classes if name not in known]
        if left:
            gone = counted(int((rows < 0).sum()), "image", "images")
            notes.append(f"left out, as no class of the map: {gone} of {features.name} ({', '.join(left)})")
    return Between(
        asking,
        ranked,
        queries,
        gallery,
        one[queries],
        other[gallery],
        classes,
        None,
        SplitSource(kind="leave one out"),
        "other",
        tuple(names.items()),
        tuple(notes),
    )


def evaluate_between(
    between: Between,
    *,
    normalize: Normalize | None = None,
    steps: str | Sequence[Step] = "",
    anmrr_k: RankLimit = "2ng",
    anmrr_penalty: Penalty = "1.25k",
    cutoffs: Sequence[int] = CUTOFFS,
    map_at: int | None = None,
    divisor: MapDivisor = "min",
    examples: int = 10,
    resamples: int | None = None,
    block: int | None = None,
    threads: int | None = None,
) -> Ge2018Result:
    """Evaluate by the measures of Ge et al. 2018 where not every image asks for all others.

    Parameters
    ----------
    between : Between
        From `between_parts` or `between_datasets`.
    normalize : {"row", "feature", "none"}
        As in `rsir_fast.evaluate_ge2018`; ``"feature"`` by the statistics of the gallery.
    steps : str or sequence of Step
        Fitted on the gallery.
    anmrr_k, anmrr_penalty, cutoffs, map_at, divisor, examples, resamples, block, threads
        As in `rsir_fast.evaluate_ge2018`; examples are of one data set alone, whose pictures lie in one place.

    Returns
    -------
    Ge2018Result
        Where the queries are not in the gallery, ``query_included`` is ``query_excluded``: there is nothing to leave
        out. ``ties`` is None. ``rules`` say what the gallery is.

    Raises
    ------
    ValueError
        For an unknown setting.

    Notes
    -----
    O(q m dim) time; memory as of `rsir_fast.relevant_ranks`.

    Examples
    --------
    >>> x, y = np.array([[9, 1, 0], [0, 1, 9]], np.float32), np.array([[8, 1, 0], [0, 2, 9]], np.float32)
    >>> one = Features(x, ("p/1", "q/1"), np.array([0, 1]), ("p", "q"), "one")
    >>> two = Features(y, ("A/1", "B/1"), np.array([0, 1]), ("A", "B"), "two")
    >>> evaluate_between(between_datasets(one, two, {"p": "A", "q": "B"})).query_excluded.map
    1.0
    """
    start = time.perf_counter()
    normalize = normalize_by_default(normalize, steps)
    cutoffs = as_cutoffs(cutoffs)
    check_map_at(map_at, divisor)
    queries, gallery, beyond = _vectors(between, normalize, steps, threads)
    counts, n = np.bincount(between.gallery_labels, minlength=len(between.classes)), len(gallery)

    def accumulator(own: int) -> RetrievalAccumulator:
        return RetrievalAccumulator(
            between.classes,
            n - own,
            cutoffs=[cutoff for cutoff in cutoffs if cutoff <= n - own],
            anmrr_k=anmrr_k,
            anmrr_penalty=anmrr_penalty,
            max_relevant=max(0, int(counts.max()) - own),
            map_at=map_at,
        )

    excluded, included = accumulator(int(between.own is not None)), accumulator(0)
    notes = (*between.notes, *_without_relevant(between, counts))
    labels = between.query_labels, between.gallery_labels
    for found in relevant_ranks(queries, gallery, *labels, self_ids=between.own, block=block, threads=threads):
        asked = between.query_labels[found.start : found.start + len(found.counts)]
        others = found if between.own is None else found.drop_self()
        included.add_ranks(found.ranks, found.counts, asked)
        excluded.add_ranks(others.ranks, others.counts, asked)
    every = excluded.average_precision()
    chosen = pick_queries(every, between.query_labels, between.classes) if examples else []
    features = between.asking
    anmrr = AnmrrRule(k=anmrr_k, penalty=anmrr_penalty)
    other: dict[str, Any] = {}
    if between.place == "other":
        other = {"gallery_dataset": between.ranked.name, "label_map": between.label_map}
    other |= {"cutoffs": cutoffs, "anmrr": anmrr, "ties": "index", "units": ("query", "class")}
    rules = Protocol(split=between.split, gallery=(between.place,), **other)
    items = [between.ranked.items[row] for row in between.gallery]
    ranked = digest_of_images(items, [[between.classes[label]] for label in between.gallery_labels])
    taken = between.query_labels, resamples, map_at, divisor
    return Ge2018Result(
        protocol="ge2018",
        rsir_fast=version("rsir-fast"),
        dataset=describe_dataset(features, notes),
        features=describe_features(features),
        settings=Ge2018Settings(
            normalize=normalize,
            distance="euclidean",
            anmrr_k=anmrr_k,
            query="every image" if between.place == "other" else "every test image",
            relevant="same class",
            ties="item index",
            **beyond,
        ),
        rules=with_map_at(rules, map_at, divisor),
        queries=describe_queries(  # in the numbering of their own data set, as its classes are listed there
            [features.items[row] for row in between.queries],
            check_classes(features.name, features.labels)[between.queries],
            trained_queries(features, between.queries),
        ),
        query_excluded=retrieval_figures(excluded, *taken),
        query_included=retrieval_figures(included if between.own is not None else excluded, *taken),
        galleries={"query_excluded": ranked, "query_included": ranked},
        timing=timing_of(features, time.perf_counter() - start, threads, device="cpu"),
        examples=() if between.place == "other" else _examples(between, queries, gallery, every, chosen, examples),
    )


def _without_relevant(between: Between, counts: NDArray[np.int64]) -> list[str]:
    """Say which queries can find nothing, as when a split leaves whole classes out of the training images."""
    lone = counts[between.query_labels] - (between.own is not None) == 0
    if not lone.any():
        return []
    remedy = "; rank them among themselves (gallery test)" if between.place == "train" else ""
    return [f"{int(lone.sum())} of {len(lone)} queries have no image of their class in the gallery{remedy}"]


def _vectors(
    between: Between, normalize: Normalize, steps: str | Sequence[Step], threads: int | None
) -> tuple[NDArray[np.float32], NDArray[np.float32], dict[str, Any]]:
    """Return the vectors of queries and gallery, and the settings of what goes beyond the paper."""
    sides = [
        np.ascontiguousarray(np.asarray(features.field().vectors)[rows], np.float32)
        for features, rows in ((between.asking, between.queries), (between.ranked, between.gallery))
    ]
    if normalize == "feature":
        known = gaussian_statistics(sides[1], threads=threads)
        sides = [gaussian_normalize(side, axis="feature", statistics=known, threads=threads) for side in sides]
    elif normalize == "row":
        sides = [gaussian_normalize(side, threads=threads) for side in sides]
    elif normalize != "none":
        raise ValueError(f"normalize: expected 'row', 'feature' or 'none', got {normalize!r}")
    beyond: dict[str, Any] = {}
    fitted = fit_steps(steps, sides[1])
    if fitted.steps:
        sides = [fitted.transform(side) for side in sides]
        beyond = {"steps": [str(step) for step in fitted.steps], "dim": int(sides[1].shape[1])}
    if fitted.figures:
        beyond["fitted"] = fitted.figures
    return sides[0], sides[1], beyond


def _examples(
    between: Between,
    queries: NDArray[np.float32],
    gallery: NDArray[np.float32],
    average_precision: NDArray[np.float64],
    chosen: list[tuple[int, str]],
    size: int,
) -> tuple[Example, ...]:
    """Return the best results of the chosen queries, each query left out of its own."""
    if not chosen:
        return ()
    numbers = [number for number, _ in chosen]
    squared, ids = euclidean_topk(queries[numbers], gallery, min(size + 1, len(gallery)))
    shown = []
    for (number, note), row, found in zip(
        chosen, np.sqrt(squared.astype(np.float64)), between.gallery[ids], strict=True
    ):
        query, label = int(between.queries[number]), int(between.query_labels[number])
        nearest = [(int(item), float(distance)) for item, distance in zip(found, row, strict=True) if item != query]
        known = np.asarray(between.asking.labels)
        hits = tuple(
            Hit(item=item, class_name=between.classes[known[item]], distance=at, relevant=bool(known[item] == label))
            for item, at in nearest[:size]
        )
        precision, name = float(average_precision[number]), between.classes[label]
        shown.append(Example(query=query, query_class=name, note=note, average_precision=precision, results=hits))
    return tuple(shown)
