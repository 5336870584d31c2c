"""What the results of all evaluations have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from pydantic import Field

from rsir_fast.base.shown import counted
from rsir_fast.protocols.facts import DatasetFacts, Example, FeaturesFacts, Queries, Timing
from rsir_fast.protocols.protocol import Protocol
from rsir_fast.protocols.result import Result, Text

__all__ = ["EvaluationResult"]


class EvaluationResult(Result):
    """What an evaluation found: `rsir_fast.Ge2018Result` or `rsir_fast.Dhcnn2021Result`.

    ``galleries``: by the place of figures, a digest of the images that were ranked, and of their classes where these
    say what is relevant. ``rules`` and ``queries`` are None, and there are no digests, in what was written before.
    """

    protocol: str
    rsir_fast: str
    dataset: DatasetFacts
    features: FeaturesFacts
    rules: Protocol | None = None
    queries: Queries | None = None
    galleries: dict[str, str] = Field(default_factory=dict)
    timing: Timing = Timing()
    examples: tuple[Example, ...] = Field(default=(), exclude=True)

    @property
    def class_names(self) -> tuple[Text, ...]:
        """The classes, as their numbers in ``queries`` count them."""
        return self.dataset.classes

    @property
    def by_place(self) -> Mapping[str, Any]:
        """Figures by the name of their place, of those that were measured; each has ``per_query``."""
        raise NotImplementedError

    def _headlines(self) -> dict[str, float | None]:
        """Return mAP by the place of its figures."""
        raise NotImplementedError

    def _facts(self) -> dict[str, str]:
        found = [
            f"{place.replace('_', ' ')} {'none' if mean is None else f'{100 * mean:.2f} %'}"
            for place, mean in self._headlines().items()
        ]
        return {
            "protocol": self.protocol,
            "data set": self.dataset.name,
            "images": counted(self.dataset.items, "image", "images"),
            "features": f"{self.features.backbone}:{self.features.layer}",
            "mAP": f"mAP {', '.join(found)}",
        }

    @property
    def result(self) -> NoReturn:
        """Say the way to a value: there was a dict here once."""
        first = next(iter(self.by_place))
        raise AttributeError(
            f"{type(self).__name__} is the result itself: write .{first}.map, not .result[{first!r}]['map']"
        )

    @property
    def average_precision(self) -> NoReturn:
        """Say the way to a value."""
        first = next(iter(self.by_place))
        raise AttributeError(
            f"{type(self).__name__}: expected .{first}.average_precision, got .average_precision[{first!r}]"
        )
