"""Re-ranking, read from text."""

from __future__ import annotations

from itertools import pairwise

from rsir_fast.retrieval.diffusion import Diffusion
from rsir_fast.retrieval.expansion import Expansion

__all__ = ["parse_rerank"]


def parse_rerank(text: str) -> tuple[Expansion | Diffusion, ...]:
    """Read re-ranking from text: names, parted by commas, with their settings behind colons.

    ``expand:K[:ALPHA]`` (query expansion), ``augment:K[:ALPHA]`` (queries and database), and
    ``diffuse:K[:ALPHA[:GAMMA]]``, which has to be the last and takes the place of distances.

    Raises
    ------
    ValueError
        For a name or setting that is not known, or an order that makes no sense.

    Examples
    --------
    >>> [str(stage) for stage in parse_rerank("augment:10, diffuse:50")]
    ['augment:10', 'diffuse:50:0.9:3']
    """
    stages = tuple(_stage(part.strip()) for part in text.split(",")) if text.strip() else ()
    for stage, following in pairwise(stages):
        if isinstance(stage, Diffusion):
            raise ValueError(f"rerank: expected {stage} as the last, as it gives no vectors, got {following} behind it")
        if not stage.database:
            raise ValueError(
                f"rerank: expected {stage} as the last, as it moves queries away from their items, "
                f"got {following} behind it; augment moves both"
            )
    return stages


def _stage(text: str) -> Expansion | Diffusion:
    name, *settings = text.split(":")
    most = {"expand": 2, "augment": 2, "diffuse": 3}.get(name, 0)
    if not 1 <= len(settings) <= most:
        raise ValueError(
            f"rerank: expected expand:K[:ALPHA], augment:K[:ALPHA] or diffuse:K[:ALPHA[:GAMMA]], got {text!r}"
        )
    try:
        k, more = int(settings[0]), [float(value) for value in settings[1:]]
    except ValueError:
        raise ValueError(f"rerank: expected numbers behind the colons, got {text!r}") from None
    if name == "diffuse":
        return Diffusion(k, *more)
    return Expansion(k, more[0] if more else 0.0, database=name == "augment")
