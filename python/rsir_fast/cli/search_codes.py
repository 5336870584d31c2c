"""``rsir search`` where a trained model made the features: by hash code, with semantic labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rsir_fast.cli.search_table import hit
from rsir_fast.errors import FeaturesError, WeightFileError

if TYPE_CHECKING:
    from rsir_fast.backbones import Backbone
    from rsir_fast.extraction import Features


def same_model(database: Features, model: Path | None) -> Backbone:
    """Load the model that made the database, and refuse another."""
    from rsir_fast.backbones import averaged
    from rsir_fast.base.reading import unchanged
    from rsir_fast.hashing import HashModel

    made = database.provenance["weights"]
    if not made["sha256"]:
        raise FeaturesError(
            f"the features of {database.name} were made by a model in memory, which cannot be known again; make them "
            "by a file with `rsir features --model`"
        )
    expected = f"{made['file']} (SHA-256 {made['sha256'][:16]}...)"
    if model is None:
        raise ValueError(f"--model: expected the model that made these features, {expected}, got none; name its file")
    with unchanged(model, WeightFileError):
        backbone = HashModel.load(model).as_backbone(model)
    weights: Any = backbone.provenance["weights"]
    found = weights["sha256"]
    if found != made["sha256"]:
        raise FeaturesError(
            f"expected the model of the database, {expected}, found {model} (SHA-256 {found[:16]}...); "
            "give the right file with --model"
        )
    means = database.provenance.get("averaged")
    return averaged(backbone, turns=means is not None and means["turns"] > 1)


def rank_codes(
    database: Features, found: Features, k: int, rerank: int | None, same_label: bool, threads: int | None
) -> list[dict[str, Any]]:
    """Search and name what was found."""
    import numpy as np

    from rsir_fast.hashing import search_codes

    options: dict[str, Any] = {"rerank": rerank, "same_label": same_label, "threads": threads}
    matches = search_codes(database, found, min(k, len(database)), **options)
    classes = database.provenance["hash"]["classes"]
    euclidean = None if matches.squared is None else np.sqrt(matches.squared.astype(np.float64))

    def result(query: int, place: int) -> dict[str, Any]:
        more = {} if euclidean is None else {"euclidean": float(euclidean[query, place])}
        return {
            **hit(database, place + 1, int(matches.ids[query, place])),
            "label": classes[matches.labels[query, place]],
            "probability": float(matches.probabilities[query, place]),
            "distance": int(matches.distances[query, place]),
            **more,
        }

    return [
        {
            "query": name,
            "label": classes[matches.query_labels[query]],
            "probability": float(matches.query_probabilities[query]),
            "results": [result(query, place) for place in range(int((matches.ids[query] >= 0).sum()))],
        }
        for query, name in enumerate(found.items)
    ]
