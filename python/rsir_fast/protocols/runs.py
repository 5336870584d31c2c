"""The runs of a large table: each kept in a file of its own, so that a table is gone on with and no run done twice."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rsir_fast.datasets.files import write_atomically
from rsir_fast.report import result_json

__all__ = ["KeptRuns", "Run", "Stage"]

RESULT, TIMING = "result.json", "timing.json"


@dataclass(frozen=True)
class Stage:
    """What is about to be done: number `number` of `total`, counted from 1."""

    number: int
    total: int
    what: str


@dataclass(frozen=True)
class Run:
    """A method at a hash length (None: no codes) with a seed."""

    method: str
    bits: int | None
    seed: int

    def __str__(self) -> str:
        return ", ".join([self.method, *([] if self.bits is None else [f"{self.bits} bits"]), f"seed {self.seed}"])

    @property
    def folder(self) -> str:
        """Name of its folder."""
        words = "".join(char if char.isalnum() else " " for char in self.method.lower()).split()
        return "-".join([f"seed{self.seed}", *([] if self.bits is None else [f"{self.bits}bits"]), *words])


class KeptRuns:
    """Does run after run, or takes what a former call with the same settings left.

    Parameters
    ----------
    folder : path
        Each run's result goes into FOLDER/KIND/RUN/result.json, its seconds into FOLDER/timing.json: apart, since they
        differ from call to call.
    settings : mapping
        JSON-able: what all results depend on.
    total : int
        Runs in all.
    progress : callable, optional
        Called with a `Stage` before each run.

    Attributes
    ----------
    results
        By `Run`, in the order of the calls.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, Any],
        total: int,
        progress: Callable[[Stage], None] | None = None,
    ) -> None:
        self.folder, self.settings, self.total, self.progress = folder, settings, total, progress
        self.results: dict[Run, dict[str, Any]] = {}

    def do(self, run: Run, kind: str, compute: Callable[[Path], dict[str, Any]], **settings: Any) -> None:
        """Do one run: `compute` is given its folder; `settings` are those of its own."""
        if self.progress is not None:
            self.progress(Stage(len(self.results) + 1, self.total, str(run)))
        place = self.folder / kind / run.folder
        described = json.loads(json.dumps({**self.settings, **settings, **asdict(run)}))
        kept = _read(place / RESULT)
        if kept.get("settings") != described:
            start = time.perf_counter()
            text = result_json({"settings": described, "result": compute(place)})
            seconds = {**_read(self.folder / TIMING), f"{kind}/{run.folder}": time.perf_counter() - start}
            write_atomically(self.folder / TIMING, result_json(seconds).encode())
            write_atomically(place / RESULT, text.encode())
            kept = json.loads(text)
        self.results[run] = kept["result"]


def _read(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file; an empty one if there is none."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
