"""Leaks of a split: what is to be tested and was seen in training, by content, features or place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive import Features
from rsir_fast.archive.footprints import footprints
from rsir_fast.archive.tables import ItemRow
from rsir_fast.base.shown import Shown, counted
from rsir_fast.base.text import listed
from rsir_fast.datasets.splits import Split
from rsir_fast.errors import FeaturesError
from rsir_fast.retrieval.archive import Archive
from rsir_fast.retrieval.duplicates import Normalize, within_distance
from rsir_fast.retrieval.query import searched_by

__all__ = ["Leak", "Leaks", "leaks"]

_OVERLAP = 1e-6
"""Share of the smaller footprint: tiles that only touch share less, by rounding."""


@dataclass(frozen=True)
class Leak:
    """A training item and a test item that are not apart.

    Attributes
    ----------
    train, test : str
        Their names.
    content : bool
        Whether they are the same bytes: files of one SHA-256, or the same window of such rasters.
    distance : float or None
        Of their features, where that is at most what was asked for.
    overlap : float or None
        Share of the smaller footprint that the other covers, where they overlap.
    """

    train: str
    test: str
    content: bool = False
    distance: float | None = None
    overlap: float | None = None


@dataclass(frozen=True, repr=False)
class Leaks(Shown):
    """What leaks, and a split without it.

    Attributes
    ----------
    found : tuple of Leak
        Each pair once, in the order of the split.
    repaired : Split
        Without the training items that leak; the test part is as it was, so that figures stay comparable.
    """

    found: tuple[Leak, ...]
    repaired: Split

    def __len__(self) -> int:
        return len(self.found)

    def _facts(self) -> dict[str, str]:
        return {"leaks": counted(len(self), "leak", "leaks"), "repaired": f"{len(self.repaired.train):,} to train"}


def leaks(
    database: Features | Archive,
    split: Split,
    *,
    max_distance: float = 0.0,
    field: str | None = None,
    normalize: Normalize | None = None,
    threads: int | None = None,
) -> Leaks:
    """Find the pairs of a training and a test item that show the same: by content, features, or footprints.

    Parameters
    ----------
    database : Features or Archive
        Holds all items of the split; others do not count.
    split : Split
    max_distance : float
        Of features, Euclidean as searches tell it; 0: equal ones alone.
    field, normalize, threads
        As of `rsir_fast.retrieval.near_duplicates`.

    Raises
    ------
    FeaturesError
        If an item of the split is not in the database.
    ValueError
        If `max_distance` is below 0.

    Notes
    -----
    A search of each test item, O(n^2 dim), and a tree of footprints. Footprints that only touch do not overlap. What
    has no place or no file cannot leak by it.
    """
    if not max_distance >= 0:
        raise ValueError(f"max_distance: expected at least 0, got {max_distance}")
    features = database.features() if isinstance(database, Archive) else database
    row_of = {name: row for row, name in enumerate(features.items)}
    unknown = [name for name in (*split.train, *split.test) if name not in row_of]
    if unknown:
        raise FeaturesError(
            f"{features.name}: expected all items of the split, but {listed(unknown, 3)} not there; give the archive "
            "that the split was made for"
        )
    train, test = ([row_of[name] for name in part] for part in (split.train, split.test))
    told = features.about(train), features.about(test)
    found: dict[tuple[int, int], Leak] = {}

    def add(pair: tuple[int, int], **why: object) -> None:
        known = found.get(pair) or Leak(split.train[pair[0]], split.test[pair[1]])
        found[pair] = replace(known, **why)  # type: ignore[arg-type]

    for pair in _same_content(*told):
        add(pair, content=True)
    name = features.searched_field(field)
    by = normalize or searched_by(features)
    for pair, distance in _near(features, name, train, test, max_distance, by, threads):
        add(pair, distance=distance)
    for pair, overlap in _overlapping(*told):
        add(pair, overlap=overlap)
    gone = {leak.train for leak in found.values()}
    kept = tuple(name for name in split.train if name not in gone)
    return Leaks(tuple(found[pair] for pair in sorted(found)), replace(split, train=kept))


def _same_content(train: list[ItemRow], test: list[ItemRow]) -> Iterator[tuple[int, int]]:
    of: dict[object, list[int]] = defaultdict(list)
    for number, item in enumerate(train):
        if item.sha256:
            of[item.sha256, item.window].append(number)
    for number, item in enumerate(test):
        yield from ((other, number) for other in of.get((item.sha256, item.window), ()))


def _near(
    features: Features,
    field: str,
    train: list[int],
    test: list[int],
    max_distance: float,
    normalize: Normalize,
    threads: int | None,
) -> Iterator[tuple[tuple[int, int], float]]:
    rows = features.all_rows
    places = [rows.places(features.ids[np.array(part, np.int64)]) for part in (train, test)]
    allowed = np.zeros(len(rows), bool)
    allowed[places[0]] = True
    number: list[NDArray[np.int64]] = []
    for part in places:
        number.append(np.full(len(rows), -1, np.int64))
        number[-1][part] = np.arange(len(part))
    ones, others, squared = within_distance(rows, field, places[1], allowed, max_distance, normalize, threads=threads)
    distances = np.sqrt(squared.astype(np.float64))
    for one, other, distance in zip(
        number[1][ones].tolist(), number[0][others].tolist(), distances.tolist(), strict=True
    ):
        yield (other, one), distance


def _overlapping(train: list[ItemRow], test: list[ItemRow]) -> Iterator[tuple[tuple[int, int], float]]:
    import shapely

    seen, asked = footprints(train), footprints(test)
    tree = shapely.STRtree(seen)
    tests, trains = tree.query(asked, predicate="intersects")
    shared = shapely.area(shapely.intersection(asked[tests], seen[trains]))
    smaller = np.minimum(shapely.area(asked[tests]), shapely.area(seen[trains]))
    for one, other, area, whole in zip(tests.tolist(), trains.tolist(), shared.tolist(), smaller.tolist(), strict=True):
        if area > _OVERLAP * whole:
            yield (other, one), area / whole
