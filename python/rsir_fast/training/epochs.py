"""The epochs of a training: checkpoints, logs, and going on where it was interrupted."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch

from rsir_fast.datasets.files import replacing, write_atomically
from rsir_fast.errors import TrainingError
from rsir_fast.training.progress import TrainingProgress

__all__ = ["CHECKPOINT", "LOG", "EpochTrainer", "run_epochs"]

CHECKPOINT, LOG, EVENTS = "checkpoint.pt", "log.jsonl", "tensorboard"


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

    def train_epoch(self, progress: Callable[[TrainingProgress], bool | None] | None = None) -> dict[str, float]:
        """Train for one epoch; return the numbers to log."""

    def state(self) -> dict[str, Any]:
        """Return everything that the next epoch depends on, in types that ``torch.load(weights_only=True)`` reads."""

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""


def run_epochs(
    trainer: EpochTrainer,
    out: Path | None,
    settings: dict[str, Any],
    resume: bool,
    progress: Callable[[TrainingProgress], bool | None] | None,
) -> list[dict[str, Any]]:
    """Train the epochs that are left; after each, a checkpoint, a line in the log and events for TensorBoard.

    Returns
    -------
    list of dict
        The log of all epochs.

    Raises
    ------
    TrainingError
        If the loss is not finite or `progress` returned False (the last checkpoint is named), or if `out` holds another
        training, or one that is not to be gone on with.
    """
    described = json.dumps(settings, sort_keys=True)
    lines: list[str] = []
    if out is not None and resume and (out / CHECKPOINT).is_file():
        lines = _take_up(trainer, out / CHECKPOINT, described)
    elif out is not None and not resume and (out / CHECKPOINT).exists():
        raise TrainingError(f"{out}: expected a new folder, found a training; resume it, or choose another folder")
    events = _Events(out if trainer.rank == 0 else None, trainer.epoch)
    while trainer.epoch < trainer.epochs:
        try:
            log = trainer.train_epoch(progress)
        except TrainingError as error:
            left = f"; {out / CHECKPOINT} holds epoch {trainer.epoch}" if out is not None and trainer.epoch else ""
            raise TrainingError(f"{error}{left}") from None
        lines.append(json.dumps({"epoch": trainer.epoch, **log}))
        if out is not None and trainer.rank == 0:
            # Straight into the file: weights and momentum of a VGG are 1.1 GB.
            with replacing(out / CHECKPOINT) as file:
                torch.save({"settings": described, "log": lines, **trainer.state()}, file)
            write_atomically(out / LOG, ("\n".join(lines) + "\n").encode())
            events.add(trainer.epoch, log)
    return [json.loads(line) for line in lines]


def _take_up(trainer: EpochTrainer, path: Path, described: str) -> list[str]:
    try:
        state = torch.load(path, map_location=trainer.device, weights_only=True)
        found = state["settings"]
    except Exception as error:
        raise TrainingError(
            f"{path}: expected a checkpoint, cannot read it ({error}); delete it to begin anew"
        ) from None
    if found != described:
        before, now = json.loads(found), json.loads(described)
        names = [name for name in now if before.get(name) != now[name]]
        raise TrainingError(
            f"{path}: expected a checkpoint of this training, found one with another {', '.join(names)}; "
            "give the same settings, or choose another folder"
        )
    trainer.load_state(state)
    lines: list[str] = state["log"]
    return lines


class _Events:
    """Scalars for TensorBoard, where it is installed; those of epochs after `epoch` are void."""

    def __init__(self, out: Path | None, epoch: int) -> None:
        self.writer: Any = None
        if out is not None and importlib.util.find_spec("tensorboard") is not None:
            from torch.utils.tensorboard import SummaryWriter

            self.writer = SummaryWriter(str(out / EVENTS), purge_step=epoch + 1)

    def add(self, epoch: int, values: Mapping[str, float]) -> None:
        if self.writer is not None:
            for name, value in values.items():
                self.writer.add_scalar(name, value, epoch)
            self.writer.flush()
