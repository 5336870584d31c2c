"""What a version has to hold, given what is wanted and the rows there are: pure, so that a lost race is run again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rsir_fast.archive.tables import ItemRow
from rsir_fast.errors import ArchiveError

__all__ = ["Known", "Settled", "settle"]

Key = tuple[str, str]
Content = tuple[str, str | None]


class Known:
    """The rows of a version, by what they are of; hidden ones may be shown again."""

    def __init__(self, rows: Iterable[tuple[int, ItemRow]] = (), removed: Iterable[int] = ()) -> None:
        hidden = set(removed)
        self.hidden = hidden
        self._rows: dict[Key, list[tuple[int, ItemRow]]] = {}
        for row_id, row in rows:
            self._rows.setdefault(row.key, []).append((row_id, row))
        for found in self._rows.values():
            found.sort(key=lambda pair: (pair[0] in hidden, -pair[0]))  # what counts first, then the newest

    def __len__(self) -> int:
        return len(self._rows)

    def of(self, key: Key) -> list[ItemRow]:
        """Return the rows of an item."""
        return [row for _, row in self._rows.get(key, ())]

    def find(self, key: Key, content: Content) -> int | None:
        """Return the id of an item's row with this content."""
        return next((row_id for row_id, row in self._rows.get(key, ()) if row.content == content), None)

    def ids(self) -> Iterable[int]:
        """Return the ids of all rows."""
        return (row_id for found in self._rows.values() for row_id, _ in found)


@dataclass(frozen=True)
class Settled:
    """What is decided.

    Attributes
    ----------
    order : list of int
        Ids of the wanted items, in the order of the data set.
    removed : list of int
        All other ids, ascending; of new segments only of those that are `used`.
    used : list of bool
        Which of the new segments have a row that is wanted.
    """

    order: list[int]
    removed: list[int]
    used: list[bool]


def settle(
    wanted: Sequence[tuple[Key, Content]],
    known: Known,
    new: Sequence[Sequence[ItemRow]],
    next_id: int,
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
    order = [
        place if number < 0 else firsts[number] + place for number, place in (one for one in chosen if one is not None)
    ]
    kept = set(order)
    removed = sorted({*known.ids(), *range(next_id, first)} - kept)
    return Settled(order, removed, used)
