"""Rows in host memory, brought to a device block by block while the block before is worked on."""

from __future__ import annotations

import contextlib
import itertools
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from rsir_fast.base.arrays import Array, is_torch

__all__ = ["HostRows", "blocks", "queue_copy", "streams"]

STAGED_BYTES = 1 << 26
"""Size of each of the two pinned buffers through which a device gets rows that are not pinned themselves."""

ROOM = 2
"""Blocks on a device at a time: one is copied while the other is worked on."""


class HostRows:
    """A matrix in host memory, of which devices read blocks.

    Attributes
    ----------
    values : numpy.ndarray or torch.Tensor, shape [n, columns]
        C-contiguous; a tensor if it is pinned, and devices read it themselves.
    dtype : torch.dtype
        That of the elements (NumPy has no bfloat16 and holds its bits).
    """

    def __init__(self, values: Array, source: object, dtype: Any) -> None:
        self.values: Any = values
        self.dtype = dtype
        if is_torch(source) and source.is_pinned() and source.data_ptr() == values.ctypes.data:  # type: ignore[attr-defined]
            self.values = source.detach()  # type: ignore[attr-defined]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        n, columns = self.values.shape
        return n, columns

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        return int(self.shape[1] * self.dtype.itemsize)

    def __len__(self) -> int:
        return self.shape[0]

    def reader(self, device: Any, side: Any) -> Callable[[int, Any], None]:
        """Return what queues, on the stream `side`, the copy of the rows from the first one given to a target."""
        if is_torch(self.values):
            return lambda first, target: queue_copy(side, target, self.values[first : first + len(target)])
        torch = sys.modules["torch"]
        size = min(max(1, STAGED_BYTES // max(1, self.row_bytes)), max(1, len(self)))
        shape, pinned = (size, self.shape[1]), device.type == "cuda"
        staging = [torch.empty(shape, dtype=self.dtype, pin_memory=pinned) for _ in range(2)]
        copied: list[Any] = [None, None]
        turns = itertools.cycle((0, 1))

        def bring(first: int, target: Any) -> None:
            for start in range(0, len(target), size):
                slot, part = next(turns), target[start : start + size]
                if copied[slot] is not None:
                    copied[slot].synchronize()  # the copy that reads what the host now overwrites
                held, begin = staging[slot][: len(part)], first + start
                held.view(torch.uint8).numpy()[...] = self.values[begin : begin + len(part)].view(np.uint8)
                queue_copy(side, part, held)
                copied[slot] = side.record_event()

        return bring


class InOrder:
    """A stream, and its events, of a device that works in step with the host."""

    def record_event(self) -> InOrder:
        return self

    def wait_event(self, event: InOrder) -> None:
        pass

    def synchronize(self) -> None:
        pass


def streams(device: Any) -> tuple[Any, Any]:
    """Return the caller's current stream on a device, and another one."""
    if device.type != "cuda":
        return InOrder(), InOrder()
    torch = sys.modules["torch"]
    return torch.cuda.current_stream(device), torch.cuda.Stream(device)


def queue_copy(stream: Any, target: Any, source: Any) -> None:
    """Queue a copy on a stream."""
    working = isinstance(stream, InOrder)
    with contextlib.nullcontext() if working else sys.modules["torch"].cuda.stream(stream):
        target.copy_(source, non_blocking=True)


def blocks(
    rows: HostRows,
    device: Any,
    size: int,
    first: int,
    stop: int,
    wanted: Callable[[int, int], bool] = lambda first, stop: True,
) -> Iterator[tuple[int, Any]]:
    """Yield the first row and the tensor of every wanted block of rows `first` to `stop`; of no rows, an empty block.

    A block may be worked on, on the stream that is current when the first one is asked for, until the next is asked
    for. Only where the rows are not pinned does the host wait, for copies.
    """
    torch = sys.modules["torch"]
    size = min(size, max(1, stop - first))
    every = range(first, max(stop, first + 1), size)
    starts = [start for start in every if wanted(start, min(start + size, stop))]
    current, side = streams(device)
    buffers = [
        torch.empty((size, rows.shape[1]), dtype=rows.dtype, device=device) for _ in range(min(ROOM, len(starts)))
    ]
    free = [current.record_event()] * len(buffers)  # the memory is: what had it before was of the current stream
    bring = rows.reader(device, side)
    try:
        for turn, start in enumerate(starts):
            slot = turn % len(buffers)
            block = buffers[slot][: min(size, stop - start)]
            side.wait_event(free[slot])
            bring(start, block)
            current.wait_event(side.record_event())
            yield start, block
            free[slot] = current.record_event()
    finally:
        current.wait_event(side.record_event())  # whatever ended this: nothing is copied into memory given back
