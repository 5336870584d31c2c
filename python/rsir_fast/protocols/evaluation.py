"""What an evaluation gives, and the parts of it that every protocol states alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive import Features
from rsir_fast.base.cores import choose_threads
from rsir_fast.base.shared import within
from rsir_fast.base.shown import Shown, counted

__all__ = ["Evaluation", "describe_dataset", "describe_features", "describe_queries", "describe_timing"]


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation(Shown):
    """What an evaluation gives.

    Attributes
    ----------
    result
        JSON-able: ``protocol``, ``dataset``, ``features``, the protocol's figures and settings, and ``timing``. Apart
        from ``timing`` it depends on the features and settings only, to the last bit.
    examples
        Rankings to show: ``query`` and ``results`` with item, class, distance and whether it is relevant.
    average_precision
        AP of every query, float64 [queries] in the order of ``result["queries"]``, NaN where nothing is relevant, by
        the place of its mean in ``result``, where it is ``per_query``. For `rsir_fast.metrics.compare_paired`.
    """

    result: dict[str, Any]
    examples: list[dict[str, Any]]
    average_precision: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    def _facts(self) -> dict[str, str]:
        dataset, features = self.result["dataset"], self.result["features"]
        return {
            "protocol": self.result["protocol"],
            "data set": dataset["name"],
            "images": counted(dataset["items"], "image", "images"),
            "features": f"{features['backbone']}:{features['layer']}",
            "mAP": self._map(),
        }

    def _map(self) -> str:
        """State the headline: mAP by the place of its mean."""
        found = []
        for place in self.average_precision:
            mean = self.result[place]["map"]
            mean = mean["expected"] if isinstance(mean, dict) else mean
            found.append(f"{place.replace('_', ' ')} {'none' if mean is None else f'{100 * mean:.2f} %'}")
        return f"mAP {', '.join(found)}" if found else ""


def describe_queries(items: Sequence[str], labels: NDArray[np.int64]) -> dict[str, Any]:
    """Name the queries in the order of every ``per_query``: their items, and their classes by number."""
    return {"items": list(items), "labels": labels.tolist()}


def describe_dataset(features: Features) -> dict[str, Any]:
    """State the images that the features were made of."""
    counts = np.bincount([] if features.labels is None else features.labels, minlength=len(features.classes))
    return {
        "name": features.name,
        "items": len(features),
        "classes": list(features.classes),
        "class_counts": counts.tolist(),
        "notes": [within(note, features.root) for note in features.notes],
        "skipped": [{"item": item, "reason": within(reason, features.root)} for item, reason in features.skipped],
    }


def describe_features(features: Features) -> dict[str, Any]:
    """State the network that made the features; of a hash model all but its training."""
    known = ("name", "layer", "dim", "hash")
    numbers = [features[field.name] for field in features.fields if field.kind != "code"]
    finite = np.logical_and.reduce([np.isfinite(rows).all(axis=1) for rows in numbers])
    return {
        "backbone": features.provenance.get("name", "unknown"),
        "layer": features.provenance.get("layer", "unknown"),
        "dim": features.dim,
        "non_finite_rows": int((~finite).sum()),
        **{key: value for key, value in features.provenance.items() if key not in known},
    }


def describe_timing(features: Features, rank_s: float, threads: int | None) -> dict[str, Any]:
    """State how long extraction and ranking took."""
    made = features.timing
    return {
        "extract_s": made.get("seconds"),
        "extract_images_per_s": made.get("images_per_s"),
        "forward_images_per_s": made.get("forward_images_per_s"),
        "rank_s": rank_s,
        "total_s": rank_s + (made.get("seconds") or 0.0),
        "threads": choose_threads(threads),
    }
