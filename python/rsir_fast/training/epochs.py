"""The epochs of a training: checkpoints, logs, and going on where it was interrupted."""

from __future__ import annotations

import importlib.util
import json
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import torch

from rsir_fast.base.durable import replacing, sweep, write_durably
from rsir_fast.base.looking import is_file, refuse_no_folder
from rsir_fast.base.machine import written
from rsir_fast.base.progress import OnProgress
from rsir_fast.base.reading import parse_json, reading
from rsir_fast.encoders.differences import differences
from rsir_fast.encoders.spec import parse_spec
from rsir_fast.errors import MachineError, RsirWarning, TrainingError
from rsir_fast.training.changes import changes

__all__ = ["CHECKPOINT", "LOG", "EpochTrainer", "check_place", "has_checkpoint", "read_checkpoint", "run_epochs"]

CHECKPOINT, PREVIOUS, LOG, EVENTS = "checkpoint.pt", "checkpoint.previous.pt", "log.jsonl", "tensorboard"

_ANEW = "delete it to begin anew"


class EpochTrainer(Protocol):
    """What is trained epoch by epoch, and can be taken up after any of them."""

    epoch: int
    """Epochs that are done."""

    device: torch.device
    rank: int
    """Number of this process; the first, 0, writes."""

    @property
    def epochs(self) -> int:
        """Epochs in all."""

    def train_epoch(self, progress: OnProgress | None = None) -> dict[str, float]:
        """Train for one epoch; return the numbers to log."""

    def state(self) -> dict[str, Any]:
        """Return everything that the next epoch depends on, in types that ``torch.load(weights_only=True)`` reads."""

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""


def has_checkpoint(out: Path | None) -> bool:
    """Tell whether a folder holds a training that can be gone on with."""
    return out is not None and any(is_file(out / name) for name in (CHECKPOINT, PREVIOUS))


def check_place(out: Path | None, *, resume: bool) -> None:
    """Check, changing nothing, that a folder may be written to.

    Raises
    ------
    TrainingError
        If it can be no folder, or holds a training that is not to be gone on with.
    """
    if out is None:
        return
    refuse_no_folder(out, "the training", TrainingError)
    if not resume and has_checkpoint(out):
        raise TrainingError(
            f"{out}: expected a new folder, found a training; go on with it (resume=True), or choose another folder"
        )


def read_checkpoint(out: Path | None, settings: dict[str, Any]) -> dict[str, Any] | None:
    """Return what a training with these settings left in a folder; None if there is nothing.

    Where the last checkpoint is damaged, that of the epoch before serves, with a warning: the end is the same.

    Raises
    ------
    TrainingError
        If it cannot be read, or is of a training with other settings.
    """
    if out is None or not has_checkpoint(out):
        return None
    paths = [path for path in (out / CHECKPOINT, out / PREVIOUS) if is_file(path)]
    try:
        return _read(paths[0], settings)
    except _Damaged as damage:
        if len(paths) == 1:
            raise
        try:
            state = _read(paths[1], settings)
        except _Damaged:
            raise damage from None
        warnings.warn(f"{paths[0]} is damaged; going on from the epoch before ({PREVIOUS})", RsirWarning, stacklevel=2)
        return state


class _Damaged(TrainingError):
    """What is in a checkpoint cannot be read."""


def _read(path: Path, settings: dict[str, Any]) -> dict[str, Any]:
    now = json.loads(json.dumps(settings))
    with reading(path, "a checkpoint", _ANEW, _Damaged):
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()  # torch itself compares no checksum
        if damaged is not None:
            raise ValueError(f"wrong checksum of {damaged}")
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
        before = parse_json(state["settings"])
        if not isinstance(before, dict) or not all(isinstance(parse_json(line), dict) for line in state["log"]):
            raise ValueError("no settings, or no log")
        encoders = [parse_spec(made.pop("encoder")) for made in (before, now) if made.get("encoder")]
    found = changes(before, now)
    if len(encoders) == 2:
        found |= differences(encoders[0], encoders[1])
    elif encoders:  # the other training has none
        found |= {"encoder": ""}
    if found:
        told = [f"{words} ({detail})" if detail else words for words, detail in found.items()]
        raise TrainingError(
            f"{path}: expected a checkpoint of this training, found one with another {', '.join(told)}; "
            "give the same settings and images, or choose another folder"
        )
    kept: dict[str, Any] = state
    return kept


