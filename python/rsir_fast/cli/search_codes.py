"""``rsir search`` where a trained model made the features: by hash code, with semantic labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rsir_fast.cli.search_table import hit

if TYPE_CHECKING:
    from rsir_fast.archive import Features


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
