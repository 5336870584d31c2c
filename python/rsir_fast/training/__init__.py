"""What every training shares: epochs with checkpoints and logs, processes, progress."""

from __future__ import annotations

from rsir_fast.training.epochs import CHECKPOINT, LOG, check_place, has_checkpoint, read_checkpoint, run_epochs
from rsir_fast.training.processes import from_first, gathered, joined_processes, own_rank
from rsir_fast.training.progress import Precision, TrainingProgress

__all__ = [
    "CHECKPOINT",
    "LOG",
    "Precision",
    "TrainingProgress",
    "check_place",
    "from_first",
    "gathered",
    "has_checkpoint",
    "joined_processes",
    "own_rank",
    "read_checkpoint",
    "run_epochs",
]
