"""The rules of an evaluation, declared once: stated in its result, and said in words in its report."""

from __future__ import annotations

from typing import Literal

from rsir_fast.datasets.label_noise import NoiseKind
from rsir_fast.metrics import Penalty, RankLimit
from rsir_fast.protocols.result import Part, Text, Value

__all__ = [
    "DIVISORS",
    "GALLERIES",
    "AnmrrRule",
    "Gallery",
    "MapAt",
    "MapDivisor",
    "Protocol",
    "SplitSource",
    "Unit",
]

Gallery = Literal["train", "test", "rest", "all"]
"""The images that are ranked: those of a part of the split, all but the queries, or all. A query that is one of them is
left out of its own ranking."""

GALLERIES: tuple[Gallery, ...] = ("train", "test", "rest", "all")

MapDivisor = Literal["found", "min", "relevant"]
"""What AP@k divides by, as in `rsir_fast.metrics.average_precision`."""

DIVISORS: tuple[MapDivisor, ...] = ("found", "min", "relevant")


Unit = Literal["query", "class"]
"""What is drawn anew for an interval."""


class SplitSource(Part):
    """Where the division into training and test images came from, and what was taught of the training images.

    Attributes
    ----------
    kind : {"leave one out", "drawn", "unseen classes", "given"}
        No split, every image in turn a query; drawn at random in each class; classes drawn at random that are not
        trained on; or from elsewhere.
    train : float or None
        Share of the images that is for training.
    unseen : float or None
        Share of the classes that is not trained on.
    shots : int or None
        Training images of every class, where only so many are kept.
    label_noise : float or None
        Share of wrong labels in every class, in training only.
    noise : {"symmetric", "asymmetric"} or None
        Their kind: any other class, or always the next one.
    seeds : tuple of int
        That splits were drawn with.
    file : str or None
        Name of the file that a split was read from.
    """

    kind: Literal["leave one out", "drawn", "unseen classes", "given"]
    train: float | None = None
    unseen: float | None = None
    shots: int | None = None
    label_noise: float | None = None
    noise: NoiseKind | None = None
    seeds: tuple[int, ...] = ()
    file: Text | None = None


class AnmrrRule(Part):
    """How ANMRR is formed, as in `rsir_fast.metrics.nmrr`.

    Attributes
    ----------
    k : {"2ng", "mpeg7"}
        K, the ranks that are looked at: 2 NG, or min(4 NG, 2 max NG).
    penalty : {"1.25k", "k+1"}
        The rank that a relevant image beyond K is counted at.
    """

    k: RankLimit = "2ng"
    penalty: Penalty = "1.25k"


class MapAt(Part):
    """MAP@k by each divisor of AP@k: one ranking, and figures that may lie far apart.

    Attributes
    ----------
    k : int
    divisor : {"found", "min", "relevant"}
        The one that was asked for, whose figure is ``value``.
    found, min, relevant : float or None
        Means over the queries; ties as the rules of the result say.
    """

    k: int
    divisor: MapDivisor
    found: Value
    min: Value
    relevant: Value

    @property
    def value(self) -> float | None:
        """The figure by the divisor that was asked for."""
        return self.by_divisor[self.divisor]

    @property
    def by_divisor(self) -> dict[MapDivisor, float | None]:
        """All figures, the one that was asked for first."""
        every: dict[MapDivisor, float | None] = {"found": self.found, "min": self.min, "relevant": self.relevant}
        return {self.divisor: every[self.divisor], **every}


class Protocol(Part):
    """The rules that an evaluation went by. What has its default need not be stated.

    Attributes
    ----------
    split : SplitSource
    gallery : tuple of {"train", "test", "rest", "all", "other"}
        What the queries are ranked against, the headline's first: "other" is another data set. Queries are the test
        images, or every image.
    gallery_dataset : str or None
        Name of the other data set.
    label_map : tuple of (str, str)
        Classes of the queries, and which of the other data set they are.
    relevance : {"class", "label"}
        An image is relevant if it is of the query's class, or shares a label with it.
    cutoffs : tuple of int
        Numbers of returned images for precision and recall, as far as the gallery has so many.
    map_at : int or None
        Ranks that mAP@k looks at; None for none beside mAP over the whole ranking.
    divisor : {"found", "min", "relevant"} or None
        Of AP@k: the relevant images found within k, min(k, R), or R, the relevant images of the gallery.
    anmrr : AnmrrRule or None
        None where ANMRR is not measured, and in results from before it was stated here.
    ties : {"expected", "index"}
        How the headline takes equal distances: expected over their random order, or by the index of the images.
    units : tuple of {"query", "class"}
        What the intervals of mAP draw anew; none in what was written before they were stated.

    Examples
    --------
    >>> rules = Protocol(split=SplitSource(kind="leave one out"), gallery=("all",), ties="index")
    >>> rules.relevance, rules.content()["split"]
    ('class', {'kind': 'leave one out'})
    """

    split: SplitSource
    gallery: tuple[Gallery | Literal["other"], ...]
    gallery_dataset: Text | None = None
    label_map: tuple[tuple[Text, Text], ...] = ()
    relevance: Literal["class", "label"] = "class"
    cutoffs: tuple[int, ...] = ()
    map_at: int | None = None
    divisor: MapDivisor | None = None
    anmrr: AnmrrRule | None = None
    ties: Literal["expected", "index"] = "expected"
    units: tuple[Unit, ...] = ()
