"""Which engine goes on with features that are there already."""

from __future__ import annotations

from pathlib import Path

import torch

from rsir_fast.archive.stored import last_run
from rsir_fast.encoders.former import run_of
from rsir_fast.extraction.devices import usable_device
from rsir_fast.extraction.engines.choose import installed

__all__ = ["going_on"]


def going_on(folder: Path, device: str | torch.device | None) -> str:
    """Return the engine that last computed features in a folder; "auto" if none did, or it cannot be had here.

    Parameters
    ----------
    folder : path
    device : optional
        What was asked for; without one, engines other than torch go on where they were, on the CPU.
    """
    run = last_run(folder)
    if run is None:
        return "auto"
    engine = run_of({"extraction": run}).engine
    elsewhere = device is not None and usable_device(device).type != "cpu"
    return "auto" if not installed(engine) or (elsewhere and engine != "torch") else engine
