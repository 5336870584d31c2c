"""What every protocol states alike: the images, what made their features, the queries, times, rankings to show."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict

from rsir_fast.base.cores import choose_threads
from rsir_fast.base.shared import within
from rsir_fast.protocols.result import Part, Text, stated

if TYPE_CHECKING:
    from rsir_fast.archive import Features

__all__ = [
    "DatasetFacts",
    "Example",
    "FeaturesFacts",
    "Hit",
    "Queries",
    "SkippedInput",
    "Timing",
    "WeightsFacts",
    "describe_dataset",
    "describe_features",
    "describe_queries",
    "describe_timing",
    "digest_of_images",
]


class SkippedInput(Part):
    """An image or folder that could not be read, and why."""

    item: Text
    reason: Text


class DatasetFacts(Part):
    """The images: how many, of which classes, and what is to be known of them."""

    name: Text
    items: int
    classes: tuple[Text, ...]
    class_counts: tuple[int, ...] = ()
    notes: tuple[Text, ...] = ()
    skipped: tuple[SkippedInput, ...] = ()


class WeightsFacts(Part):
    """A weight file: its name, SHA-256, and where it came from."""

    model_config = ConfigDict(extra="allow")

    file: Text | None = None
    sha256: Text | None = None
    source: Text | None = None


class FeaturesFacts(Part):
    """What made the features: what is stated of them goes further than the names here, which something depends on."""

    model_config = ConfigDict(extra="allow")

    backbone: Text
    layer: Text
    dim: int
    non_finite_rows: int = 0
    description: Text | None = None
    weights: WeightsFacts | None = None
    preprocessing: dict[str, Any] | None = None
    descriptor: dict[str, Any] | None = None
    averaged: dict[str, Any] | None = None

    @property
    def title(self) -> str:
        """The network as its loader describes it, which says when the weights are not the usual ones.

        Examples
        --------
        >>> FeaturesFacts(backbone="cnn-m", layer="fc6", dim=4096, description="CNN-M (ours)").title
        'CNN-M (ours)'
        """
        return self.description or self.backbone


class Queries(Part):
    """The queries in the order of every ``per_query``: their items, and their classes by number, if they have one.

    ``trained_on``: how many of them the hash model that made the features was trained on; None where none is known.
    """

    items: tuple[Text, ...]
    labels: tuple[int, ...] = ()
    trained_on: int | None = None


class Timing(Part):
    """Seconds and rates; None, or absent, for what was not done."""

    extract_s: float | None = None
    extract_images_per_s: float | None = None
    forward_images_per_s: float | None = None
    rank_s: float | None = None
    total_s: float | None = None
    threads: int | None = None
    device: Text | None = None


class Hit(Part):
    """An image that was found; of codes, with the label it was given. A whole distance is one of codes, in bits."""

    item: int
    class_name: Text
    distance: int | float
    relevant: bool
    label: Text | None = None
    probability: float | None = None


class Example(Part):
    """A ranking to show: the query, why it was chosen, and what was found, best first."""

    query: int
    query_class: Text
    average_precision: float
    results: tuple[Hit, ...]
    note: str = ""
    query_label: Text | None = None
    query_probability: float | None = None


def describe_queries(items: Sequence[str], labels: NDArray[np.int64] | None, trained_on: int = 0) -> Queries:
    """Name the queries, and say how many of them the model of the features was trained on."""
    known: dict[str, Any] = {"trained_on": trained_on} if trained_on else {}
    return Queries(items=tuple(items), labels=() if labels is None else tuple(labels.tolist()), **known)


def digest_of_images(items: Sequence[str], told: Sequence[Sequence[str]]) -> str:
    """Return the SHA-256 of images, in whatever order, and of what is `told` of each, such as its class.

    Examples
    --------
    >>> one, other = digest_of_images(("a/1", "b/1"), [["a"], ["b"]]), digest_of_images(("b/1", "a/1"), [["b"], ["a"]])
    >>> one == other, one == digest_of_images(("a/1", "b/1"), [["b"], ["a"]])
    (True, False)
    """
    every = sorted([item, *more] for item, more in zip(items, told, strict=True))
    return hashlib.sha256(json.dumps(every).encode("ascii")).hexdigest()


def describe_dataset(features: Features, more: Sequence[str] = ()) -> DatasetFacts:
    """State the images that the features were made of; `more` notes after theirs."""
    counts = np.bincount([] if features.labels is None else features.labels, minlength=len(features.classes))
    return DatasetFacts(
        name=features.name,
        items=len(features),
        classes=tuple(features.classes),
        class_counts=tuple(counts.tolist()),
        notes=(*(within(note, features.root) for note in features.notes), *more),
        skipped=tuple(
            SkippedInput(item=item, reason=within(reason, features.root)) for item, reason in features.skipped
        ),
    )


def describe_features(features: Features) -> FeaturesFacts:
    """State the network that made the features; of a hash model all but its training.

    Raises
    ------
    FeaturesError
        If their provenance is not what rsir writes.
    """
    known = ("name", "layer", "dim", "hash")
    numbers = [features[field.name] for field in features.fields if field.kind != "code"]
    finite = np.logical_and.reduce([np.isfinite(rows).all(axis=1) for rows in numbers])
    content = {
        "backbone": features.provenance.get("name", "unknown"),
        "layer": features.provenance.get("layer", "unknown"),
        "dim": features.dim,
        "non_finite_rows": int((~finite).sum()),
        **{key: value for key, value in features.provenance.items() if key not in known},
    }
    return stated(FeaturesFacts, content, features.name)


def describe_timing(features: Features, rank_s: float, threads: int | None, **more: Any) -> Timing:
    """State how long extraction and ranking took."""
    made = features.timing
    return Timing(
        extract_s=made.get("seconds"),
        extract_images_per_s=made.get("images_per_s"),
        forward_images_per_s=made.get("forward_images_per_s"),
        rank_s=rank_s,
        total_s=rank_s + (made.get("seconds") or 0.0),
        threads=choose_threads(threads),
        **more,
    )
