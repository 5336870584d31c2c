"""The images that features were asked of: those that have rows, and those that could not be read."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from rsir_fast.archive import Features
from rsir_fast.datasets import Dataset

__all__ = ["with_unread"]


def with_unread(features: Features, *, unknown: bool = False) -> Dataset:
    """Return the images of features together with those that could not be read, behind them.

    A draw goes by the number of images of every class: without these it would be another one than that of the folder.

    Parameters
    ----------
    features : Features
    unknown : bool
        Keep, in the first class, images whose class cannot be told. Of a class none of whose images could be read,
        they change no draw of the others.

    Returns
    -------
    Dataset
        An unread image has the class of the images of its folder; of a flat folder that of the images whose names
        differ from its own by a number.

    Examples
    --------
    >>> from pathlib import Path
    >>> from rsir_fast.datasets import Skipped
    >>> rows, lost = np.zeros((2, 3), np.float32), (Skipped("b/2.png", "empty"),)
    >>> items, labels = ("a/1.png", "b/1.png"), np.array([0, 1])
    >>> found = with_unread(Features(rows, items, labels, ("a", "b"), "demo", Path("."), skipped=lost))
    >>> found.items, found.labels.tolist()
    (('a/1.png', 'b/1.png', 'b/2.png'), [0, 1, 1])
    """
    read = features.as_dataset()
    lost = [entry.item for entry in features.skipped if not entry.item.endswith("/")]  # folders have no number
    if not lost:
        return read
    if read.labels is None:
        return replace(read, items=(*read.items, *lost), places=None)
    seen: defaultdict[str, set[int]] = defaultdict(set)
    for item, label in zip(read.items, read.labels.tolist(), strict=True):
        for kin in _kin(item):
            seen[kin].add(label)
    given = {item: _label(item, seen, read.classes) for item in lost}
    known = {item: label or 0 for item, label in given.items() if unknown or label is not None}
    labels = np.append(read.labels, np.array([*known.values()], np.int64))
    return replace(read, items=(*read.items, *known), labels=labels, places=None)


def _kin(item: str) -> Iterator[str]:
    """Name what images of one class have in common: folders, from the innermost on, or a name without its number."""
    folder, slash, file = item.rpartition("/")
    if not slash:
        yield re.sub(r"\d*(\.\w+)?$", "", file)
    while slash:
        yield folder + slash
        folder, slash, _ = folder.rpartition("/")


def _label(item: str, seen: dict[str, set[int]], classes: tuple[str, ...]) -> int | None:
    for kin in _kin(item):
        labels = seen.get(kin, set())
        if len(labels) == 1:
            return next(iter(labels))
        folder = kin.rstrip("/").rpartition("/")[2]
        if folder in classes:
            return classes.index(folder)
    return None
