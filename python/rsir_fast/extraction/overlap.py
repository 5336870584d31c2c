"""Batches through a network, in order; on a CUDA device the next is copied there while one is computed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rsir_fast.extraction.loader import Batch

__all__ = ["Forward", "Streams", "computed", "fetch_at_once"]

Forward = Callable[[torch.Tensor], torch.Tensor]
Fetch = Callable[[], NDArray[np.float32]]

IN_FLIGHT = 1
"""Batches left to a CUDA device while the next is queued: it always has work, and memory holds no more than two."""


def computed(
    batches: Iterable[Batch],
    queue: Callable[[torch.Tensor], Fetch],
    *,
    in_flight: int = 0,
) -> Generator[tuple[Batch, NDArray[np.float32] | None], None, None]:
    """Yield each batch with its features.

    Parameters
    ----------
    batches
        What to compute.
    queue
        Takes images, uint8 [m, 3, H, W], to a device, sets it to work and returns the way to wait for their features:
        `fetch_at_once`, or `Streams.queue`.
    in_flight
        Batches queued beyond the one waited for.

    Yields
    ------
    (Batch, ndarray or None)
        In order; float32 [m, dim], or None for a batch without a readable image.
    """
    under_way: deque[tuple[Batch, Fetch | None]] = deque()
    for batch in batches:
        under_way.append((batch, queue(batch.images) if len(batch.images) else None))
        if len(under_way) > in_flight:
            first, fetch = under_way.popleft()
            yield first, None if fetch is None else fetch()
    while under_way:
        first, fetch = under_way.popleft()
        yield first, None if fetch is None else fetch()


def fetch_at_once(images: torch.Tensor, forward: Forward, device: torch.device) -> Fetch:
    """Compute features of images, uint8 [m, 3, H, W], and wait for them."""
    features: NDArray[np.float32] = forward(images.to(device)).cpu().numpy()
    return lambda: features


class Streams:
    """A device's queues for copies to it, computation, and copies from it.

    Copies to the device and back have a stream each: on one, the next batch would wait behind the features of this one,
    and so behind its computation.

    Parameters
    ----------
    device
        CUDA; or the CPU, whose streams do all at once, in tests.
    forward
        Turns images on the device, uint8 [m, 3, H, W], into features, float32 [m, dim].
    """

    def __init__(self, device: torch.device, forward: Forward) -> None:
        self._device, self._forward = device, forward
        self._cuda = device.type == "cuda"
        self._lib: Any = torch.cuda if self._cuda else torch.cpu
        self._up, self._down = (self._lib.Stream(device) if self._cuda else self._lib.Stream() for _ in range(2))

    def queue(self, images: torch.Tensor) -> Fetch:
        """Set the device to work.

        Parameters
        ----------
        images
            Uint8 [m, 3, H, W], in pinned memory or on the device already.

        Returns
        -------
        callable
            Waits for the features and returns them, float32 [m, dim] in pinned memory. It holds the images on both
            sides and the features on the device, each of which one stream makes and another reads: their memory is free
            for others when the last of it is done. Of a batch that nobody fetches, nobody sees what becomes of it.
        """
        main = self._lib.current_stream(self._device) if self._cuda else self._lib.current_stream()
        with self._lib.stream(self._up):
            there = images.to(self._device, non_blocking=True)
        main.wait_stream(self._up)
        features = self._forward(there)
        host = torch.empty(features.shape, dtype=features.dtype, pin_memory=self._cuda)
        self._down.wait_stream(main)
        # An event that sleeps: a core that spins while it waits is one that decodes no images.
        done = self._lib.Event(blocking=True) if self._cuda else self._lib.Event()
        with self._lib.stream(self._down):
            host.copy_(features, non_blocking=True)
            done.record(self._down)
        return partial(_fetch, done, host, (images, there, features))


def _fetch(done: Any, host: torch.Tensor, _held: tuple[torch.Tensor, ...]) -> NDArray[np.float32]:
    done.synchronize()
    rows: NDArray[np.float32] = host.numpy()
    return rows
