"""What stands beside a hash network in a table: hash functions without labels, no codes at all, and labels alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive import Features
from rsir_fast.datasets import Split
from rsir_fast.hashing.baselines import LinearHash, TooManyBitsError, iterative_quantization, random_projection
from rsir_fast.hashing.cosine_preserving import cosine_preserving
from rsir_fast.hashing.label_codes import label_codes
from rsir_fast.metrics import RetrievalAccumulator, expected_average_precision
from rsir_fast.ops import pack_codes, relevant_ranks
from rsir_fast.protocols.dhcnn2021_result import CodeFigures
from rsir_fast.protocols.galleries import without_own
from rsir_fast.protocols.ge2018 import check_classes
from rsir_fast.protocols.hash_retrieval import CUTOFFS, evaluate_codes
from rsir_fast.protocols.intervals import map_intervals
from rsir_fast.protocols.reproduce_dhcnn2021_result import ExpectedMap, HashRun, RankedRun, UncodedFigures
from rsir_fast.protocols.result import mean

__all__ = [
    "BASELINES",
    "Parts",
    "by_label",
    "by_probabilities",
    "embedded",
    "euclidean",
    "hashed_without_labels",
    "preserving_cosines",
]

BASELINES: dict[str, Callable[..., LinearHash]] = {
    "ITQ": iterative_quantization,
    "random projection": random_projection,
}

AT_ONCE = 1 << 22
"""Inner products held at a time."""


@dataclass(frozen=True)
class Parts:
    """Rows of the feature matrix by their part in a split; images that cannot be read are in none.

    Where test images are of unseen classes, they are ranked among themselves alone: nothing in the training images is
    relevant.
    """

    train: NDArray[np.int64]
    test: NDArray[np.int64]
    unseen: bool = False

    @classmethod
    def of(cls, features: Features, split: Split, *, unseen: bool = False) -> Parts:
        """Find the images of a split among those of features."""
        row = {item: number for number, item in enumerate(features.items)}
        train, test = (np.array([row[i] for i in part if i in row], np.int64) for part in (split.train, split.test))
        return cls(train, test, unseen)

    def both(self, ranked: Callable[[NDArray[np.int64]], CodeFigures | UncodedFigures]) -> dict[str, Any]:
        """Return what `ranked` finds for the test images in each database: training images, and test images."""
        return {
            "test_vs_train": None if self.unseen else ranked(self.train),
            "test_vs_test": ranked(self.test) if len(self.test) > 1 else None,
        }


def hashed_without_labels(
    features: Features,
    parts: Parts,
    method: str,
    bits: int,
    seed: int,
    threads: int | None = None,
    cutoffs: Sequence[int] = CUTOFFS,
) -> HashRun:
    """Fit a method of `BASELINES` on the training features, and evaluate the codes of all."""
    try:
        fitted = BASELINES[method](features.matrix[parts.train], bits, seed=seed)
        codes = pack_codes(fitted.project(features.matrix))
    except TooManyBitsError as error:
        return HashRun(missing=str(error))
    return _coded(codes, features, parts, bits, threads, cutoffs)


def preserving_cosines(
    seen: Features,
    parts: Parts,
    taught: NDArray[np.int64],
    bits: int,
    seed: int,
    threads: int | None = None,
    cutoffs: Sequence[int] = CUTOFFS,
) -> HashRun:
    """Fit `cosine_preserving` on training features and the labels `taught` [n], and evaluate the codes of all.

    Of features of every image's turns it learns from all, and codes the images as they are.
    """
    turns = [seen[field.name][parts.train] for field in seen.fields if field.kind == "vector"]
    features = seen.field()
    learnt = np.stack(turns, axis=1) if "turns" in seen.provenance else features.matrix[parts.train]
    try:
        fitted = cosine_preserving(learnt, taught[parts.train], bits, seed=seed)
    except TooManyBitsError as error:
        return HashRun(missing=str(error))
    codes = pack_codes(fitted.project(features.matrix))
    return _coded(codes, features, parts, bits, threads, cutoffs)


def _coded(
    codes: NDArray[np.uint8],
    features: Features,
    parts: Parts,
    bits: int,
    threads: int | None,
    cutoffs: Sequence[int],
) -> HashRun:
    labels = check_classes(features.name, features.labels)

    def ranked(database: NDArray[np.int64]) -> CodeFigures:
        return evaluate_codes(codes, labels, bits, parts.test, database, threads, cutoffs=cutoffs)

    return HashRun(**parts.both(ranked))


def euclidean(features: Features, parts: Parts, threads: int | None = None) -> HashRun:
    """Rank by the distance of row-normalised features: what hashing gives away, and learning gains."""
    return _by_distance(features, np.asarray(features.matrix), parts, "row", threads)


def embedded(coded: Features, parts: Parts, threads: int | None = None) -> HashRun:
    """Rank by the distance of the real values u, brought to length 1: what metric learning gives, without codes."""
    u = np.asarray(coded["u"], np.float64)
    length = np.sqrt(np.square(u).sum(1, keepdims=True))
    unit = (u / np.maximum(length, np.finfo(np.float32).tiny)).astype(np.float32)
    return _by_distance(coded, unit, parts, "none", threads)


def _by_distance(
    features: Features,
    matrix: NDArray[np.float32],
    parts: Parts,
    normalize: Literal["none", "row"],
    threads: int | None,
) -> HashRun:
    labels, test = check_classes(features.name, features.labels), parts.test

    def mean_ap(database: NDArray[np.int64]) -> UncodedFigures:
        own = np.arange(len(test)) if database is test else None
        found = RetrievalAccumulator(features.classes, len(database))
        given = (matrix[test], matrix[database], labels[test], labels[database])
        for block in relevant_ranks(*given, self_ids=own, normalize=normalize, threads=threads):
            ranks = block if own is None else block.drop_self()
            found.add_ranks(ranks.ranks, ranks.counts, labels[test][block.start : block.start + len(block.counts)])
        return _uncoded(found.average_precision(), labels[test])

    return HashRun(**parts.both(mean_ap))


def _uncoded(average_precision: NDArray[np.float64], labels: NDArray[np.int64]) -> UncodedFigures:
    expected = ExpectedMap(expected=mean(average_precision))
    return UncodedFigures(map=expected, map_intervals=map_intervals(average_precision, labels))


def by_label(
    predicted: NDArray[np.int64],
    labels: NDArray[np.int64],
    classes: int,
    parts: Parts,
    threads: int | None = None,
) -> RankedRun:
    """Rank by the Hamming distance of predicted labels as codes of ceil(log2 K) bits.

    Parameters
    ----------
    predicted, labels : array, int64 [n]
        The labels that a model gives all items, and the true ones.
    classes : int
        K, how many the model knows.
    parts : Parts
    threads : int, optional
        As in `rsir_fast.hamming_topk`. Never changes a figure.

    Returns
    -------
    RankedRun
        Each as of `rsir_fast.protocols.evaluate_codes`: images of the query's predicted label first, all tied; the rest
        by the digits of the labels' numbers.

    Raises
    ------
    ValueError
        If a predicted label is out of range.

    Notes
    -----
    O(q m log K). Sablayrolles et al. 2017, arXiv:1609.06753.

    Examples
    --------
    >>> true, given = np.array([0, 0, 1, 1]), np.array([0, 0, 1, 0])
    >>> found = by_label(given, true, 2, Parts(train=np.array([0, 2]), test=np.array([1, 3])))
    >>> found.bits, found.test_vs_train.map.expected
    (1, 0.75)
    """
    codes, bits = label_codes(predicted, classes)
    ranked = parts.both(lambda database: evaluate_codes(codes, labels, bits, parts.test, database, threads))
    return RankedRun(bits=bits, **ranked)


def by_probabilities(probabilities: NDArray[np.float32], labels: NDArray[np.int64], parts: Parts) -> RankedRun:
    """Rank by the inner product of class probabilities: the chance that two images are of one class.

    Parameters
    ----------
    probabilities : array, float32 [n, K]
        Of all items.
    labels : array, int64 [n]
        True classes.
    parts : Parts

    Returns
    -------
    RankedRun
        Each ``map.expected`` over the order of equal products: where a model is sure, many are exactly 1.

    Notes
    -----
    O(q m (K + log m)) time, in blocks of 4 million products. A product is a sum of K exact products of two float32 in
    float64, in the order of the classes: the same bits on every machine. Sablayrolles et al. 2017, arXiv:1609.06753.

    Examples
    --------
    >>> sure = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]], np.float32)
    >>> parts = Parts(train=np.array([1, 2]), test=np.array([0]))
    >>> by_probabilities(sure, np.array([0, 0, 1]), parts).test_vs_train.map.expected
    1.0
    """
    test, values = parts.test, probabilities.astype(np.float64)

    def against(database: NDArray[np.int64]) -> UncodedFigures:
        rows = max(1, AT_ONCE // max(1, len(database)))
        found = []
        for start in range(0, len(test), rows):
            block = test[start : start + rows]
            products = np.zeros((len(block), len(database)))
            for column in values.T:  # no matrix product: its order of summation is the machine's
                products += column[block, None] * column[database]
            relevant = labels[block, None] == labels[database]
            if database is test:
                products, relevant = without_own(np.broadcast_to(database, relevant.shape), block, products, relevant)
            found.append(expected_average_precision(-products, relevant))
        return _uncoded(np.concatenate(found), labels[test])

    return RankedRun(**parts.both(against))
