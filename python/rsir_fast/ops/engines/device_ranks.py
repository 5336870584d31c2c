"""Ranks of relevant items on a CUDA device, without the rankings: only ranks come to the host."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsir_fast.base import compiled
from rsir_fast.ops.engines.device_prepared import DeviceMatrix
from rsir_fast.ops.engines.device_where import AllowedRows, where_of
from rsir_fast.ops.engines.relevant_items import RelevantItems, relevant_items
from rsir_fast.ops.engines.search import Labels, Ranks
from rsir_fast.ops.engines.tensors import dtype_name, stream_of

__all__ = ["ranks_of_labels"]

BLOCK_RANKS = 2**22
"""Default number of ranks in a block: 84 MB on the device."""

LEAST_PLACED = 2**28
"""Differences of elements, from which it pays to have the digits of the rows (`placed_ranks.h`)."""


def ranks_of_labels(
    queries: Any,
    database: Any,
    labels: Labels,
    where: AllowedRows | None,
    block: int | None,
    prepared: DeviceMatrix | None,
) -> Iterator[Ranks]:
    """Yield the ranks of the relevant items, a block of queries at a time; the database may belong to `prepared`."""
    relevant, own = relevant_items(labels, None if where is None else where.booleans())
    items = sys.modules["torch"].from_numpy(relevant.items).to(database.device)
    size = block or relevant.block(BLOCK_RANKS)
    placing = _Placing(queries, database)
    for start in range(0, len(queries), size):
        part = slice(start, start + size)
        mine = None if own is None else own[part]
        added = None if mine is None else mine >= 0
        if mine is not None and added is not None:
            added[added] = labels.of_items[mine[added]] != labels.of_queries[part][added]
        if prepared is not None:
            prepared.used_here()
        yield start, *_ranks(queries[part], database, relevant.of(part), items, mine, added, where, placing)


class _Placing:
    """Ranks of many queries by the digits of the rows, with float64 for the few pairs that these leave open."""

    def __init__(self, queries: Any, database: Any) -> None:
        (q, d), n, cuda = queries.shape, len(database), compiled.cuda
        self._items: Any = None
        if q * n * d < max(1, LEAST_PLACED) or d > cuda.most_digit_width or n > cuda.most_placed_items:
            return
        device, stream = stream_of(database)
        if not cuda.places(device):
            return
        self._items = _room(cuda.placed_items_bytes(n, d), database.device)
        if self._items is None:
            return
        cuda.make_placed_items(database.data_ptr(), n, d, dtype_name(database), self._items.data_ptr(), device, stream)

    def ranks(
        self, sides: tuple[Any, ...], asked: tuple[Any, ...], out: tuple[int, int, int], place: tuple[int, int]
    ) -> bool:
        """Compute the ranks; False: not done, for want of memory, or as too many distances are near relevant items'."""
        (_, q, _, n, d), most = sides[:5], asked[3]
        if self._items is None or most > compiled.cuda.most_placed_marks:
            return False
        workspace = _room(compiled.cuda.place_bytes(q, n, d), self._items.device)
        if workspace is None:
            return False
        given: tuple[Any, ...] = (*sides, *asked, self._items.data_ptr(), workspace.data_ptr(), *out, *place)
        compiled.cuda.place_ranks(*given)
        if int(workspace[:8].view(sys.modules["torch"].int64)) == 0:
            return True
        self._items = None  # the next queries will fare no better
        return False


def _room(size: int, device: Any) -> Any:
    """Return memory of a device; None if it has too little: what it would serve can be done without."""
    torch = sys.modules["torch"]
    try:
        return torch.empty(size, dtype=torch.uint8, device=device)
    except torch.OutOfMemoryError:
        return None


def _ranks(
    queries: Any,
    database: Any,
    relevant: RelevantItems,
    items: Any,
    own: NDArray[np.int64] | None,
    added: NDArray[np.bool_] | None,
    where: AllowedRows | None,
    placing: _Placing,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64] | None]:
    """Rank the relevant items, and the queries' own ones, which are `added` to them where they are not relevant."""
    torch = sys.modules["torch"]
    device, q, counts = database.device, len(queries), relevant.counts
    marks = counts if added is None else counts + added
    ends = np.cumsum(marks)
    total = int(marks.sum())
    if total == 0:
        return counts, np.empty(0, np.int64), None if own is None else np.zeros(q, np.int64)
    lists = np.stack([np.arange(q), relevant.first, counts, marks, ends - marks], axis=1)[marks > 0]
    lists = lists[lists[:, 1].argsort(kind="stable")]  # a block measures lists of the same items together
    lists_there = torch.from_numpy(lists).to(device)
    own_there = None if own is None else torch.from_numpy(own).to(device)
    keys, ranks = (torch.empty(total, dtype=torch.int64, device=device) for _ in range(2))
    self_ranks = torch.zeros(q, dtype=torch.int64, device=device)
    workspace = torch.empty(total, dtype=torch.int32, device=device)
    n, d = database.shape
    sides = queries.data_ptr(), q, database.data_ptr(), n, d, dtype_name(queries), *where_of(where)
    asked = (
        *(lists_there.data_ptr(), len(lists), total, most := int(marks.max())),
        *(items.data_ptr(), 0 if own_there is None else own_there.data_ptr(), keys.data_ptr()),
    )
    place = stream_of(queries)
    compiled.cuda.mark_keys(*sides, *asked, *place)
    if most > compiled.cuda.most_sorted_marks:
        _sort(keys, torch.from_numpy(np.repeat(np.arange(q), marks)).to(device))
    out = workspace.data_ptr(), ranks.data_ptr(), self_ranks.data_ptr()
    if not placing.ranks(sides, asked, out, place):
        compiled.cuda.count_ranks(*sides, *asked, *out, *place)
    found = ranks.cpu().numpy()
    if own is None or added is None:
        return counts, found, None
    of_own = self_ranks.cpu().numpy()
    if added.any():
        found = found[~np.repeat(added, marks) | (found != np.repeat(of_own, marks))]
    return counts, found, of_own


def _sort(keys: Any, query: Any) -> None:
    """Sort the keys of each query, which lie together."""
    by_key = keys.argsort()
    keys.copy_(keys[by_key[query[by_key].argsort(stable=True)]])
