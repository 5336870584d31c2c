"""The evaluation of Song et al. 2021: test images query training images by hash code; mAP, P-R, labels."""

from __future__ import annotations

import math
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsir_fast import metrics
from rsir_fast.errors import DatasetError, FeaturesError
from rsir_fast.extraction import Features
from rsir_fast.ops import pack_codes, rank_database

__all__ = ["evaluate_dhcnn2021"]

CUTOFFS = (1, 11, 21, 31, 50, *range(100, 1001, 100))
"""Numbers of returned images for precision and recall, as in the authors' code."""


def evaluate_dhcnn2021(features: Features, *, threads: int | None = None) -> dict[str, Any]:
    """Evaluate hash codes and semantic labels by the protocol of Song et al. 2021.

    Database: the training images of the model's split. Queries: its test images; an image is relevant if it is of the
    query's class. As training images in the database flatter the score, test images are also ranked among themselves,
    each left out of its own ranking.

    Parameters
    ----------
    features : Features
        With classes, extracted by ``HashModel.as_backbone()`` from the images of the model's split.
    threads : int, optional
        As in `rsir_fast.hamming_topk`. Never changes a figure.

    Returns
    -------
    dict
        JSON-able. ``test_vs_train`` and ``test_vs_test``, each with ``map`` (``expected`` over the order of ties: the
        headline; ``by_index``, ``worst``, ``best``), ``cutoffs``, ``precision_at`` and ``recall_at`` (ties by index),
        ``radius`` (precision and recall within each Hamming radius, over all pairs; None where nothing lies within
        it).
        ``labels``: ``overall_accuracy``, ``kappa``, ``per_class``, ``confusion`` (true in rows) of the test images.

    Raises
    ------
    FeaturesError
        If the features are of no hash model.
    DatasetError
        If they have no classes, others than the model's, or no training or test images of its split.

    Notes
    -----
    O(q n bits) time; memory beside the features: a block of rankings.
    """
    made = features.provenance.get("hash")
    if made is None:
        raise FeaturesError(
            f"{features.name}: expected features of a hash model (HashModel.as_backbone), found those of "
            f"{features.provenance.get('name', 'another network')}"
        )
    labels = _labels(features, made["classes"])
    bits, split = int(made["bits"]), made["training"]["split"]
    train, test = (_members(features, split[part], part) for part in ("train", "test"))
    codes, scores = pack_codes(features.matrix[:, :bits]), features.matrix[:, bits:]
    confusion = metrics.confusion_matrix(labels[test], scores[test].argmax(1), len(made["classes"]))
    return {
        "protocol": "dhcnn2021",
        "rsir_fast": version("rsir-fast"),
        "bits": bits,
        "classes": list(made["classes"]),
        "images": {"train": len(train), "test": len(test)},
        "training": {name: value for name, value in made["training"].items() if name != "split"},
        "test_vs_train": _retrieval(codes, labels, bits, test, train, threads),
        "test_vs_test": _retrieval(codes, labels, bits, test, test, threads) if len(test) > 1 else None,
        "labels": {
            "overall_accuracy": metrics.overall_accuracy(confusion),
            "kappa": _or_none(metrics.cohen_kappa(confusion)),
            "per_class": [_or_none(value) for value in metrics.per_class_accuracy(confusion).tolist()],
            "confusion": confusion.tolist(),
        },
    }


def _labels(features: Features, classes: list[str]) -> NDArray[np.int64]:
    if features.labels is None or set(features.classes) != set(classes):
        found = "none" if features.labels is None else ", ".join(features.classes)
        raise DatasetError(f"{features.name}: expected the classes of the model ({', '.join(classes)}), found {found}")
    return np.array([classes.index(name) for name in features.classes])[features.labels]


def _members(features: Features, wanted: list[str], part: str) -> NDArray[np.int64]:
    row = {item: number for number, item in enumerate(features.items)}
    found = np.array([row[item] for item in wanted if item in row], dtype=np.int64)  # unreadable ones are left out
    if found.size == 0:
        raise DatasetError(
            f"{features.name}: expected {part} images of the model's split, such as {wanted[0] if wanted else 'none'}, "
            "found none of them; use the data set that the model was trained on"
        )
    return found


def _retrieval(
    codes: NDArray[np.uint8],
    labels: NDArray[np.int64],
    bits: int,
    queries: NDArray[np.int64],
    database: NDArray[np.int64],
    threads: int | None,
) -> dict[str, Any]:
    among_themselves = queries is database
    n = len(database) - among_themselves
    cutoffs = [cutoff for cutoff in CUTOFFS if cutoff <= n]
    names = ("expected", "by_index", "worst", "best")
    precisions: dict[str, list[NDArray[np.float64]]] = {name: [] for name in names}
    at: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    pairs = np.zeros((2, bits + 1), np.int64)
    for start, found, ids in rank_database(
        codes[queries], codes[database], metric="hamming", bits=bits, threads=threads
    ):
        own = labels[queries[start : start + len(ids)]]
        relevant, distances = labels[database[ids]] == own[:, None], found
        if among_themselves:
            others = ids != np.arange(start, start + len(ids))[:, None]
            relevant, distances = (values[others].reshape(len(ids), n) for values in (relevant, distances))
        precisions["expected"].append(metrics.expected_average_precision(distances, relevant))
        precisions["by_index"].append(metrics.average_precision(relevant))
        for name, values in zip(("worst", "best"), metrics.average_precision_bounds(distances, relevant), strict=True):
            precisions[name].append(values)
        pairs += np.stack(metrics.radius_counts(distances, relevant, bits))
        precision, recall = metrics.precision_at(relevant, cutoffs), metrics.recall_at(relevant, cutoffs)
        at.append((np.where(np.isnan(recall), np.nan, precision), recall))
    curve = metrics.radius_curve(*pairs)
    means = {name: metrics.mean_over_queries(np.concatenate(values)).value for name, values in precisions.items()}
    every = [np.concatenate(values) for values in zip(*at, strict=True)]
    return {
        "map": {name: _or_none(value) for name, value in means.items()},
        "cutoffs": cutoffs,
        "precision_at": [_or_none(metrics.mean_over_queries(column).value) for column in every[0].T],
        "recall_at": [_or_none(metrics.mean_over_queries(column).value) for column in every[1].T],
        "radius": {
            "precision": [_or_none(value) for value in curve.precision.tolist()],
            "recall": [_or_none(value) for value in curve.recall.tolist()],
        },
    }


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
