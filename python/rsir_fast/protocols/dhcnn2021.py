"""The evaluation of Song et al. 2021: test images query training images by hash code; mAP, P-R, labels."""

from __future__ import annotations

import time
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsir_fast import metrics
from rsir_fast.archive import Features
from rsir_fast.datasets import Split
from rsir_fast.ops import hamming_topk
from rsir_fast.protocols.coded_images import CodedImages, TrainedQueries, coded_images
from rsir_fast.protocols.cutoffs import as_cutoffs, check_map_at, with_map_at
from rsir_fast.protocols.dhcnn2021_result import (
    CodeFigures,
    Dhcnn2021Result,
    ImageCounts,
    LabelFigures,
    OtherSplit,
    SplitFacts,
    TrainingFacts,
)
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
from rsir_fast.protocols.galleries import gallery_rows
from rsir_fast.protocols.hash_retrieval import CUTOFFS, evaluate_codes
from rsir_fast.protocols.intervals import accuracy_intervals
from rsir_fast.protocols.protocol import GALLERIES, Gallery, MapDivisor, Protocol, SplitSource
from rsir_fast.protocols.result import stated
from rsir_fast.protocols.split_source import split_source

__all__ = ["dhcnn2021_rules", "evaluate_dhcnn2021"]


def evaluate_dhcnn2021(
    features: Features,
    *,
    split: Split | None = None,
    split_file: str | None = None,
    trained_queries: TrainedQueries = "refuse",
    gallery: Sequence[Gallery] = GALLERIES[:2],
    cutoffs: Sequence[int] = CUTOFFS,
    map_at: int | None = None,
    divisor: MapDivisor = "min",
    examples: int = 15,
    threads: int | None = None,
) -> Dhcnn2021Result:
    """Evaluate hash codes and semantic labels by the protocol of Song et al. 2021.

    Database: the training images of the model's split, or of another one. Queries: its test images; an image is
    relevant if it is of the query's class. As training images in the database flatter the score, test images are also
    ranked among themselves, each left out of its own ranking.

    Parameters
    ----------
    features : Features
        With classes, made by `rsir_fast.encode` with the model from the images of the split.
    split : Split, optional
        In place of the model's own; images of it that are not among the features are told of.
    split_file : str, optional
        Name of the file that `split` was read from.
    trained_queries : {"refuse", "leave-out", "keep"}
        What becomes of test images of `split` that the model was trained on. Where they are kept or left out,
        ``dataset.notes`` and ``other_split`` say how many there are.
    gallery : sequence of {"train", "test", "rest", "all"}
        What test images are ranked against, the headline's first: the training images, one another, all images but
        the queries (those of neither part of the split, and test images that are left out), or all. A query in its
        gallery is left out of its own ranking.
    cutoffs : sequence of int
        Numbers of returned images for precision and recall, as far as a database has so many. Default: those of the
        authors' release, 1, 11, 21, 31, then 50 to 1000 by 50.
    map_at : int, optional
        k of mAP@k beside mAP over the whole ranking; default: none.
    divisor : {"found", "min", "relevant"}
        What AP@k divides by: the relevant images found within k, min(k, R) or R. mAP@k by the other two stands beside
        it.
    examples : int
        Results to show for each example query; 0 for no examples.
    threads : int, optional
        As in `rsir_fast.hamming_topk`. Never changes a figure.

    Returns
    -------
    Dhcnn2021Result
        ``test_vs_train``, ``test_vs_test``, ``test_vs_rest``, ``test_vs_all`` (each as of
        `rsir_fast.protocols.evaluate_codes`, None where it was not asked for, or there is but one image), ``labels`` of
        the test images: ``overall_accuracy``, ``kappa``, ``per_class``, ``confusion`` (true in rows; where no class of
        the test images was trained on, no accuracy, and why in ``missing``); what the model is. ``examples``: test
        images and the images of the first gallery nearest to them by (distance, index), each with its class, the label
        it was given and that label's ``probability``.

    Raises
    ------
    FeaturesError
        If the features are of no hash model.
    DatasetError
        If they have no classes, others than the model's, no training or test images of the split, or the model was
        trained on test images of `split`, which is neither left out nor kept.
    ValueError
        If a cut-off or k is below 1, there is no such divisor, a gallery is unknown, named twice or empty, or
        `trained_queries` is unknown.

    Notes
    -----
    O(q n bits) time; memory beside the features: a block of rankings.

    Examples
    --------
    >>> split = {"seed": 0, "train": ["a/1", "b/1"], "test": ["a/2", "b/2"]}
    >>> made = {"bits": 8, "classes": ["a", "b"], "training": {"split": split}}
    >>> rows = np.repeat(np.array([[1] * 8 + [0.9, 0.1], [-1] * 8 + [0.2, 0.8]], np.float32), 2, axis=0)
    >>> items, labels = ("a/1", "a/2", "b/1", "b/2"), np.array([0, 0, 1, 1])
    >>> features = Features(rows, items, labels, ("a", "b"), "demo", provenance={"hash": made})
    >>> result = evaluate_dhcnn2021(features)
    >>> result.test_vs_train.map.expected, result.labels.overall_accuracy
    (1.0, 1.0)
    """
    start, cutoffs = time.perf_counter(), as_cutoffs(cutoffs)
    check_map_at(map_at, divisor)
    images = coded_images(features, split, trained_queries)
    training = images.training
    own_split, classes = training["split"], images.classes

    def against(database: NDArray[np.int64]) -> CodeFigures:
        given = (images.codes, images.labels, images.bits, images.test, database, threads)
        return evaluate_codes(*given, cutoffs=cutoffs, map_at=map_at, divisor=divisor)

    rows = _galleries(images, gallery)
    measured = {name: against(database) for name, database in rows.items()}
    headline = next(iter(measured))
    chosen = measured[headline].average_precision
    shown = _examples(images, rows[headline], chosen, examples, threads) if examples else ()
    found: dict[str, Any] = {f"test_vs_{name}": measured.get(name) for name in gallery}
    if images.other_split is not None:
        found["other_split"] = _other_split(images, images.other_split)
    ranked = {
        f"test_vs_{name}": digest_of_images(
            [features.items[row] for row in database], [[classes[label]] for label in images.labels[database]]
        )
        for name, database in rows.items()
    }
    source = _source(images, features.name, split_file)
    own = {name: value for name, value in training.items() if name not in ("split", "skipped")}
    return Dhcnn2021Result(
        protocol="dhcnn2021",
        rsir_fast=version("rsir-fast"),
        dataset=describe_dataset(features, images.remarks),
        features=describe_features(features),
        bits=images.bits,
        classes=tuple(classes),
        images=ImageCounts(train=len(images.train), test=len(images.test)),
        split=SplitFacts(seed=own_split.get("seed"), train=len(own_split["train"]), test=len(own_split["test"])),
        training=stated(TrainingFacts, own, features.name),
        rules=with_map_at(dhcnn2021_rules(source, cutoffs, tuple(measured)), map_at, divisor),
        queries=describe_queries(
            [features.items[row] for row in images.test],
            images.labels[images.test],
            int(images.members.trained_on[images.test].sum()),
        ),
        galleries=ranked,
        **found,
        labels=_label_figures(images),
        timing=describe_timing(features, time.perf_counter() - start, threads),
        examples=shown,
    )


