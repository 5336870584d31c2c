"""One search over the parts of a database: on several devices, or block by block on one; merged by (distance, id)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

from rsir_fast.ops.engines.device_where import AllowedRows
from rsir_fast.ops.engines.tensors import device_serves

__all__ = ["BlockSearch", "Part", "as_devices", "bounds", "search_parts"]

BlockSearch = Callable[[Any, Any, int, "AllowedRows | None"], tuple[Any, Any]]
"""Takes the queries on a device, a block of the database there, k, and which of its rows are allowed; returns distances
and ids within the block."""

NOTHING = 2**31 - 1
"""Bits of a distance behind those of NaN: that of an empty slot while answers are merged."""


class Part(NamedTuple):
    """Consecutive rows of a database, searched on one device."""

    device: Any
    blocks: Callable[[], Iterator[tuple[int, Any]]]
    """Makes an iterator over (number of the first row, block), in row order; each block is used before the next."""


class Nearest:
    """The nearest items of answers that come in row order, each sorted by (distance, id).

    A stable sort by distance keeps equal distances in the order in which they came, which is that of their ids. The
    bits of a distance that is not negative order as the distance does, those of NaN behind infinity.
    """

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.answers: list[tuple[Any, Any]] = []

    def add(self, distances: Any, ids: Any) -> None:
        self.answers.append((distances, ids))
        if sum(ids.shape[1] for _, ids in self.answers) > 2 * self.depth:  # not for every block, not for all at once
            self.answers = [self.merged()]

    def merged(self) -> tuple[Any, Any]:
        if len(self.answers) == 1:
            return self.answers[0]
        torch = sys.modules["torch"]
        distances, ids = (torch.cat(columns, dim=1) for columns in zip(*self.answers, strict=True))
        bits, order = distances.view(torch.int32).sort(dim=1, stable=True)
        nearest = bits[:, : self.depth].contiguous().view(distances.dtype)
        return nearest, ids.gather(1, order[:, : self.depth])


def search_parts(
    parts: Sequence[Part],
    queries: Any,
    k: int,
    n: int,
    missing: float,
    search: BlockSearch,
    where: AllowedRows | None = None,
) -> tuple[Any, Any]:
    """Search parts that follow each other in row order; queues the work of all devices and waits for none.

    Parameters
    ----------
    queries : tensor on the device of the answer
    n : int
        Rows of all parts; slots beyond hold the distance `missing` and id -1, as in the search of one block.
    where
        Which of these rows are allowed. Blocks that hold none of them may be left out of the parts.
    """
    torch = sys.modules["torch"]
    depth = min(k, n)
    here = {part.device: queries.to(part.device, non_blocking=True) for part in parts}
    found = [Nearest(depth) for _ in parts]
    for turn in zip_longest(*(part.blocks() for part in parts)):
        for part, nearest, item in zip(parts, found, turn, strict=True):
            if item is not None:
                first, block = item
                allowed = None if where is None else where.part(first, len(block))
                distances, ids = search(here[part.device], block, min(depth, len(block)), allowed)
                if where is not None:
                    distances.view(torch.int32).masked_fill_(ids < 0, NOTHING)
                nearest.add(distances, ids + first if where is None else ids.where(ids < 0, ids + first))
    whole = Nearest(depth)
    for nearest in found:
        if not nearest.answers:
            continue
        distances, ids = nearest.merged()
        whole.add(distances.to(queries.device, non_blocking=True), ids.to(queries.device, non_blocking=True))
    if not whole.answers:  # no row is allowed
        ids = torch.full((len(queries), k), -1, dtype=torch.int64, device=queries.device)
        dtype = torch.int32 if isinstance(missing, int) else torch.float32
        return torch.full_like(ids, missing, dtype=dtype), ids
    distances, ids = whole.merged()
    if where is not None:
        distances = distances.masked_fill(ids < 0, missing)
    if depth > ids.shape[1]:
        depth = ids.shape[1]
    if depth == k:
        return distances, ids
    beyond = (len(queries), k - depth)
    padding = distances.new_full(beyond, missing), ids.new_full(beyond, -1)
    return torch.cat((distances, padding[0]), dim=1), torch.cat((ids, padding[1]), dim=1)


def bounds(n: int, parts: int) -> list[tuple[int, int]]:
    """Return the first and the end row of consecutive parts of n rows, of nearly equal size; no part is empty but one.

    Fewer parts than asked for where there are fewer rows; a single empty part where there are none.
    """
    parts = max(1, min(parts, n))
    return [(i * n // parts, (i + 1) * n // parts) for i in range(parts)]


def as_devices(devices: Any) -> list[Any]:
    """Return CUDA devices by ``"all"``, by one name or by several.

    Raises
    ------
    ValueError
        None is asked for, or one that is not there or that rsir_fast was not built for.
    """
    import torch

    if isinstance(devices, str) and devices == "all":
        names: list[Any] = [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    else:
        names = [devices] if isinstance(devices, (str, int, torch.device)) else list(devices)
    if not names:
        raise ValueError(
            f"devices: expected at least one CUDA device, got none from {devices!r}; leave it out to use the CPU"
        )
    return [_device(name) for name in names]


def _device(name: Any) -> Any:
    import torch

    expected = "devices: expected CUDA devices of this machine, such as 'cuda:0', or 'all'"
    try:
        probe = torch.empty(0, device=name)
    except (AssertionError, NotImplementedError, RuntimeError, TypeError) as error:  # torch's words for "not there"
        raise ValueError(f"{expected}; got {name!r}: {str(error).splitlines()[0]}") from None
    if not device_serves(probe):
        reason = "rsir_fast was built without CUDA" if probe.is_cuda else "it is no CUDA device"
        raise ValueError(f"{expected}; got {name!r}: {reason}")
    return probe.device
