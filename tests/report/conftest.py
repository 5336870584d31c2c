"""A small retrieval with real pictures, measured by the definitions themselves, and reported like a large one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rsir_fast.protocols import Ge2018Result

Result = dict[str, Any]
MEASURED_AT = (1, 2, 5, 10, 20)


@dataclass(frozen=True)
class Evaluation:
    """The content of a result, to be changed by tests, and the result itself."""

    content: Result
    examples: list[dict[str, Any]]
    images: list[Image.Image]

    @property
    def result(self) -> Ge2018Result:
        return Ge2018Result.model_validate({**self.content, "examples": self.examples})

    def load_image(self, item: int) -> Image.Image:
        return self.images[item]


def measure(distances: np.ndarray, labels: np.ndarray, classes: list[str], exclude: bool) -> tuple[Result, np.ndarray]:
    """mAP, ANMRR, precision and recall of every item as a query, from distances [n, n]."""
    n = len(labels)
    ap, nmrr = np.full(n, np.nan), np.full(n, np.nan)
    hits = []
    for query in range(n):
        order = np.argsort(distances[query], kind="stable")
        order = order[order != query] if exclude else order
        relevant = labels[order] == labels[query]
        ranks = np.flatnonzero(relevant) + 1
        hits.append(relevant)
        if ranks.size:
            k = 2 * ranks.size
            ap[query] = np.mean(np.arange(1, ranks.size + 1) / ranks)
            middle = (1 + ranks.size) / 2
            nmrr[query] = (np.where(ranks <= k, ranks, 1.25 * k).mean() - middle) / (1.25 * k - middle)
    scored = np.isfinite(ap)
    found = np.cumsum(np.array(hits).reshape(n, -1)[scored], axis=1)
    numbers = np.arange(1, found.shape[1] + 1) if scored.any() else np.arange(0)
    precision = (found / numbers).mean(axis=0) if scored.any() else np.empty(0)
    recall = (found / found[:, -1:]).mean(axis=0) if scored.any() else np.empty(0)
    at = [k for k in MEASURED_AT if k <= len(numbers)]

    def mean(values: np.ndarray) -> float:
        return float(values.mean()) if values.size else float("nan")

    return {
        "map": mean(ap[scored]),
        "anmrr": mean(nmrr[scored]),
        "queries": int(scored.sum()),
        "queries_without_relevant": int((~scored).sum()),
        "precision_at": {str(k): float(precision[k - 1]) for k in at},
        "recall_at": {str(k): float(recall[k - 1]) for k in at},
        "pr_curve": {"n": numbers.tolist(), "precision": precision.tolist(), "recall": recall.tolist()},
        "per_class": [
            {
                "class": name,
                "queries": int((labels == index).sum()),
                "map": mean(ap[scored & (labels == index)]),
                "anmrr": mean(nmrr[scored & (labels == index)]),
                "precision_at_20": mean(precision[:20][-1:]),
            }
            for index, name in enumerate(classes)
        ],
    }, ap


def evaluate(classes: list[str], per_class: int = 4, *, name: str = "scenes", labelled: bool = True) -> Evaluation:
    rng = np.random.default_rng(7)
    truth = np.repeat(np.arange(len(classes)), per_class)
    colours = rng.integers(0, 256, (len(classes), 3))[truth] + rng.normal(0, 45, (len(truth), 3))
    images = [Image.new("RGB", (64, 48), tuple(int(v) for v in np.clip(colour, 0, 255))) for colour in colours]
    distances = np.linalg.norm(colours[:, None] - colours, axis=2)
    labels = truth if labelled else -1 - np.arange(len(truth))
    shown = classes if labelled else []
    excluded, ap = measure(distances, labels, shown, exclude=True)
    included, _ = measure(distances, labels, shown, exclude=False)
    if not labelled:
        included = {**excluded}
    result: Result = {
        "protocol": "ge2018",
        "rsir_fast": "0.1.0",
        "dataset": {
            "name": name,
            "items": len(images),
            "classes": shown,
            "class_counts": [per_class] * len(shown),
            "skipped": [],
        },
        "features": {
            "backbone": "cnn-alex",
            "description": "CNN-Alex (8-bit conv trunk)",
            "layer": "pool5",
            "dim": 9216,
            "weights": {"file": "trunk.npz", "sha256": "ab" * 32, "source": "a folder"},
            "preprocessing": {"input_size": 227, "resize": "whole", "mean": [104.0, 117.0, 123.0]},
        },
        "settings": {
            "normalize": "row",
            "distance": "euclidean",
            "anmrr_k": "2ng",
            "query": "every image",
            "ties": "item index",
        },
        "query_excluded": excluded,
        "query_included": included,
        "timing": {"extract_s": None, "rank_s": 0.25, "total_s": 75.0, "threads": 1},
    }
    examples = [
        {
            "query": query,
            "query_class": classes[truth[query]],
            "average_precision": float(ap[query]),
            "results": [
                {
                    "item": int(item),
                    "class_name": classes[truth[item]],
                    "distance": float(distances[query, item]),
                    "relevant": bool(truth[item] == truth[query]),
                }
                for item in np.argsort(distances[query], kind="stable")[1:6]
            ],
        }
        for query in range(0, len(images), per_class)
    ]
    return Evaluation(result, examples, images)


@pytest.fixture(scope="session")
def make_evaluation() -> Callable[..., Evaluation]:
    return evaluate


@pytest.fixture
def evaluation() -> Evaluation:
    return evaluate(["beach", "forest", "river"])
