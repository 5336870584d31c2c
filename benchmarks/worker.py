"""A process that holds one library and one database, and times calls inside itself.

Every library has its own process, so that no thread pool or OpenMP runtime stands in another one's way, and environment
variables that must be set before a library loads can differ. Requests and replies are pickles on stdin and stdout.
"""

from __future__ import annotations

import os
import pickle
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

import memory  # the path above
from peers import PEERS

QUICK = 0.1
"""Calls shorter than this, in seconds, are called once untimed in every turn: caches are warm then, as in a loop."""


class Holder:
    """Database, queries and the last answer."""

    def load(self, op: str, peer: str, database: str, queries: str | None) -> float:
        """Read the inputs into own memory and prepare; return the seconds of the preparation."""
        self.answer: Any = None
        self.call: Any = None
        self.queries: Any = None  # what was there before is freed first
        items = np.load(database)
        self.queries = items if queries == database else None if queries is None else np.load(queries)
        start = time.perf_counter()
        self.call = PEERS[op][peer](items)
        seconds = time.perf_counter() - start
        del items
        self.prepared_mib = memory.reset()
        return seconds

    def drop(self) -> None:
        self.answer = self.call = self.queries = None

    def turn(self, q: int, k: int, budget: float, most: int) -> list[float]:
        """Time calls with the first q queries until `budget` seconds are spent, at least one; at most `most`."""
        rows = self.queries[:q] if q else None
        times: list[float] = []
        warm = False
        spent = 0.0
        while not times or (spent < budget and len(times) < most):
            start = time.perf_counter()
            self.answer = self.call(rows, k)
            seconds = time.perf_counter() - start
            if not warm and seconds < QUICK:
                warm = True
                continue
            warm = True
            times.append(seconds)
            spent += seconds
        return times

    def once(self, q: int, k: int) -> None:
        """Make the first q queries' answer."""
        self.answer = self.call(self.queries[:q] if q else None, k)

    def search(self, first: int, last: int, k: int) -> tuple[Any, Any]:
        """Return the answers of these queries."""
        distances, ids = self.call(self.queries[first:last], k)
        return np.asarray(distances), np.asarray(ids)

    def rows(self, which: Any) -> tuple[Any, Any]:
        """Return these rows of the last answer."""
        return tuple(None if part is None else np.asarray(part)[which] for part in self.answer)  # type: ignore[return-value]

    def memory(self) -> dict[str, float]:
        """Return MiB of the process, library and all, with the prepared database, and what the calls took beyond."""
        return {"prepared_mib": self.prepared_mib, "calls_mib": memory.mib("VmHWM") - self.prepared_mib}


def serve(holder: Any) -> None:
    """Call its methods as they are asked for, until nobody asks any more."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get between the replies
    requests = sys.stdin.buffer
    while True:
        try:
            name, arguments = pickle.load(requests)
        except EOFError:
            return
        try:
            reply = (True, getattr(holder, name)(*arguments))
        except Exception:
            reply = (False, traceback.format_exc())
        pickle.dump(reply, replies, protocol=5)
        replies.flush()


if __name__ == "__main__":
    serve(Holder())
