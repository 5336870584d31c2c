"""Images with several labels each: which of them, by image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rsir_fast.base.text import printable
from rsir_fast.errors import DatasetError

__all__ = ["LabelSets", "LabelTable"]


@dataclass(frozen=True, eq=False)
class LabelSets:
    """The labels of n images, any number each; classes are the case of one label each.

    Parameters
    ----------
    names
        Of the labels.
    sets
        [n, labels] bool: which labels each image has. Stored as a read-only copy.

    Raises
    ------
    DatasetError
        If the two do not fit together.

    Examples
    --------
    >>> sets = LabelSets.of_classes(np.array([1, 0]), ("field", "river"))
    >>> sets.sets.tolist(), sets.counts().tolist(), len(sets.picked([0]))
    ([[False, True], [True, False]], [1, 1], 1)
    """

    names: tuple[str, ...]
    sets: NDArray[np.bool_]

    def __post_init__(self) -> None:
        sets = np.array(self.sets, np.bool_)
        if sets.ndim != 2 or sets.shape[1] != len(self.names):
            raise DatasetError(
                f"label sets: expected [images, {len(self.names)}], a column a label, got shape {sets.shape}"
            )
        sets.setflags(write=False)
        object.__setattr__(self, "sets", sets)

    def __len__(self) -> int:
        return len(self.sets)

    @classmethod
    def of_classes(cls, labels: NDArray[np.int64], classes: Sequence[str]) -> LabelSets:
        """Take the class of each image as its one label."""
        return cls(tuple(classes), labels[:, None] == np.arange(len(classes)))

    def picked(self, indices: ArrayLike) -> LabelSets:
        """Return those of some images."""
        return LabelSets(self.names, self.sets[np.asarray(indices, np.int64)])

    def counts(self) -> NDArray[np.int64]:
        """Count the images of each label, [labels]."""
        return np.asarray(self.sets.sum(axis=0), np.int64)


@dataclass(frozen=True, eq=False)
class LabelTable:
    """Label sets by the names of images without their endings, as published tables have them.

    Parameters
    ----------
    names
        Of the labels.
    rows
        By the name of an image, or of a patch that has a folder: [labels] bool.
    source
        Where they were read, for messages.
    """

    names: tuple[str, ...]
    rows: Mapping[str, NDArray[np.bool_]]
    source: str

    def of(self, items: Sequence[str]) -> LabelSets:
        """Return the label sets of images, by the name of the file without its ending, or else of its folder.

        Raises
        ------
        DatasetError
            If an image has no row; names the first.
        """
        found, missing = [], []
        for item in items:
            path = PurePosixPath(item)
            row = next(
                (self.rows[name] for name in (path.stem, path.name, path.parent.name) if name in self.rows), None
            )
            if row is None:
                missing.append(item)
            else:
                found.append(row)
        if missing:
            raise DatasetError(
                f"{self.source}: expected a row for every image, found none for {len(missing)} of {len(items)}, the "
                f"first {printable(missing[0])}; add them, or leave these images out"
            )
        return LabelSets(self.names, np.array(found, np.bool_).reshape(len(items), len(self.names)))
