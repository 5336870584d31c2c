"""Turn by turn: ours, a peer, ours, the next peer ... so that a machine that drifts, drifts for both."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from engines import Engine

OURS = "rsir_fast"


@dataclass(frozen=True)
class Effort:
    """How long to measure.

    ``turn``: seconds of calls in a turn (at least one call). ``seconds``: a peer gets no further turn when it has
    used so many, but always ``least`` turns, and ``most`` at most. ``pause``: seconds between turns, for the threads of
    the library before to stop spinning.
    """

    turn: float = 0.1
    seconds: float = 6.0
    least: int = 3
    most: int = 15
    pause: float = 0.03


SMOKE = Effort(turn=0.0, seconds=0.0, least=1, most=1, pause=0.0)


def quantile(values: list[float], share: float) -> float:
    """Return the quantile by linear interpolation."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


@dataclass
class Pairing:
    """The median times of the turns of ours and of one peer, in seconds; entry i of both was measured at once.

    The best call of all turns is kept too: what a call takes when nothing disturbs it.
    """

    peer: str
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    ours_best: float = math.inf
    theirs_best: float = math.inf

    def add(self, ours: list[float], theirs: list[float]) -> None:
        self.ours.append(median(ours))
        self.theirs.append(median(theirs))
        self.ours_best = min(self.ours_best, *ours)
        self.theirs_best = min(self.theirs_best, *theirs)

    def summary(self) -> dict[str, Any]:
        ratios = [them / us for us, them in zip(self.ours, self.theirs, strict=True)]
        return {
            **asdict(self),
            "ours_ms": 1e3 * median(self.ours),
            "peer_ms": 1e3 * median(self.theirs),
            "ratio": median(self.theirs) / median(self.ours),
            "ratio_of_best": self.theirs_best / self.ours_best,
            "ratio_quartiles": [quantile(ratios, 0.25), quantile(ratios, 0.75)],
            "ratio_range": [min(ratios), max(ratios)],
        }


def measure(engines: Mapping[str, Engine], q: int, k: int, effort: Effort) -> list[dict[str, Any]]:
    """Time ours against every other engine, whose databases are loaded; return the summaries."""
    pairings = [Pairing(name) for name in engines if name != OURS]

    def turn(name: str) -> list[float]:
        time.sleep(effort.pause)
        times: list[float] = engines[name].ask("turn", q, k, effort.turn, 1000)
        return times

    for number in range(effort.most):
        for pairing in pairings:
            if number < effort.least or sum(pairing.theirs) < effort.seconds:
                pairing.add(turn(OURS), turn(pairing.peer))
    return [pairing.summary() for pairing in pairings]
