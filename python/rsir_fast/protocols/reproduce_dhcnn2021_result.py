"""The results of `reproduce_dhcnn2021` and `reproduce_hashing`: a table of methods and hash lengths over seeds."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from rsir_fast.base.shown import counted
from rsir_fast.protocols.dhcnn2021_result import CodeFigures, LabelFigures
from rsir_fast.protocols.facts import DatasetFacts, FeaturesFacts
from rsir_fast.protocols.intervals import Interval, MapIntervals
from rsir_fast.protocols.protocol import Protocol
from rsir_fast.protocols.result import Part, Result, Text, Value

__all__ = [
    "Curves",
    "Dhcnn2021TableResult",
    "Dhcnn2021TableSettings",
    "ExpectedMap",
    "HashRow",
    "HashRun",
    "HashTableResult",
    "HashingTableResult",
    "Measured",
    "MethodCost",
    "RankedRun",
    "SeedRun",
    "UncodedFigures",
]


class ExpectedMap(Part):
    """MAP of a ranking by distances of floats."""

    expected: Value


class UncodedFigures(Part):
    """The figure of a ranking without codes, and how sure it is."""

    map: ExpectedMap
    map_intervals: MapIntervals | None = None


class RankedRun(Part):
    """Figures of test images against training images and among themselves; ``bits`` of the codes, None without any."""

    bits: int | None = None
    test_vs_train: CodeFigures | UncodedFigures | None = None
    test_vs_test: CodeFigures | UncodedFigures | None = None


class HashRun(Part):
    """What is kept of a method at a hash length with a seed, in a file of its own; ``missing``: why it has nothing.

    Of a model that gives labels also ``by_label``, the ranking by its own predicted labels as codes, and
    ``by_probabilities``, that by the inner product of its class probabilities.
    """

    missing: str | None = None
    test_vs_train: CodeFigures | UncodedFigures | None = None
    test_vs_test: CodeFigures | UncodedFigures | None = None
    labels: LabelFigures | None = None
    by_label: RankedRun | None = None
    by_probabilities: RankedRun | None = None


class Measured(Part):
    """A measure over the seeds: mean and sample standard deviation (None for one seed), or why there is none.

    ``interval``: 95 % interval of the mean over so many random splits (`rsir_fast.metrics.interval_over_splits`), cut
    off at 1; None for one seed, and in what was written before it was stated.
    """

    mean: Value
    deviation: Value
    interval: Interval | None = None
    seeds: int
    missing: str | None


class SeedRun(Part):
    """The measures with one seed, None where there is none.

    ``map_intervals``, ``test_map_intervals`` and ``accuracy_intervals``: how sure ``map_expected``,
    ``test_map_expected`` and ``overall_accuracy`` of this one split are, by query and by class; absent in what was
    written before they were stated.
    """

    seed: int
    map_expected: Value
    map_by_index: Value
    map_worst: Value
    map_best: Value
    test_map_expected: Value
    overall_accuracy: Value
    kappa: Value
    map_intervals: MapIntervals | None = None
    test_map_intervals: MapIntervals | None = None
    accuracy_intervals: MapIntervals | None = None

    @property
    def intervals(self) -> dict[str, MapIntervals]:
        """The intervals that there are, by measure."""
        found = {
            "map_expected": self.map_intervals,
            "test_map_expected": self.test_map_intervals,
            "overall_accuracy": self.accuracy_intervals,
        }
        return {measure: one for measure, one in found.items() if one is not None}


class HashRow(Part):
    """A method at a hash length; ``bits`` is None for features without codes; ``remark``: what else is to be known.

    Where a model is ranked by its labels, ``bits`` are those of the model.
    """

    method: str
    bits: int | None
    remark: str | None = None
    measures: dict[str, Measured]
    runs: tuple[SeedRun, ...]


class Dhcnn2021TableSettings(Part):
    """What all runs share; recipes by method; ``rules`` are None in what was written before they were stated.

    Where classes are drawn that are not trained on, ``unseen_classes`` are those of each seed, and ``train`` is None:
    all images of the others are trained on. ``label_noise`` is the share of wrong labels in training, ``noise`` their
    kind.
    """

    train: float | None
    freeze_backbone: bool
    precision: str
    accumulate: int
    rsir_fast: str
    torch: str
    numpy: str
    lengths: tuple[int, ...]
    seeds: tuple[int, ...]
    recipes: dict[str, dict[str, Any]]
    label_noise: float | None = None
    noise: str | None = None
    unseen_classes: tuple[tuple[Text, ...], ...] | None = None
    rules: Protocol | None = None

    @property
    def on_unseen_classes(self) -> bool:
        """Whether the test images are of classes that were not trained on."""
        return self.unseen_classes is not None


class Curves(Part):
    """Retrieval figures by method, of one hash length and seed: against training images, or on unseen classes."""

    bits: int
    seed: int
    methods: dict[str, CodeFigures]


class HashTableResult(Result):
    """Methods for every hash length and seed, the same however often the work was interrupted.

    Attributes
    ----------
    protocol, rsir_fast : str
    dataset : DatasetFacts
    features : FeaturesFacts
        Of the backbone as it is loaded.
    settings : Dhcnn2021TableSettings
    rows : tuple of HashRow
    curves : Curves
        Of the longest codes with the first seed.
    """

    protocol: str
    rsir_fast: str
    dataset: DatasetFacts
    features: FeaturesFacts
    settings: Dhcnn2021TableSettings
    rows: tuple[HashRow, ...]
    curves: Curves

    def _facts(self) -> dict[str, str]:
        return {
            "protocol": self.protocol,
            "data set": self.dataset.name,
            "rows": counted(len(self.rows), "row", "rows"),
        }


class Dhcnn2021TableResult(HashTableResult):
    """DHCNN for every hash length and seed beside other methods; see `HashTableResult`."""

    protocol: Literal["reproduce dhcnn2021"]


class MethodCost(Part):
    """What a run of a method took: seconds, a mean over its runs, and the most memory that the process held in one.

    ``seconds`` are those of the last call where a run was interrupted; ``peak_bytes``, resident memory with libraries
    and features, is None where the system does not tell it.
    """

    method: str
    runs: int
    seconds: float
    peak_bytes: int | None


class HashingTableResult(HashTableResult):
    """Methods of hashing and of metric learning by one network, split and recipe; see `HashTableResult`.

    Attributes
    ----------
    costs : tuple of MethodCost
        Apart from the result: not in ``result.json``.
    """

    protocol: Literal["reproduce hashing"]
    costs: tuple[MethodCost, ...] = Field(default=(), exclude=True)