def run_epochs(
    trainer: EpochTrainer,
    out: Path | None,
    settings: dict[str, Any],
    state: dict[str, Any] | None,
    progress: OnProgress | None,
) -> list[dict[str, Any]]:
    """Train the epochs that are left; after each, write a checkpoint, the log, and events for TensorBoard.

    Parameters
    ----------
    trainer : EpochTrainer
    out : Path, optional
        Where to write.
    settings : dict
        JSON-able; a checkpoint is gone on with only by the same.
    state : dict, optional
        From `read_checkpoint`, to go on from.
    progress : callable, optional

    Returns
    -------
    list of dict
        The log of all epochs.

    Raises
    ------
    TrainingError
        If loss or weights are not finite or `progress` returned False; the last checkpoint is named.
    """
    described = json.dumps(settings)
    lines: list[str] = []
    if state is not None and out is not None:
        with reading(out / CHECKPOINT, "a checkpoint of this network", _ANEW, TrainingError):
            trainer.load_state(state)
            lines = list(state["log"])
    writes = out is not None and trainer.rank == 0
    if out is not None and writes:
        sweep(out)
        _write_log(out, lines)
    events = _Events(out if writes else None, trainer.epoch)
    while trainer.epoch < trainer.epochs:
        try:
            log = trainer.train_epoch(progress)
        except TrainingError as error:
            left = f"; {out / CHECKPOINT} holds epoch {trainer.epoch}" if out is not None and trainer.epoch else ""
            raise TrainingError(f"{error}{left}") from None
        lines.append(json.dumps({"epoch": trainer.epoch, **log}))
        if out is not None and writes:
            # Straight into the file: weights and momentum of a VGG are 1.1 GB.
            with replacing(out / CHECKPOINT, keep=out / PREVIOUS) as file:
                save({"settings": described, "log": lines, **trainer.state()}, file)
            _write_log(out, lines)
            events.add(trainer.epoch, log)
    return [json.loads(line) for line in lines]


def _write_log(out: Path, lines: list[str]) -> None:
    """Write the log, unless it is there: a run killed after its last checkpoint left it one epoch short."""
    content = "".join(f"{line}\n" for line in lines).encode()
    path = out / LOG
    if lines and not (is_file(path) and path.read_bytes() == content):
        write_durably(path, content)


def save(content: dict[str, Any], file: BinaryIO) -> None:
    """Write by `torch.save`, whose errors are those of the file.

    Raises
    ------
    KeyboardInterrupt, MachineError
        Where torch would say that the file ends too early, since it was interrupted while it wrote, or could not.
    """
    try:
        torch.save(content, file)
    except RuntimeError as error:
        if isinstance(error.__context__, KeyboardInterrupt | MachineError):
            raise error.__context__ from None
        raise


class _Events:
    """Scalars for TensorBoard, where it is installed; those of epochs after `epoch` are void."""

    def __init__(self, out: Path | None, epoch: int) -> None:
        self.writer: Any = None
        if out is not None and importlib.util.find_spec("tensorboard") is not None:
            from torch.utils.tensorboard import SummaryWriter

            self.place = out / EVENTS
            with written(self.place):
                self.writer = SummaryWriter(str(self.place), purge_step=epoch + 1)

    def add(self, epoch: int, values: Mapping[str, float]) -> None:
        if self.writer is not None:
            with written(self.place):
                for name, value in values.items():
                    self.writer.add_scalar(name, value, epoch)
                self.writer.flush()
