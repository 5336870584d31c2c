"""The runs of a large table: each kept in a file of its own, so that a table is gone on with and no run done twice."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
from pydantic import ValidationError

from rsir_fast.archive import Features
from rsir_fast.base.durable import sweep, write_durably
from rsir_fast.base.peak_memory import PeakMemory
from rsir_fast.base.progress import OnProgress, Progress, is_stopped
from rsir_fast.base.reading import read_json, reading
from rsir_fast.base.result_json import result_json
from rsir_fast.errors import DatasetError, RsirError
from rsir_fast.protocols.result import Part

__all__ = ["LATER", "KeptRuns", "Run", "RunCost", "check_run", "digest", "slug"]

RESULT, TIMING, MEMORY = "result.json", "timing.json", "memory.json"
LATER = {"later": True}
"""Metadata of a field that runs did not have once: kept ones are taken as they are where it has its default."""


class Run(Protocol):
    """One of many: a data class of its own settings, which names itself for readers."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def folder(self) -> str:
        """Name of its folder."""


R = TypeVar("R", bound=Run)
P = TypeVar("P", bound=Part)


def slug(text: str) -> str:
    """Reduce a name to what any file system takes.

    Examples
    --------
    >>> slug("DHCNN (matlab weighting, beta 25)")
    'dhcnn-matlab-weighting-beta-25'
    """
    return "-".join("".join(char if char.isalnum() else " " for char in text.lower()).split())


def digest(features: Features) -> str:
    """Recognise images and network again."""
    found = hashlib.sha256()
    for block in features.vectors.blocks:
        found.update(np.ascontiguousarray(block).data)
    found.update(json.dumps([tuple(features.items), features.classes]).encode("ascii"))
    return found.hexdigest()


def check_run(progress: OnProgress | None, done: int, total: int, what: str) -> None:
    """Say which run begins.

    Raises
    ------
    RsirError
        If `progress` returned False.
    """
    if is_stopped(progress, Progress("run", done, total, what=what)):
        raise RsirError(f"stopped after {done} of {total} runs, before {what}; call again to go on")


def _told(run: Run) -> dict[str, Any]:
    """Return the settings of a run: what came to them later is left out where it is as it was before."""
    as_before = {
        entry.name for entry in fields(run) if entry.metadata == LATER and getattr(run, entry.name) == entry.default
    }
    return {name: value for name, value in asdict(run).items() if name not in as_before}


class RunCost(NamedTuple):
    """What a run took: seconds, and the most resident memory of the process, None where it is not known."""

    seconds: float | None
    peak_bytes: int | None


class KeptRuns(Generic[R, P]):
    """Does run after run, or takes what a former call with the same settings left.

    Parameters
    ----------
    result : type
        Of a run's result.
    folder : path
        Each run's result goes into FOLDER/KIND/RUN/result.json, its seconds into FOLDER/timing.json and its most
        memory into FOLDER/memory.json: apart, since they differ from call to call.
    settings : mapping
        JSON-able: what all results depend on.
    total : int
        Runs in all, for `progress`.
    progress : callable, optional
        Called with a `rsir_fast.Progress` of the stage ``"run"`` before each run; returning False stops.

    Attributes
    ----------
    results
        By `Run`, in the order of the calls.
    """

    def __init__(
        self,
        result: type[P],
        folder: Path,
        settings: Mapping[str, Any],
        total: int = 0,
        progress: OnProgress | None = None,
    ) -> None:
        self.result, self.folder, self.settings = result, folder, settings
        self.total, self.progress = total, progress
        self.results: dict[R, P] = {}
        self._keys: dict[R, str] = {}
        sweep(folder)

    def do(self, run: R, kind: str, compute: Callable[[Path], P], **settings: Any) -> P:
        """Do one run and return its result: `compute` is given its folder; `settings` are those of its own."""
        check_run(self.progress, len(self.results), self.total, str(run))
        place = self.folder / kind / run.folder
        sweep(place)
        described = json.loads(json.dumps({**self.settings, **settings, **_told(run)}))
        result = self._kept(_read(place / RESULT), described)
        if result is None:
            start, memory = time.perf_counter(), PeakMemory()
            content = {"settings": described, "result": compute(place).content()}
            text = result_json(content)
            peaks = {**_read(self.folder / MEMORY), f"{kind}/{run.folder}": memory.peak()}
            write_durably(self.folder / MEMORY, result_json(peaks).encode())
            seconds = {**_read(self.folder / TIMING), f"{kind}/{run.folder}": time.perf_counter() - start}
            write_durably(self.folder / TIMING, result_json(seconds).encode())
            write_durably(place / RESULT, text.encode())
            # As another call will read it: the same result whether it was interrupted or not.
            result = self.result.model_validate(json.loads(text)["result"])
        self.results[run], self._keys[run] = result, f"{kind}/{run.folder}"
        return result

    def costs(self) -> dict[R, RunCost]:
        """Return what each run took when it was made."""
        seconds, peaks = _read(self.folder / TIMING), _read(self.folder / MEMORY)
        return {run: RunCost(_number(seconds.get(key)), _whole(peaks.get(key))) for run, key in self._keys.items()}

    def _kept(self, content: dict[str, Any], settings: dict[str, Any]) -> P | None:
        """Return the result in what a former call left; None if it is of other settings, older or damaged."""
        if content.get("settings") != settings:
            return None
        try:
            return self.result.model_validate(content.get("result"))
        except ValidationError:
            return None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _read(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file; an empty one if there is none, or it is damaged: then it is made again."""
    try:
        with reading(path, "what a run left", "delete it", DatasetError):
            content = read_json(path)
    except DatasetError:
        return {}
    return content if isinstance(content, dict) else {}
