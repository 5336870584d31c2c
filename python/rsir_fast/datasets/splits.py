"""Seeded stratified splits into training and test images, kept as small files."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, InstanceOf

from rsir_fast.base.durable import write_durably
from rsir_fast.base.reading import read_record
from rsir_fast.base.shown import Shown
from rsir_fast.base.text import printable, short
from rsir_fast.datasets.dataset import Dataset
from rsir_fast.errors import DatasetError

__all__ = ["Split", "drawn_by", "low_shot", "stratified_split", "unseen_split"]

_FORMAT = "rsir_fast split"
_SHOWN = 5


class _SplitFile(BaseModel):
    """A split on disk. Names that are no valid UTF-8 are lone surrogates, which pydantic's own str refuses."""

    format: Literal["rsir_fast split"]
    version: Literal[1]
    dataset: InstanceOf[str]
    seed: int | None = None
    train: list[InstanceOf[str]]
    test: list[InstanceOf[str]]


@dataclass(frozen=True, repr=False)
class Split(Shown):
    """Training and test items, by name: it stays right when the data set is sorted or extended differently.

    Parameters
    ----------
    dataset
        Name of the data set it was made for.
    train, test
        Item names; no name occurs twice.
    seed
        Seed it was drawn with; None for a split from elsewhere.

    Raises
    ------
    DatasetError
        If an item occurs twice.

    Examples
    --------
    >>> Split("demo", train=("a.png",), test=("a.png",))
    Traceback (most recent call last):
    ...
    rsir_fast.errors.DatasetError: split of demo: expected each item once in train or test, repeated: 1 item: a.png
    """

    dataset: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    seed: int | None = None

    def _facts(self) -> dict[str, str]:
        return {
            "data set": self.dataset,
            "train": f"{len(self.train):,} to train",
            "test": f"{len(self.test):,} to test",
            "seed": "" if self.seed is None else f"seed {self.seed}",
        }

    def __post_init__(self) -> None:
        counts = Counter((*self.train, *self.test))
        repeated = [item for item, count in counts.items() if count > 1]
        if repeated:
            raise DatasetError(
                f"split of {short(self.dataset)}: expected each item once in train or test, "
                f"repeated: {_listing(repeated)}"
            )

    @property
    def digest(self) -> str:
        """SHA-256 of both parts in their order."""
        return hashlib.sha256(json.dumps([self.train, self.test]).encode("ascii")).hexdigest()

    def apply(self, dataset: Dataset) -> tuple[Dataset, Dataset]:
        """Take the two parts of a data set.

        Parameters
        ----------
        dataset
            Must hold every item of the split; its other items are in neither part.

        Returns
        -------
        tuple of Dataset
            Training part and test part, in the order of the split.

        Raises
        ------
        DatasetError
            If items of the split are not in the data set; names the first of them.
        """
        index = {item: i for i, item in enumerate(dataset.items)}
        unknown = [item for item in (*self.train, *self.test) if item not in index]
        if unknown:
            raise DatasetError(
                f"split of {short(self.dataset)}: not in data set {dataset.name}: {_listing(unknown)}; "
                "use the data set the split was made for, or make a new split"
            )
        parts = (np.array([index[item] for item in part], dtype=np.int64) for part in (self.train, self.test))
        train, test = (dataset.subset(part) for part in parts)
        return train, test

    def save(self, path: str | Path) -> None:
        """Write the split as JSON; an existing file is replaced in one step.

        Parameters
        ----------
        path
            File to write; its folder is made if need be.
        """
        content = {"format": _FORMAT, "version": 1, "dataset": self.dataset, "seed": self.seed}
        lists = {"train": list(self.train), "test": list(self.test)}
        write_durably(Path(path), json.dumps({**content, **lists}, indent=1).encode("ascii") + b"\n")

    @classmethod
    def load(cls, path: str | Path, dataset: Dataset | None = None) -> Split:
        """Read a split that `save` wrote.

        Parameters
        ----------
        path
            The JSON file.
        dataset
            If given, every item must be in it.

        Returns
        -------
        Split

        Raises
        ------
        DatasetError
            If the file is missing or is no split, an item occurs twice, or items are not in `dataset`.
        """
        remedy = "write it by --save-split FILE of `rsir train` (from Python: by Split.save)"
        found = read_record(_SplitFile, Path(path), "a split of images", remedy, DatasetError)
        try:
            split = cls(found.dataset, tuple(found.train), tuple(found.test), found.seed)
        except DatasetError as error:
            raise DatasetError(f"{printable(str(path))}: {error}") from None
        if dataset is not None:
            split.apply(dataset)
        return split