def _galleries(images: CodedImages, names: Sequence[Gallery]) -> dict[Gallery, NDArray[np.int64]]:
    """Return the rows of each gallery by its name; nothing is ranked among a single image."""
    if not names or len(set(names)) < len(names) or set(names) - set(GALLERIES):
        raise ValueError(
            f"gallery: expected some of {', '.join(GALLERIES)}, each once, got {', '.join(names) or 'none'}"
        )
    found = {
        name: gallery_rows(name, len(images.labels), images.train, images.test)
        for name in names
        if name != "test" or len(images.test) > 1
    }
    if not found:
        raise ValueError("gallery: expected two test images or more to rank among themselves, got one")
    return found


def dhcnn2021_rules(
    split: SplitSource, cutoffs: tuple[int, ...] = CUTOFFS, gallery: tuple[Gallery, ...] = GALLERIES[:2]
) -> Protocol:
    """State the rules of the protocol."""
    rules: dict[str, Any] = {"cutoffs": cutoffs, "ties": "expected", "units": ("query", "class")}
    return Protocol(split=split, gallery=gallery, relevance="class", **rules)


def _other_split(images: CodedImages, split: Split) -> OtherSplit:
    """State a split that is not the model's own, and what the model knows of its images."""
    members = images.members
    known = bool(members.trained_on.any())
    return OtherSplit(
        train=len(split.train),
        test=len(split.test),
        trained_on=int(members.trained_on[images.train].sum()) if known else None,
        trained_queries=members.trained_queries if known else None,
        kept=bool(members.trained_on[images.test].any()),
    )


