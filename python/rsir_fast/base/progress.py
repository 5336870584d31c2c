"""How far a long work is, for whoever watches it: one type and one kind of callback for all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NoReturn

__all__ = ["OnProgress", "Progress", "Stage", "is_stopped"]

Stage = Literal[
    "learn",  # a descriptor, its vocabulary; counts images
    "extract",  # features or descriptions; images
    "import",  # vectors of a file; rows
    "train head",  # comes first where a hash network has both stages; images of an epoch
    "train network",  # images of an epoch
    "rank",  # queries
    "compare",  # evaluations
    "run",  # rows and trainings of a reproduction
    "draw",  # scenes
    "download",  # bytes
]


@dataclass(frozen=True)
class Progress:
    """How far a stage of some work is.

    Attributes
    ----------
    stage
        What is done: ``"learn"`` (what a descriptor learns), ``"extract"``, ``"import"``, ``"train head"``,
        ``"train network"``, ``"rank"``, ``"compare"``, ``"run"``, ``"draw"`` or ``"download"``.
    done, total
        Images, but for ``"rank"`` queries, ``"compare"`` evaluations, ``"run"`` runs, ``"download"`` bytes; of a
        training those of the epoch. What an earlier, interrupted call has done counts.
    rate
        So many a second in this call; 0 where it is not known (yet).
    eta_s
        Seconds left at that rate, of a training until its last epoch is done; None where they are not known (yet).
    skipped
        Unreadable images so far in this call.
    what
        Name of the run that begins; else empty.
    epoch, epochs
        Of a training, counted from 1; else 0.
    terms
        Of a training: means over the epoch so far of the loss and its parts, by name.
    learning_rate
        Of a training: the highest of all layers'.

    Examples
    --------
    >>> half = Progress("extract", done=50, total=100, rate=25.0, eta_s=2.0)
    >>> f"{half.stage}: {half.done}/{half.total}, {half.eta_s:.0f} s left"
    'extract: 50/100, 2 s left'
    """

    stage: Stage
    done: int
    total: int
    rate: float = 0.0
    eta_s: float | None = None
    skipped: int = 0
    what: str = ""
    epoch: int = 0
    epochs: int = 0
    terms: Mapping[str, float] = field(default_factory=dict)
    learning_rate: float = 0.0

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            now = {"images": "done", "images_per_s": "rate", "number": "done"}.get(name)
            hint = "" if now is None else f"; it is called {now} now"
            raise AttributeError(f"Progress has no attribute {name!r}{hint}")


OnProgress = Callable[[Progress], bool | None]
"""Called with a `Progress`; returning False stops the work."""


def is_stopped(progress: OnProgress | None, at: Progress) -> bool:
    """Tell whoever watches how far the work is, and return whether it shall stop.

    Examples
    --------
    >>> is_stopped(None, Progress("draw", 1, 2)), is_stopped(lambda at: at.done < 1, Progress("draw", 1, 2))
    (False, True)
    """
    return progress is not None and progress(at) is False
