"""The result of `rsir_fast.evaluate_dhcnn2021`."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict

from rsir_fast.protocols.evaluation import EvaluationResult
from rsir_fast.protocols.intervals import MapIntervals
from rsir_fast.protocols.protocol import MapAt
from rsir_fast.protocols.result import Part, Text, Value, as_array

__all__ = [
    "CodeFigures",
    "Dhcnn2021Result",
    "ImageCounts",
    "LabelFigures",
    "LossFacts",
    "MapUnderTies",
    "OtherSplit",
    "RadiusCurve",
    "RecipeFacts",
    "SplitFacts",
    "TrainingFacts",
]


class MapUnderTies(Part):
    """MAP under four rules for the order of equal distances; the expectation is the headline."""

    expected: Value
    by_index: Value
    worst: Value
    best: Value


class RadiusCurve(Part):
    """Precision and recall within each Hamming radius from 0 on, over all pairs."""

    precision: tuple[Value, ...]
    recall: tuple[Value, ...]


class CodeFigures(Part):
    """Retrieval by hash codes in figures, of `rsir_fast.protocols.evaluate_codes`; None where there is no value.

    Attributes
    ----------
    map : MapUnderTies
    map_intervals : MapIntervals or None
        How sure ``map.expected`` is; None in what was written before it was stated.
    cutoffs : tuple of int
        Numbers of returned images for what follows.
    precision_at, recall_at : tuple of float or None
        Means over the queries (macro), expected over the order of ties. Where ``recall_micro_at`` is empty they are of
        before, with ties by index.
    recall_micro_at : tuple of float or None
        Relevant images found for all queries by all that are relevant (micro). Of precision both means are the same.
    map_at : MapAt or None
        MAP@k, expected over the order of ties; None where it was not asked for.
    radius : RadiusCurve
    per_class : tuple of float or None
        Expected mAP of each class from 0.
    per_query : tuple of float or None
        Expected AP, in the order of the queries.
    queries, queries_without_relevant, database : int
        How many; those without a relevant image are in no mean.
    """

    map: MapUnderTies
    map_intervals: MapIntervals | None = None
    cutoffs: tuple[int, ...]
    precision_at: tuple[Value, ...]
    recall_at: tuple[Value, ...]
    recall_micro_at: tuple[Value, ...] = ()
    map_at: MapAt | None = None
    radius: RadiusCurve
    per_class: tuple[Value, ...]
    per_query: tuple[Value, ...] = ()
    queries: int
    queries_without_relevant: int
    database: int

    @property
    def average_precision(self) -> NDArray[np.float64]:
        """Expected AP of every query, NaN where nothing is relevant: for `rsir_fast.metrics.compare_paired`."""
        return as_array(self.per_query)

    def summary(self) -> CodeFigures:
        """Return them without the single queries."""
        return CodeFigures.model_validate(
            {key: value for key, value in self if key in self.model_fields_set - {"per_query"}}
        )


class LabelFigures(Part):
    """How right the labels of the test images are; classes by number, the true ones in rows of ``confusion``.

    ``accuracy_intervals``: how sure the overall accuracy is; None where there is none, and in what was written before.
    ``missing``: why there is no accuracy, where no class of the test images was trained on. A class that was not
    trained on has none in ``per_class``.
    """

    overall_accuracy: Value
    accuracy_intervals: MapIntervals | None = None
    kappa: Value
    per_class: tuple[Value, ...]
    confusion: tuple[tuple[int, ...], ...]
    missing: str | None = None


class ImageCounts(Part):
    """How many images of each part were found."""

    train: int
    test: int


class SplitFacts(Part):
    """The split that a model was trained by: its seed, and how many images are in each part."""

    seed: int | None = None
    train: int
    test: int


class OtherSplit(Part):
    """A split that is not the one that the model was trained by; where it came from, ``rules`` state.

    Attributes
    ----------
    train, test : int
        Images of its parts.
    trained_on : int or None
        Its training images that the model was trained on, of those found; None where no image that the model was
        trained on is here by its name.
    trained_queries : int or None
        Its test images that the model was trained on, likewise: queries if `kept`, else left out.
    kept : bool
    """

    train: int
    test: int
    trained_on: int | None
    trained_queries: int | None
    kept: bool = False


class LossFacts(Part):
    """The loss that a model was trained by: of `method`, None for DHCNN, with its parameters."""

    model_config = ConfigDict(extra="allow")

    method: str | None = None
    p: float | None = None
    beta: float | None = None
    eta: float | None = None
    similarity_gradient: str | None = None
    loss_weighting: str | None = None
    classifier_gradient: str | None = None


class RecipeFacts(Part):
    """The recipe that a model was trained by, as far as something depends on it; it states more."""

    model_config = ConfigDict(extra="allow")

    name: Text | None = None
    loss: LossFacts | None = None


class TrainingFacts(Part):
    """How a model came to be, as far as something depends on it; it states more. `method`: None for DHCNN."""

    model_config = ConfigDict(extra="allow")

    method: Text | None = None
    recipe: RecipeFacts | None = None
    seed: Any = None
    freeze_backbone: bool | None = None


class Dhcnn2021Result(EvaluationResult):
    """What `rsir_fast.evaluate_dhcnn2021` found.

    Apart from ``timing`` it depends on the features only, to the last bit.

    Attributes
    ----------
    protocol, rsir_fast : str
    dataset : DatasetFacts
    features : FeaturesFacts
    bits : int
    classes : tuple of str
        Of the model, in its order: that of every ``per_class`` and of ``confusion``.
    images : ImageCounts
        Training images, and queries.
    split : SplitFacts
        That the model was trained by; the figures are of it, too, where there is no `other_split`.
    other_split : OtherSplit or None
    training : TrainingFacts
    rules : Protocol or None
    queries : Queries
        ``items`` and ``labels``, numbers of the model's classes.
    test_vs_train, test_vs_test, test_vs_rest, test_vs_all : CodeFigures or None
        The test images ranked against the training images, one another, all images but the test images, and all: None
        where that was not asked for, or among a single test image.
    labels : LabelFigures
    timing : Timing
    examples : tuple of Example
        Rankings to show; not in ``result.json``.
    """

    protocol: Literal["dhcnn2021"]
    bits: int
    classes: tuple[Text, ...]
    images: ImageCounts
    split: SplitFacts
    other_split: OtherSplit | None = None
    training: TrainingFacts
    test_vs_train: CodeFigures | None = None
    test_vs_test: CodeFigures | None = None
    test_vs_rest: CodeFigures | None = None
    test_vs_all: CodeFigures | None = None
    labels: LabelFigures

    @property
    def class_names(self) -> tuple[Text, ...]:
        """The classes, as their numbers in ``queries`` count them: in the model's order."""
        return self.classes

    @property
    def method(self) -> str:
        """What the model was trained by, as its authors call it."""
        return self.training.method or "DHCNN"

    @property
    def by_place(self) -> dict[str, CodeFigures]:
        """The figures by the name of their place, of those that were measured, the headline's first."""
        order = ("train", "test") if self.rules is None else self.rules.gallery
        found = {f"test_vs_{gallery}": getattr(self, f"test_vs_{gallery}") for gallery in order}
        return {place: figures for place, figures in found.items() if figures is not None}

    @property
    def headline(self) -> CodeFigures:
        """The figures of the first gallery."""
        return next(iter(self.by_place.values()))

    def _headlines(self) -> dict[str, float | None]:
        return {place: found.map.expected for place, found in self.by_place.items()}
