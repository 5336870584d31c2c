"""What a version has to hold, given what is wanted and the rows there are: pure, so that a lost race is run again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive.inputs import Key
from rsir_fast.archive.tables import ItemRow
from rsir_fast.base.ids import without
from rsir_fast.errors import ArchiveError

__all__ = ["Content", "Known", "Settled", "settle"]

Content = tuple[str, tuple[Any, ...]]
Ids = NDArray[np.int64]


def _none() -> Ids:
    return np.empty(0, np.int64)


class Known:
    """The rows of a version, those of the items in question by what they are of; hidden ones may be shown again.

    Parameters
    ----------
    rows
        Id and row of each that may be one of the items in question.
    order
        Ids of all rows that count, in the order of the data set.
    hidden
        All other ids.
    """

    def __init__(
        self, rows: Iterable[tuple[int, ItemRow]] = (), order: Ids | None = None, hidden: Ids | None = None
    ) -> None:
        self.order = _none() if order is None else order
        self.hidden = _none() if hidden is None else hidden
        found = list(rows)
        ids = np.array([row_id for row_id, _ in found], np.int64)
        shown = {*without(ids, self.hidden).tolist()}
        self._rows: dict[Key, list[tuple[int, ItemRow]]] = {}
        for row_id, row in found:
            self._rows.setdefault(row.key, []).append((row_id, row))
        for same in self._rows.values():
            same.sort(key=lambda pair: (pair[0] not in shown, -pair[0]))  # what counts first, then the newest

    def of(self, key: Key) -> list[ItemRow]:
        """Return the rows of an item."""
        return [row for _, row in self._rows.get(key, ())]

    def ids_of(self, key: Key) -> list[int]:
        """Return the ids of an item's rows."""
        return [row_id for row_id, _ in self._rows.get(key, ())]

    def find(self, key: Key, content: Content) -> int | None:
        """Return the id of an item's row with this content."""
        return next((row_id for row_id, row in self._rows.get(key, ()) if row.content == content), None)


@dataclass(frozen=True)
class Settled:
    """What is decided.

    Attributes
    ----------
    order : array
        Ids of the rows that count, in the order of the data set.
    removed : array
        All other ids, ascending; of new segments only of those that are `used`.
    used : list of bool
        Which of the new segments have a row that is wanted.
    """

    order: Ids = field(default_factory=_none)
    removed: Ids = field(default_factory=_none)
    used: list[bool] = field(default_factory=list)


def settle(
    wanted: Sequence[tuple[Key, Content]],
    known: Known,
    new: Sequence[Sequence[ItemRow]],
    next_id: int,
    *,
    keeping: bool = False,
) -> Settled:
    """Choose for every wanted item the row that is there, else that of a new segment.

    So what another writer has added meanwhile is not there twice, and what it removed comes back where it is wanted.

    Parameters
    ----------
    wanted
        Items and their content, in the order of the data set.
    known
        The rows of the version that is followed.
    new
        The rows of the writer's segments; they have the ids from `next_id` on, those without a wanted row none.
    keeping
        Whether all other items stay, before those that are new; else nothing counts but what is wanted.

    Raises
    ------
    ArchiveError
        If a row is nowhere.
    """
    places: Mapping[tuple[Key, Content], tuple[int, int]] = {
        (row.key, row.content): (number, place)
        for number, rows in reversed(list(enumerate(new)))
        for place, row in enumerate(rows)
    }
    found = [known.find(key, content) for key, content in wanted]
    chosen = [places.get(one) if row_id is None else (-1, row_id) for one, row_id in zip(wanted, found, strict=True)]
    if None in chosen:
        name = wanted[chosen.index(None)][0][1]
        raise ArchiveError(
            f"{name}: expected its row to stay while this run worked, another process has taken it out for good; "
            "run the same command again"
        )
    took = {place[0] for place in chosen if place is not None}
    used = [number in took for number in range(len(new))]
    firsts, first = [], next_id
    for rows, is_used in zip(new, used, strict=True):
        firsts.append(first)
        first += len(rows) if is_used else 0
    order = np.array(
        [
            place if number < 0 else firsts[number] + place
            for number, place in (one for one in chosen if one is not None)
        ],
        np.int64,
    )
    if keeping:
        same = np.array([row_id for key, _ in wanted for row_id in known.ids_of(key)], np.int64)
        stays = without(known.order, without(same, order))
        order = np.concatenate([stays, without(order, stays)])
    everything = np.concatenate([known.order, known.hidden, np.arange(next_id, first)])
    return Settled(order, np.sort(without(everything, order)), used)
