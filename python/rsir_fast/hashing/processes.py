"""Several processes that train one network, as torchrun starts them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import distributed

from rsir_fast.extraction.devices import usable_device

__all__ = ["joined_processes"]


@contextmanager
def joined_processes(device: str | torch.device | None = None) -> Iterator[tuple[torch.device, bool]]:
    """Join the processes that torchrun started, if it did.

    Parameters
    ----------
    device : optional
        As in `rsir_fast.extract`; ``"cuda"``, or none where there is CUDA, becomes the process's own device.

    Yields
    ------
    (torch.device, bool)
        Where to work, and whether this process is the first, which alone writes and prints.
    """
    target = usable_device(device)
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or distributed.is_initialized():
        yield target, not distributed.is_initialized() or distributed.get_rank() == 0
        return
    if str(target) == "cuda":
        target = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(target)
    distributed.init_process_group("nccl" if target.type == "cuda" else "gloo")
    try:
        yield target, distributed.get_rank() == 0
    finally:
        distributed.destroy_process_group()
