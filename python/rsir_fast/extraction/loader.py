"""Decoded, resized images in batches, made by worker threads while the network computes."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rsir_fast.backbones import Preprocessing
from rsir_fast.datasets import Dataset, Reader
from rsir_fast.datasets.skipped import Unread, unread
from rsir_fast.errors import ImageError
from rsir_fast.extraction.jpeg import DeviceDecoder, EncodedJpeg, read_jpeg

__all__ = ["Batch", "batches", "default_workers", "in_groups"]

Outcome = EncodedJpeg | ImageError | None
"""What became of an image: bytes for the device's decoder, or why there is none; None: it is in its place."""

MAX_WORKERS = 32
AHEAD = 3
"""Batches under way while the network works on one."""


@dataclass(frozen=True)
class Batch:
    """Some consecutive images.

    Attributes
    ----------
    images
        Uint8 [m, bands, H, W] (float32 of samples of more bits), the readable ones in order; in host memory, or on the
        device that decoded some of them.
    count
        Images asked for, readable or not.
    skipped
        The others, and why.
    on_device
        How many were decoded on the device.
    """

    images: torch.Tensor
    count: int
    skipped: list[Unread]
    on_device: int = 0


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
    decoder: DeviceDecoder | None = None,
) -> Generator[Batch, None, None]:
    """Load images in order.

    Threads, not processes: Pillow decodes and resizes outside the interpreter lock, so they run side by side with each
    other and with the network, without the start-up, copies and shared memory of processes. Each puts its image into
    the batch's memory itself, so that whoever takes the batches does no work on them.

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
    decoder
        Decodes on a device what it can, batch by batch in one more thread; the rest goes the CPU's way.

    Yields
    ------
    Batch

    Raises
    ------
    MachineError
        If the machine failed: an image is never left out for that.
    """

    def load(number: int) -> NDArray[Any]:
        if preprocessing.is_picture:
            return dataset.made_of(number, preprocessing.prepare)
        return dataset.made_of_samples(number, preprocessing.prepare)

    def encoded(number: int) -> EncodedJpeg | None:
        return read_jpeg(dataset.root / dataset.items[number]) if dataset.root is not None and plain else None

    plain = dataset.reader == Reader() and dataset.places is None  # bands, scale and windows are chosen on the CPU
    groups = [numbers[first : first + batch_size] for first in range(0, len(numbers), batch_size)]
    device = None if decoder is None else (decoder, encoded)
    return in_groups(
        load,
        groups,
        preprocessing.shape,
        workers,
        dtype=preprocessing.tensor_dtype,
        pin_memory=pin_memory,
        device=device,
    )


def in_groups(
    load: Callable[[int], NDArray[Any]],
    groups: Iterable[Sequence[int]],
    shape: tuple[int, int, int],
    workers: int,
    *,
    dtype: torch.dtype = torch.uint8,
    pin_memory: bool = False,
    device: tuple[DeviceDecoder, Callable[[int], EncodedJpeg | None]] | None = None,
) -> Generator[Batch, None, None]:
    """Load groups of images in order, as `batches` does, each image by a function.

    Parameters
    ----------
    load
        Image number to an image of this shape and dtype; called by several threads at once.
    groups
        Image numbers of each batch; a group may be empty.
    shape, dtype
        Of an image: bands, height, width.
    workers, pin_memory
        As for `batches`.
    device
        A decoder, and a function that gives it an image's bytes, or None for one that it cannot decode.

    Yields
    ------
    Batch
    """
    decoder, encode = (None, None) if device is None else device

    def prepare(number: int, place: NDArray[Any]) -> Outcome:
        encoded = None if encode is None else encode(number)
        return filled(number, place) if encoded is None else encoded

    def filled(number: int, place: NDArray[Any]) -> ImageError | None:
        try:
            np.copyto(place, load(number))
        except ImageError as error:
            return error
        return None

    def empty(asked: Sequence[int]) -> torch.Tensor:
        return torch.empty((len(asked), *shape), dtype=dtype, pin_memory=pin_memory)

    def collate(asked: Sequence[int], places: torch.Tensor, found: Sequence[Outcome]) -> Batch:
        decoded = iter([] if decoder is None else decoder.decode([x for x in found if isinstance(x, EncodedJpeg)]))
        images: list[torch.Tensor] = []
        skipped: list[Unread] = []
        on_device = 0
        for number, place, outcome in zip(asked, places, found, strict=True):
            made = next(decoded) if isinstance(outcome, EncodedJpeg) else None
            error = filled(number, place.numpy()) if isinstance(outcome, EncodedJpeg) and made is None else outcome
            if isinstance(error, ImageError):
                skipped.append(unread(number, error))
                continue
            images.append(place if made is None else made)
            on_device += made is not None
        if decoder is not None and on_device:
            return Batch(decoder.stack(images), len(asked), skipped, on_device)
        return Batch(_closed_up(places, images), len(asked), skipped)

    if workers == 0:
        for asked in groups:
            places = empty(asked)
            yield collate(asked, places, list(map(prepare, asked, places.numpy())))
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="rsir-loader")
    collator = None if decoder is None else ThreadPoolExecutor(1, thread_name_prefix="rsir-decoder")

    def start(asked: Sequence[int]) -> Callable[[], Batch]:
        places = empty(asked)
        futures = [pool.submit(prepare, number, place) for number, place in zip(asked, places.numpy(), strict=True)]

        def gather() -> Batch:
            return collate(asked, places, [future.result() for future in futures])

        return gather if collator is None else collator.submit(gather).result

    try:
        under_way: deque[Callable[[], Batch]] = deque()
        for asked in groups:
            under_way.append(start(asked))
            if len(under_way) > AHEAD:
                yield under_way.popleft()()
        while under_way:
            yield under_way.popleft()()
    finally:
        pool.shutdown(cancel_futures=True)
        if collator is not None:
            collator.shutdown(cancel_futures=True)


def _closed_up(places: torch.Tensor, images: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return the images, which lie in some of the places, in order, in the first ones: those unreadable leave gaps."""
    if len(images) < len(places):
        for place, image in zip(places, images, strict=False):
            if place.data_ptr() != image.data_ptr():
                place.copy_(image)
    return places[: len(images)]
