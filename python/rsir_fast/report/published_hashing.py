"""Published figures of deep hashing on UC Merced, to be set beside a run there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rsir_fast.report.published import deviation, is_uc_merced
from rsir_fast.report.rules import wrong_labels

if TYPE_CHECKING:
    from rsir_fast.protocols.dhcnn2021_result import ImageCounts
    from rsir_fast.protocols.facts import DatasetFacts
    from rsir_fast.protocols.protocol import Protocol

__all__ = ["RIVALS", "HashComparison", "PublishedHashing", "compare_with_published_hashing"]


@dataclass(frozen=True)
class PublishedHashing:
    """One method: figures between 0 and 1, None where none was published, and where they come from.

    Attributes
    ----------
    method : str
    map : float
    overall_accuracy : float or None
    source : str
    unknown : str
        What of the measure or of the images is not known, so that `map` is none to compare with; empty: nothing.
    """

    method: str
    map: float
    overall_accuracy: float | None
    source: str
    unknown: str = ""

    @property
    def remark(self) -> str:
        """Source, and what is not known."""
        return f"{self.source}; {self.unknown} not known" if self.unknown else self.source


PUBLISHED = (
    PublishedHashing(
        "DHCNN",
        0.96672,
        402 / 420,
        "the authors' result file: one run, about 64 bits, over the whole database; 402 of 420 labels",
    ),
    PublishedHashing("DHCNN", 0.9802, None, "64 bits, as later papers quote it", "cut-off and split"),
    PublishedHashing("DHCL", 0.996, None, "64 bits, by a metric of its own", "cut-off and split"),
    PublishedHashing("HPSH", 0.997, None, "64 bits", "cut-off and split"),
)

RIVALS = tuple(
    PublishedHashing(method, value, None, "64 bits, a network like AlexNet, by others", "metric and split")
    for method, value in (("DPSH", 0.929), ("IDHN", 0.923), ("HashNet", 0.917), ("GreedyHash", 0.915))
)


@dataclass(frozen=True)
class HashComparison:
    """Published figures, and in what the run differs from the paper's setting; empty if in nothing."""

    rows: tuple[PublishedHashing, ...]
    deviation: str


def compare_with_published_hashing(
    dataset: DatasetFacts, images: ImageCounts, rules: Protocol | None = None
) -> HashComparison | None:
    """Find the published figures that a dhcnn2021 result on these images can be read against.

    Returns
    -------
    HashComparison or None
        None unless the data set is UC Merced.

    Examples
    --------
    >>> from rsir_fast.protocols.dhcnn2021_result import ImageCounts
    >>> from rsir_fast.protocols.facts import DatasetFacts
    >>> dataset = DatasetFacts(name="UCMerced_LandUse", items=6, classes=("a", "b"))
    >>> compare_with_published_hashing(dataset, ImageCounts(train=4, test=2)).deviation
    'this run: 6 images of 2 classes; the paper: 2,100 of 21'
    """
    if not is_uc_merced(dataset.name):
        return None
    stated = deviation(dataset, 21, 100)
    if not stated and (images.train, images.test) != (1680, 420):
        stated = f"this run: {images.train:,} training and {images.test:,} test images; the paper: 1,680 and 420"
    if rules is not None and rules.split.label_noise is not None:
        taught = f"this run: {wrong_labels(rules.split.label_noise, rules.split.noise)}; the paper: true labels"
        stated = f"{stated}; {taught}" if stated else taught
    return HashComparison(PUBLISHED, stated)
