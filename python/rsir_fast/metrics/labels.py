"""Semantic labels: confusion matrix, overall and per-class accuracy, Cohen's kappa."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rsir_fast.base.counts import as_count
from rsir_fast.base.numbers import as_integers, as_numbers
from rsir_fast.metrics._hits import ratio_or_nan
from rsir_fast.metrics._inputs import MOST, as_labels

__all__ = ["cohen_kappa", "confusion_matrix", "overall_accuracy", "per_class_accuracy"]

MOST_CLASSES = 2**14
"""Of a confusion matrix: 2 GiB."""


def confusion_matrix(true: ArrayLike, predicted: ArrayLike, n_classes: int | None = None) -> NDArray[np.int64]:
    """Count the images of each true class (row) that were given each label (column).

    Parameters
    ----------
    true, predicted
        Each [n] integers from 0: class indices of the same images in the same order.
    n_classes
        Number of classes, at most 16384. Default: one more than the largest index.

    Returns
    -------
    numpy.ndarray
        [n_classes, n_classes] int64.

    Raises
    ------
    TypeError, ValueError
        If the labels are not as described, differ in length, or reach `n_classes`.

    Examples
    --------
    >>> confusion_matrix([0, 0, 1, 1], [0, 1, 1, 1]).tolist()
    [[1, 1], [0, 2]]
    """
    if n_classes is not None:
        n_classes = as_count(n_classes, "n_classes", most=MOST_CLASSES)
    rows = as_labels(true, "true", n_classes)
    columns = as_labels(predicted, "predicted", n_classes)
    if len(rows) != len(columns):
        raise ValueError(f"predicted: expected as many labels as true ({len(rows)}), got {len(columns)}")
    size = n_classes if n_classes is not None else 1 + int(max(rows.max(initial=-1), columns.max(initial=-1)))
    if size > MOST_CLASSES:
        raise ValueError(
            f"true, predicted: expected class indices below {MOST_CLASSES}, whose matrix takes 2 GiB, got {size - 1}; "
            "number the classes from 0 without gaps"
        )
    return np.bincount(rows * size + columns, minlength=size * size).reshape(size, size).astype(np.int64, copy=False)


def overall_accuracy(confusion: ArrayLike) -> float:
    """Overall accuracy (OA): the share of images whose label is right.

    Parameters
    ----------
    confusion
        [c, c] counts, true classes in rows.

    Returns
    -------
    float
        OA in [0, 1]; NaN without images.

    Raises
    ------
    TypeError, ValueError
        If `confusion` is not a square matrix of counts.

    Examples
    --------
    >>> overall_accuracy([[1, 1], [0, 2]])
    0.75
    """
    counts = _as_confusion(confusion)
    total = int(counts.sum())
    return int(np.trace(counts)) / total if total else math.nan


def per_class_accuracy(confusion: ArrayLike) -> NDArray[np.float64]:
    """Share of the images of each true class whose label is right (producer's accuracy, recall).

    Parameters
    ----------
    confusion
        [c, c] counts, true classes in rows.

    Returns
    -------
    numpy.ndarray
        [c] float64; NaN for a class without images.

    Raises
    ------
    TypeError, ValueError
        If `confusion` is not a square matrix of counts.

    Examples
    --------
    >>> per_class_accuracy([[1, 1], [0, 2]]).tolist()
    [0.5, 1.0]
    """
    counts = _as_confusion(confusion)
    return ratio_or_nan(np.diagonal(counts), counts.sum(axis=1))


def cohen_kappa(confusion: ArrayLike) -> float:
    """Cohen's kappa: agreement beyond chance, ``(p_o - p_e) / (1 - p_e)``.

    p_o is the overall accuracy, p_e the agreement of two labellings with the same class counts but drawn independently.

    Parameters
    ----------
    confusion
        [c, c] counts, true classes in rows.

    Returns
    -------
    float
        1 for full agreement, 0 for chance, negative below it; correctly rounded. NaN where chance alone agrees fully
        (all images of one class and all labelled so) or there are no images.

    Raises
    ------
    TypeError, ValueError
        If `confusion` is not a square matrix of counts.

    Examples
    --------
    >>> cohen_kappa([[1, 1], [0, 2]])
    0.5
    """
    counts = _as_confusion(confusion)
    # Python integers: products of counts stay exact where int64 would overflow.
    total, agreed = int(counts.sum()), int(np.trace(counts))
    true_counts, label_counts = counts.sum(axis=1).tolist(), counts.sum(axis=0).tolist()
    by_chance = sum(t * p for t, p in zip(true_counts, label_counts, strict=True))
    scale = total * total - by_chance
    return (total * agreed - by_chance) / scale if scale else math.nan


def _as_confusion(confusion: ArrayLike) -> NDArray[np.int64]:
    counts = as_numbers(confusion, "confusion")
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise ValueError(f"confusion: expected a square matrix [c, c], got shape {counts.shape}; see confusion_matrix")
    whole = as_integers(
        counts, "confusion", "counts", kind="integer counts", fix="do not normalise it first", least=0, most=MOST
    )
    if whole.sum(dtype=np.float64) > MOST:
        raise ValueError(f"confusion: expected at most {MOST} (2^53) images in all, got more than are counted exactly")
    return whole
