"""Published figures of deep hashing on UC Merced, to be set beside a run there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rsir_fast.report.published import deviation, is_uc_merced

__all__ = ["HashComparison", "PublishedHashing", "compare_with_published_hashing"]


@dataclass(frozen=True)
class PublishedHashing:
    """One method: figures between 0 and 1, None where none was published, and where they come from."""

    method: str
    map: float
    overall_accuracy: float | None
    source: str


PUBLISHED = (
    PublishedHashing(
        "DHCNN", 0.96672, 402 / 420, "the authors' result file: one run, about 64 bits; 402 of 420 labels"
    ),
    PublishedHashing("DHCNN", 0.9802, None, "64 bits, as later papers quote it"),
    PublishedHashing("DHCL", 0.996, None, "64 bits, by a metric of its own"),
    PublishedHashing("HPSH", 0.997, None, "64 bits"),
)


@dataclass(frozen=True)
class HashComparison:
    """Published figures, and in what the run differs from the paper's setting; empty if in nothing."""

    rows: tuple[PublishedHashing, ...]
    deviation: str


def compare_with_published_hashing(result: Mapping[str, Any]) -> HashComparison | None:
    """Find the published figures that a dhcnn2021 result can be read against.

    Returns
    -------
    HashComparison or None
        None unless the data set is UC Merced.

    Examples
    --------
    >>> result = {"dataset": {"name": "UCMerced_LandUse", "items": 6, "classes": ["a", "b"]}, "bits": 64,
    ...           "images": {"train": 4, "test": 2}}
    >>> compare_with_published_hashing(result).deviation
    'this run: 6 images of 2 classes; the paper: 2,100 of 21'
    """
    if not is_uc_merced(result["dataset"]["name"]):
        return None
    images = result["images"]
    stated = deviation(result["dataset"], 21, 100)
    if not stated and (images["train"], images["test"]) != (1680, 420):
        stated = f"this run: {images['train']:,} training and {images['test']:,} test images; the paper: 1,680 and 420"
    return HashComparison(PUBLISHED, stated)
