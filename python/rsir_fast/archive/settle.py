"""What a version has to hold, given what is wanted and the rows there are: pure, so that a lost race is run again."""

from __future__ import annotations

from collections.abc import Iterable, KeysView, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive.inputs import Key
from rsir_fast.archive.tables import ItemRow
from rsir_fast.base.ids import without
from rsir_fast.errors import ArchiveError

__all__ = ["Content", "Known", "Settled", "Wanted", "settle"]

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

    @property
    def keys(self) -> KeysView[Key]:
        """Items that have a row."""
        return self._rows.keys()

    def of(self, key: Key) -> list[ItemRow]:
        """Return the rows of an item."""
        return [row for _, row in self._rows.get(key, ())]

    def ids_of(self, key: Key) -> list[int]:
        """Return the ids of an item's rows."""
        return [row_id for row_id, _ in self._rows.get(key, ())]

    def find(self, key: Key, content: Content) -> int | None:
        """Return the id of an item's row with this content."""
        return next((row_id for row_id, row in self._rows.get(key, ()) if row.content == content), None)


class Wanted(NamedTuple):
    """Items that a version has to hold, in the order of the data set.

    Attributes
    ----------
    keys : list of Key
    numbers : array
        By which new segments name them, ascending.
    ids : array
        Of the rows with their content; -1 where there is none.
    """

    keys: list[Key]
    numbers: Ids
    ids: Ids


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


def settle(wanted: Wanted, known: Known, new: Sequence[Ids], next_id: int, *, keeping: bool = False) -> Settled:
    """Choose for every wanted item the row that is there, else that of a new segment.

    So what another writer has added meanwhile is not there twice, and what it removed comes back where it is wanted.

    Parameters
    ----------
    wanted
    known
        The rows of the version that is followed.
    new
        Of which wanted items the rows of the writer's segments are, by their numbers; those rows have the ids from
        `next_id` on, those of a segment without a wanted row none.
    keeping
        Whether all other items stay, before those that are new; else nothing counts but what is wanted.

    Raises
    ------
    ArchiveError
        If a row is nowhere.
    """
    of, place = np.full(len(wanted.ids), -1), np.zeros(len(wanted.ids), np.int64)
    for segment, numbers in reversed(list(enumerate(new))):
        at = np.searchsorted(wanted.numbers, numbers)
        is_wanted = at < len(wanted.numbers)
        is_wanted[is_wanted] = wanted.numbers[at[is_wanted]] == numbers[is_wanted]
        of[at[is_wanted]], place[at[is_wanted]] = segment, np.flatnonzero(is_wanted)
    is_known = wanted.ids >= 0
    nowhere = np.flatnonzero(~is_known & (of < 0))
    if len(nowhere):
        name = wanted.keys[nowhere[0]][1]
        raise ArchiveError(
            f"{name}: expected its row to stay while this run worked, another process has taken it out for good; "
            "run the same command again"
        )
    is_used = np.isin(np.arange(len(new)), of[~is_known])
    ends = next_id + np.cumsum([0, *(len(rows) * used for rows, used in zip(new, is_used, strict=True))])
    order = np.where(is_known, wanted.ids, np.append(ends[:-1], 0)[of] + place)
    if keeping:
        same = [row_id for key in wanted.keys if key in known.keys for row_id in known.ids_of(key)]
        stays = without(known.order, without(np.array(same, np.int64), order))
        order = np.concatenate([stays, without(order, stays)])
    everything = np.concatenate([known.order, known.hidden, np.arange(next_id, ends[-1])])
    return Settled(order, np.sort(without(everything, order)), is_used.tolist())
