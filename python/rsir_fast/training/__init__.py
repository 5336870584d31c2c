"""What every training shares: epochs with checkpoints and logs, processes."""

from __future__ import annotations

from rsir_fast.base.renamed import former_names
from rsir_fast.training.epochs import CHECKPOINT, LOG, check_place, has_checkpoint, read_checkpoint, run_epochs
from rsir_fast.training.precision import Precision
from rsir_fast.training.processes import from_first, gathered, joined_processes, own_rank

__all__ = [
    "CHECKPOINT",
    "LOG",
    "Precision",
    "check_place",
    "from_first",
    "gathered",
    "has_checkpoint",
    "joined_processes",
    "own_rank",
    "read_checkpoint",
    "run_epochs",
]

__getattr__ = former_names(__name__, {"TrainingProgress": "rsir_fast.Progress"})
