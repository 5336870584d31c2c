"""Several features of the same images, side by side: layers, input sizes, networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rsir_fast.errors import FeaturesError

if TYPE_CHECKING:
    from rsir_fast.archive import Features

__all__ = ["concatenated"]


def concatenated(parts: Sequence[Features]) -> Features:
    """Put several features of the same images side by side, the vectors of each scaled to length 1 first.

    So every part weighs alike, however many values it has and however large they are: the squared distance is the sum
    of 2 (1 - cosine) over the parts.

    Parameters
    ----------
    parts : sequence of Features
        Of the same items in the same order. One alone is returned as it is.

    Returns
    -------
    Features
        Its provenance has that of each part under ``parts``.

    Raises
    ------
    FeaturesError
        If the items or classes differ.

    Examples
    --------
    >>> from rsir_fast.archive import Features
    >>> one, two = np.array([[3, 4]], np.float32), np.array([[2]], np.float32)
    >>> a = Features(one, ("x.png",), None, (), "demo", provenance={"layer": "a"})
    >>> b = Features(two, ("x.png",), None, (), "demo", provenance={"layer": "b"})
    >>> both = concatenated([a, b])
    >>> both.matrix.round(2).tolist(), both.provenance["layer"]
    ([[0.6000000238418579, 0.800000011920929, 1.0]], 'a + b')
    """
    first, *others = [part.field() for part in parts]
    if not others:
        return first
    for other in others:
        same_labels = (first.labels is None) == (other.labels is None) and (
            first.labels is None or other.labels is None or np.array_equal(first.labels, other.labels)
        )
        if other.items != first.items or other.classes != first.classes or not same_labels:
            raise FeaturesError(
                f"expected features of the same images to put side by side, but those of {first.name} "
                f"({len(first)} items) and {other.name} ({len(other)} items) differ; extract both from one folder"
            )
    return type(first)(
        np.concatenate([_unit(part.matrix) for part in (first, *others)], axis=1),
        first.items,
        first.labels,
        first.classes,
        first.name,
        root=first.root,
        provenance=_provenance(parts),
        skipped=tuple({entry.item: entry for part in parts for entry in part.skipped}.values()),
        notes=first.notes,
    )


def _unit(matrix: Any) -> Any:
    x = matrix.astype(np.float64)
    length = np.sqrt((x * x).sum(axis=1, keepdims=True))
    return (x / np.where(length == 0, 1.0, length)).astype(np.float32)


def _provenance(parts: Sequence[Features]) -> dict[str, Any]:
    def joined(key: str) -> str:
        found = [str(part.provenance.get(key, "unknown")) for part in parts]
        return found[0] if key != "layer" and len(set(found)) == 1 else " + ".join(found)

    described = all("description" in part.provenance for part in parts)
    return {
        "name": joined("name"),
        **({"description": joined("description")} if described else {}),
        "layer": joined("layer"),
        "dim": sum(part.dim for part in parts),
        "parts": {str(number): dict(part.provenance) for number, part in enumerate(parts, start=1)},
    }
