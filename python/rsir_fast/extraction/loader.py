"""Decoded, resized images in batches, made by worker processes while the network computes."""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from rsir_fast.backbones import Preprocessing
from rsir_fast.datasets import Dataset
from rsir_fast.errors import ImageError, RsirError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Batch", "batches", "default_workers"]

MAX_WORKERS = 8


@dataclass
class Batch:
    """Some consecutive images.

    Attributes
    ----------
    images
        Uint8 [m, 3, H, W], the readable ones in order.
    count
        Images asked for, readable or not.
    skipped
        Number and reason of each unreadable one.
    """

    images: torch.Tensor
    count: int
    skipped: list[tuple[int, str]]

    def pin_memory(self) -> Batch:
        """Let the copy to a GPU run beside the computation."""
        self.images = self.images.pin_memory()
        return self


class _Prepared(torch.utils.data.Dataset[Any]):
    """Image number -> (number, resized image or the reason why there is none)."""

    def __init__(self, dataset: Dataset, preprocessing: Preprocessing) -> None:
        self.dataset = dataset
        self.preprocessing = preprocessing

    def __getitem__(self, number: int) -> tuple[int, NDArray[np.uint8] | str]:
        try:
            return number, self.preprocessing.prepare(self.dataset.load_image(number))
        except ImageError as error:
            return number, str(error)


class _Collate:
    def __init__(self, size: int) -> None:
        self.shape = (0, 3, size, size)

    def __call__(self, samples: Sequence[tuple[int, NDArray[np.uint8] | str]]) -> Batch:
        images = [image for _, image in samples if not isinstance(image, str)]
        return Batch(
            images=torch.from_numpy(np.stack(images)) if images else torch.empty(self.shape, dtype=torch.uint8),
            count=len(samples),
            skipped=[(number, reason) for number, reason in samples if isinstance(reason, str)],
        )


def default_workers() -> int:
    """Worker processes: one a core, at most eight."""
    return min(MAX_WORKERS, len(os.sched_getaffinity(0)))


def batches(
    dataset: Dataset,
    preprocessing: Preprocessing,
    numbers: Sequence[int],
    batch_size: int,
    workers: int,
    *,
    pin_memory: bool = False,
) -> Generator[Batch, None, None]:
    """Load images in order.

    Parameters
    ----------
    dataset, preprocessing
        What to load and how to resize it.
    numbers
        Image numbers, in the order wanted.
    batch_size
        Images a batch; the last may be smaller.
    workers
        Processes; 0 loads in this one.
    pin_memory
        For a GPU.

    Yields
    ------
    Batch

    Raises
    ------
    RsirError
        If a worker process dies (out of memory, say).
    """
    try:
        with warnings.catch_warnings():
            # More workers than cores is the caller's decision: with images on a network drive it pays.
            warnings.filterwarnings("ignore", message="This DataLoader will create")
            loading = iter(
                DataLoader(
                    _Prepared(dataset, preprocessing),
                    batch_size=batch_size,
                    sampler=numbers,
                    num_workers=min(workers, -(-len(numbers) // batch_size)),
                    collate_fn=_Collate(preprocessing.input_size),
                    worker_init_fn=_leave_ctrl_c_to_the_parent,
                    pin_memory=pin_memory,
                )
            )
        yield from loading
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise RsirError(f"a loader process died ({error}); use fewer workers or a smaller batch") from error


def _leave_ctrl_c_to_the_parent(_: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
