"""Several processes that train one network, as torchrun starts them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import torch
from torch import distributed

from rsir_fast.extraction.devices import usable_device

__all__ = ["from_first", "gathered", "joined_processes", "own_rank"]

T = TypeVar("T")


def own_rank() -> tuple[int, int]:
    """Return the number of this process and how many there are: (0, 1) where nothing was set up."""
    spread = distributed.is_available() and distributed.is_initialized()
    return (distributed.get_rank(), distributed.get_world_size()) if spread else (0, 1)


def gathered(mine: T) -> list[T]:
    """Return what each process holds, in their order; all must call it."""
    _, processes = own_rank()
    if processes == 1:
        return [mine]
    everything: list[T | None] = [None] * processes
    distributed.all_gather_object(everything, mine)
    return [found for found in everything if found is not None]


@contextmanager
def joined_processes(device: str | torch.device | None = None) -> Iterator[tuple[torch.device, bool]]:
    """Join the processes that torchrun started, if it did.

    Parameters
    ----------
    device : optional
        As in `rsir_fast.encode`; ``"cuda"``, or none where there is CUDA, becomes the process's own device.

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
    # Gloo in any case, for what lies in host memory: features, checkpoints, counts. An extraction may take hours.
    backend = "cpu:gloo,cuda:nccl" if target.type == "cuda" else "gloo"
    distributed.init_process_group(backend, timeout=timedelta(days=2))
    try:
        yield target, distributed.get_rank() == 0
    finally:
        distributed.destroy_process_group()


def from_first(make: Callable[[], T]) -> T:
    """Let the first of several processes make something, and give it to all; alone, make it.

    Parameters
    ----------
    make : callable
        What it returns is pickled: tensors in host memory.
    """
    rank, processes = own_rank()
    if processes == 1:
        return make()
    made = [make() if rank == 0 else None]
    distributed.broadcast_object_list(made, device=torch.device("cpu"))
    return made[0]  # type: ignore[return-value]