def _source(images: CodedImages, name: str, file: str | None) -> SplitSource:
    """State where a split came from, and what the model was taught; its own without a seed was not drawn here."""
    training = images.training
    own, shots, noise = training["split"], training.get("shots"), training.get("label_noise")
    told: dict[str, Any] = {}
    if isinstance(noise, dict):
        told = {"label_noise": noise.get("share"), "noise": noise.get("kind")}
    if images.split is not None:
        return stated(SplitSource, {**split_source(images.split, file).content(), **told}, name)
    train, test, seed = len(own["train"]), len(own["test"]), own.get("seed")
    told |= {"train": round(train / (train + test), 4)} if shots is None else {"shots": shots}
    tested, trained = (np.unique(images.labels[rows]) for rows in (images.test, images.train))
    if seed is None:
        kind = "given"
    elif np.isin(tested, trained).any():
        kind, told["seeds"] = "drawn", (seed,)
    else:
        kind, told["seeds"] = "unseen classes", (seed,)
        told["unseen"] = round(len(tested) / (len(tested) + len(trained)), 4)
    return stated(SplitSource, {"kind": kind, **told}, name)


def _label_figures(images: CodedImages) -> LabelFigures:
    """Measure the labels of the test images; of classes that were not trained on, none can be right."""
    tested, size = images.labels[images.test], len(images.classes)
    confusion = metrics.confusion_matrix(tested, images.predicted[images.test], size)
    trained = images.trained_classes
    known = images.labelled and bool(trained[tested].any())
    right = images.predicted[images.test] == tested
    why = (
        "no class of the test images was trained on, so no label can be right"
        if images.labelled
        else "the model was trained without a classifier and prefers no class"
    )
    return LabelFigures(
        overall_accuracy=metrics.overall_accuracy(confusion) if known else None,
        accuracy_intervals=accuracy_intervals(right, tested) if known else None,
        kappa=metrics.cohen_kappa(confusion) if known else None,
        per_class=tuple(np.where(trained & known, metrics.per_class_accuracy(confusion), np.nan).tolist()),
        confusion=tuple(map(tuple, confusion.tolist())),
        **({} if known else {"missing": why}),
    )


def _examples(
    images: CodedImages,
    gallery: NDArray[np.int64],
    average_precision: NDArray[np.float64],
    size: int,
    threads: int | None,
) -> tuple[Example, ...]:
    """Return the nearest images of a gallery for the best, the worst and typical test images."""
    chosen = pick_queries(average_precision, images.labels[images.test], images.classes)
    if not chosen:
        return ()
    queries = images.test[[number for number, _ in chosen]]
    k = min(size + 1, len(gallery))  # one more: a query in its gallery is left out
    found = hamming_topk(images.codes[queries], images.codes[gallery], k, bits=images.bits, threads=threads)

    def label_of(item: int) -> str | None:
        return str(images.classes[images.predicted[item]]) if images.labelled else None

    def probability_of(item: int) -> float | None:
        return float(images.probability[item]) if images.labelled else None

    def hit(item: int, distance: int, query: int) -> Hit:
        return Hit(
            item=item,
            class_name=images.classes[images.labels[item]],
            label=label_of(item),
            probability=probability_of(item),
            distance=distance,
            relevant=bool(images.labels[item] == images.labels[query]),
        )

    shown = []
    for (number, note), query, distances, row in zip(chosen, queries.tolist(), *found, strict=True):
        nearest = zip(gallery[row].tolist(), distances.tolist(), strict=True)
        shown.append(
            Example(
                query=query,
                query_class=images.classes[images.labels[query]],
                query_label=label_of(query),
                query_probability=probability_of(query),
                note=note,
                average_precision=float(average_precision[number]),
                results=tuple(hit(item, distance, query) for item, distance in nearest if item != query)[:size],
            )
        )
    return tuple(shown)