def stratified_split(dataset: Dataset, *, train: float | int = 0.8, seed: int = 0) -> Split:
    """Draw the same share of every class for training; the rest is for testing.

    The draw is the same for ever and everywhere: within a class the items are ordered by
    SHA-256 of ``"seed/class/item"`` (each part as UTF-8 after its length, so no two differ only in where they are cut)
    and the first of them are training items. So no random number generator can change it, and adding a class or an
    item moves no other item, except the one at the edge.

    Parameters
    ----------
    dataset
        With classes.
    train
        A share strictly between 0 and 1 (of each class, rounded half up, but at least one image on each side where the
        class has two), or an integer: so many images of each class.
    seed
        Any integer.

    Returns
    -------
    Split
        Both parts in the order of the data set.

    Raises
    ------
    DatasetError
        If there are no classes, `train` is out of range, or a class has too few images.

    Examples
    --------
    >>> data = Dataset("demo", Path("."), tuple(f"a/{i}.png" for i in range(5)), np.zeros(5, np.int64), ("a",))
    >>> stratified_split(data, train=0.6, seed=1).test
    ('a/0.png', 'a/1.png')
    """
    labels = dataset.require_labels()
    is_count = isinstance(train, (int, np.integer)) and not isinstance(train, bool)
    if isinstance(train, bool) or not (train >= 1 if is_count else 0 < train < 1):
        raise ValueError(f"train: expected a share between 0 and 1, or a count of at least 1, got {train!r}")
    in_train = np.zeros(len(dataset), dtype=np.bool_)
    for label, name in enumerate(dataset.classes):
        members = np.flatnonzero(labels == label)
        count = int(train) if is_count else _share(len(members), float(train))
        if len(members) and is_count and count >= len(members):
            raise DatasetError(
                f"train={train} needs at least {count + 1} images in every class, "
                f"but {dataset.name} has {len(members)} of class {name}"
            )
        ranks = [drawn_by(seed, name, dataset.items[i]) for i in members.tolist()]
        in_train[members[np.argsort(ranks)[:count]]] = True
    parts = [tuple(dataset.items[i] for i in np.flatnonzero(mask).tolist()) for mask in (in_train, ~in_train)]
    return Split(dataset.name, parts[0], parts[1], int(seed))


def unseen_split(dataset: Dataset, *, unseen: float = 0.25, seed: int = 0) -> Split:
    """Draw classes that are not trained on: all images of the others are for training, all of theirs for testing.

    The draw is the same for ever and everywhere: classes are ordered by SHA-256 of ``"seed/class"`` as
    `stratified_split` orders images, and the first of them are unseen. So a class more or less moves no other, except
    the one at the edge.

    Parameters
    ----------
    dataset
        With four classes or more that have images.
    unseen
        A share strictly between 0 and 1 of these classes, rounded half up, but at least two on each side: one class
        alone leaves nothing to tell apart.
    seed
        Any integer.

    Returns
    -------
    Split
        Both parts in the order of the data set.

    Raises
    ------
    DatasetError
        If there are fewer than four classes.
    ValueError
        If `unseen` is out of range.

    Examples
    --------
    >>> data = Dataset("demo", Path("."), ("a/1", "b/1", "c/1", "d/1", "e/1"), np.arange(5), tuple("abcde"))
    >>> unseen_split(data, unseen=0.4, seed=1).test
    ('b/1', 'c/1')
    """
    if isinstance(unseen, bool) or not 0 < unseen < 1:
        raise ValueError(f"unseen: expected a share between 0 and 1, got {unseen!r}")
    labels = dataset.require_labels()
    present = np.unique(labels).tolist()
    if len(present) < 4:
        raise DatasetError(
            f"{dataset.name}: expected four classes or more, two to train on and two that are not trained on, found "
            f"{len(present)}"
        )
    count = min(max(math.floor(len(present) * unseen + 0.5), 2), len(present) - 2)
    drawn = sorted(present, key=lambda label: drawn_by(seed, dataset.classes[label], ""))[:count]
    in_test = np.isin(labels, drawn)
    parts = [tuple(dataset.items[i] for i in np.flatnonzero(mask).tolist()) for mask in (~in_test, in_test)]
    return Split(dataset.name, parts[0], parts[1], int(seed))


def low_shot(split: Split, dataset: Dataset, shots: int, seed: int = 0) -> Split:
    """Keep so many training images of every class; what was for testing stays so.

    Those are kept that `stratified_split` would take first with the same seed: of a split that it drew, the images of
    ``train=shots``. More shots keep those of fewer.

    Parameters
    ----------
    split
        Of the data set.
    dataset
        With classes.
    shots
        Training images a class, 1 or more; classes that have no training images have none.
    seed
        Any integer.

    Returns
    -------
    Split
        The training part in the order of the split.

    Raises
    ------
    ValueError
        If `shots` is below 1.
    DatasetError
        If a class has fewer training images, though some, or the split is of other images.

    Examples
    --------
    >>> data = Dataset("demo", Path("."), tuple(f"a/{i}.png" for i in range(5)), np.zeros(5, np.int64), ("a",))
    >>> low_shot(stratified_split(data, train=0.8, seed=1), data, 2, seed=1).train
    ('a/3.png', 'a/4.png')
    """
    if shots < 1:
        raise ValueError(f"shots: expected at least 1, got {shots}")
    train, _ = split.apply(dataset)
    labels, kept = train.require_labels(), np.zeros(len(train), np.bool_)
    for label in np.unique(labels).tolist():
        members, name = np.flatnonzero(labels == label), train.classes[label]
        if len(members) < shots:
            raise DatasetError(
                f"shots={shots} needs as many training images in every class, but {dataset.name} has {len(members)} of "
                f"class {name}"
            )
        ranks = [drawn_by(seed, name, train.items[i]) for i in members.tolist()]
        kept[members[np.argsort(ranks)[:shots]]] = True
    return Split(split.dataset, tuple(train.items[i] for i in np.flatnonzero(kept).tolist()), split.test, split.seed)


def _share(members: int, train: float) -> int:
    count = math.floor(members * train + 0.5)
    return min(max(count, 1), members - 1) if members >= 2 else members


def drawn_by(seed: int, *names: str) -> bytes:
    """Return what orders a draw: SHA-256 of the seed and names, each as UTF-8 after its length."""
    digest = hashlib.sha256()
    for part in (str(int(seed)), *names):
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "little") + encoded)
    return digest.digest()


def _listing(items: Sequence[str]) -> str:
    shown = ", ".join(short(item) for item in items[:_SHOWN])
    more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return f"{len(items)} item{'s' if len(items) != 1 else ''}: {shown}{more}"
