"""What searches on a CUDA device share: queries brought there, memory for answers, rankings by sorting all keys."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

from rsir_fast.base.arrays import Array, Restore, is_torch
from rsir_fast.ops.engines.search import Labels, Ranks, Search

__all__ = ["Report", "bring", "new_answer", "ranks_by_rankings", "sort_all", "tallies"]

SORTED_KEYS = 1 << 27
"""Keys that are sorted at a time where k is too large for selection: 1 GiB, and 4 more for torch's sort of them."""

RANKED_PAIRS = 2**25
"""Default number of queries times items in a block of ranks: their rankings take some 1.3 GiB for a moment."""

Report = Callable[[Any], None]
"""Takes, of each block of queries of a search in two passes, an int32 tensor [2, q] on their device: how many items the
fast pass left to be decided, and 1 where it failed and the query was searched without it."""


def bring(queries: Any, device: Any, read: Callable[[Any, str], tuple[Array, Restore]]) -> tuple[Any, Restore]:
    """Return the queries, those of no tensor as `read` reads them, as a tensor on the device, and the way back."""
    if is_torch(queries):
        return queries.to(device), lambda answer: answer.to(queries.device)
    values, restore = read(queries, "queries")
    held = values if values.flags.writeable else values.copy()  # torch has no read-only tensors, and warns
    return sys.modules["torch"].from_numpy(held).to(device), lambda answer: restore(answer.cpu().numpy())


def new_answer(q: int, k: int, dtype: Any, device: Any) -> tuple[Any, Any]:
    """Return new tensors for distances and ids, [q, k]."""
    torch = sys.modules["torch"]
    return torch.empty((q, k), dtype=dtype, device=device), torch.empty((q, k), dtype=torch.int64, device=device)


def tallies(workspace: Any, q: int) -> Any:
    """Return a copy of what the kernels counted, with which their workspace begins."""
    return workspace[: 8 * q].view(sys.modules["torch"].int32).view(2, q).clone()


LAST_KEY = 2**63 - 1
"""Of an item that is not allowed."""


def sort_all(q: int, n: int, words: Any, ids: Any, fill: Callable[[int, int, int], None]) -> None:
    """Sort all keys of a block of queries at a time; `words` (int32) already holds what missing items get.

    `fill` takes the first query of a block, their number, and the address to which it writes their keys.
    """
    torch = sys.modules["torch"]
    ids.fill_(-1)
    if n == 0:
        return
    depth = min(ids.shape[1], n)
    block = max(1, SORTED_KEYS // n)
    for first in range(0, q, block):
        rows = slice(first, min(first + block, q))
        keys = torch.empty((rows.stop - first, n), dtype=torch.int64, device=ids.device)
        fill(first, rows.stop - first, keys.data_ptr())
        best = keys.sort(dim=1).values[:, :depth]
        gone = best == LAST_KEY
        words[rows, :depth] = (best >> 32).to(torch.int32).where(~gone, words[rows, :depth])
        ids[rows, :depth] = (best & 0xFFFFFFFF).where(~gone, -1)


def ranks_by_rankings(search: Search, labels: Labels, block: int | None) -> Iterator[Ranks]:
    """Rank on the device and read there where the relevant items stand: only their ranks come to the host."""
    torch = sys.modules["torch"]
    allowed = search.allowed
    size = block or max(1, RANKED_PAIRS // max(1, allowed))
    known: Any = None
    for start in range(0, search.q, size):
        rows = slice(start, start + size)
        ids = search.topk(allowed, rows=rows)[1]
        if known is None:
            known = [None if values is None else torch.from_numpy(values).to(ids.device) for values in labels]
        of_queries, of_items, own = known
        relevant = of_items[ids] == of_queries[rows, None]
        self_ranks = None if own is None else _places(ids == own[rows, None])
        yield (
            start,
            relevant.sum(1).cpu().numpy(),
            (relevant.nonzero()[:, 1] + 1).cpu().numpy(),
            None if self_ranks is None else self_ranks.cpu().numpy(),
        )


def _places(found: Any) -> Any:
    """Return the place, from 1, of the one True in each row; 0 where there is none."""
    places = found.new_zeros(len(found), dtype=sys.modules["torch"].int64)
    query, place = found.nonzero(as_tuple=True)
    places[query] = place + 1
    return places
