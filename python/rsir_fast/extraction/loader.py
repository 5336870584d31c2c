"""Decoded, resized images in batches, made by worker threads while the network computes."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from rsir_fast.backbones import Preprocessing
from rsir_fast.datasets import Dataset
from rsir_fast.errors import ImageError

__all__ = ["Batch", "batches", "default_workers"]

MAX_WORKERS = 32
AHEAD = 3
"""Batches under way while the network works on one."""


@dataclass(frozen=True)
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


def default_workers() -> int:
    """Worker threads: one a core this process may use, at most 32."""
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

    Threads, not processes: Pillow decodes and resizes outside the interpreter lock, so they run side by side with each
    other and with the network, without the start-up, copies and shared memory of processes.

    Parameters
    ----------
    dataset, preprocessing
        What to load and how to resize it.
    numbers
        Image numbers, in the order wanted.
    batch_size
        Images a batch; the last may be smaller.
    workers
        Threads; 0 loads in the caller's, between two batches.
    pin_memory
        Let the copy to a GPU run beside the computation.

    Yields
    ------
    Batch
    """

    def prepare(number: int) -> NDArray[np.uint8] | str:
        try:
            return preprocessing.prepare(dataset.load_image(number))
        except ImageError as error:
            return str(error)
        except MemoryError:
            return "not enough memory to decode or resize the image"

    def collate(asked: Sequence[int], loaded: Sequence[NDArray[np.uint8] | str]) -> Batch:
        images = [image for image in loaded if not isinstance(image, str)]
        size = preprocessing.input_size
        stacked = torch.empty((len(images), 3, size, size), dtype=torch.uint8, pin_memory=pin_memory)
        if images:
            np.stack(images, out=stacked.numpy())
        skipped = [(n, reason) for n, reason in zip(asked, loaded, strict=True) if isinstance(reason, str)]
        return Batch(stacked, len(asked), skipped)

    wanted = [numbers[first : first + batch_size] for first in range(0, len(numbers), batch_size)]
    if workers == 0:
        for asked in wanted:
            yield collate(asked, [prepare(number) for number in asked])
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="rsir-loader")
    try:
        under_way: deque[tuple[Sequence[int], list[Future[NDArray[np.uint8] | str]]]] = deque()
        for asked in wanted:
            under_way.append((asked, [pool.submit(prepare, number) for number in asked]))
            if len(under_way) > AHEAD:
                asked, futures = under_way.popleft()
                yield collate(asked, [future.result() for future in futures])
        for asked, futures in under_way:
            yield collate(asked, [future.result() for future in futures])
    finally:
        pool.shutdown(cancel_futures=True)
