"""A feature matrix with its items, labels and provenance; in memory and on disk."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rsir_fast.base.shown import Shown, counted
from rsir_fast.datasets import Dataset, Reader, Skipped
from rsir_fast.errors import FeaturesError
from rsir_fast.extraction.parts import fitting_labels
from rsir_fast.extraction.store import FeatureStore
from rsir_fast.extraction.stored import load

__all__ = ["Features", "Skipped"]


@dataclass(frozen=True, eq=False, repr=False)
class Features(Shown):
    """The features of the readable images of a data set.

    Parameters
    ----------
    matrix
        Float32 [n, dim], one row per item.
    items
        n names: POSIX paths relative to `root`.
    labels
        Int64 [n], indices into `classes`, or None where the data set has no classes.
    classes
        Class names.
    name
        Name of the data set.
    root
        Folder of the images, or None for an in-memory data set.
    provenance
        JSON-able: the backbone's provenance (weights with SHA-256, layer, preprocessing) and how it was run.
    skipped
        Images left out because they cannot be read.
    timing
        JSON-able figures of the run that made the matrix; empty if unknown.
    notes
        What the data set has to say of itself, such as images left out by its protocol.

    Raises
    ------
    FeaturesError
        If the parts do not fit together.

    Examples
    --------
    >>> features = Features(np.zeros((2, 3), np.float32), ("a/1.png", "b/1.png"), np.array([0, 1]), ("a", "b"), "demo")
    >>> features
    Features(2 x 3 float32, 2 classes, demo)
    >>> len(features), features.dim
    (2, 3)
    """

    matrix: NDArray[np.float32]
    items: tuple[str, ...]
    labels: NDArray[np.int64] | None
    classes: tuple[str, ...]
    name: str
    root: Path | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    skipped: tuple[Skipped, ...] = ()
    timing: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    instead_of_array: ClassVar[str] = (
        "pass its .matrix, or rsir_fast.pack_codes(....matrix) where codes of a hash model are expected"
    )

    def __post_init__(self) -> None:
        labels = fitting_labels(self.name, self.matrix, self.items, self.labels, self.classes)
        object.__setattr__(self, "labels", labels)

    def __len__(self) -> int:
        return len(self.matrix)

    def _facts(self) -> dict[str, str]:
        made = [str(self.provenance[key]) for key in ("name", "layer") if self.provenance.get(key)]
        return {
            "matrix": f"{len(self)} x {self.dim} {self.matrix.dtype}",
            "classes": "no classes" if self.labels is None else counted(len(self.classes), "class", "classes"),
            "made by": ":".join(made),
            "data set": self.name,
            "left out": counted(len(self.skipped), "image skipped", "images skipped") if self.skipped else "",
        }

    @property
    def dim(self) -> int:
        """Length of a feature vector."""
        return int(self.matrix.shape[1])

    def unturned(self) -> Features:
        """Return the features of the images as they are, where those of all eight turns are kept; else these.

        What is searched, evaluated and compared: eight turns side by side are for training, no vector to rank by.

        Examples
        --------
        >>> eight = np.arange(16, dtype=np.float32)[None]
        >>> Features(eight, ("x.png",), None, (), "demo", provenance={"turns": 8}).unturned().matrix
        array([[0., 1.]], dtype=float32)
        """
        turns = self.provenance.get("turns")
        if turns is None:
            return self
        dim = self.dim // int(turns)
        made = {key: value for key, value in self.provenance.items() if key != "turns"}
        return replace(self, matrix=np.ascontiguousarray(self.matrix[:, :dim]), provenance={**made, "dim": dim})

    def as_dataset(self) -> Dataset:
        """Return the items as a data set, to look at the images.

        Raises
        ------
        FeaturesError
            For an in-memory data set, whose images are not on disk.
        """
        if self.root is None:
            raise FeaturesError(f"features of {self.name}: expected images in a folder, but they were only in memory")
        reader = Reader.of(self.provenance)
        return Dataset(self.name, self.root, self.items, self.labels, self.classes, self.notes, reader=reader)

    def save(self, folder: str | Path, *, force: bool = False) -> Path:
        """Write to a folder, in the format that `extract` writes.

        Parameters
        ----------
        folder
            New, empty, or (with `force`) holding features to be replaced.
        force
            Replace features that are there.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        FeaturesError
            If the folder holds something else, or features and not `force`.
        """
        with FeatureStore(Path(folder), {"saved": self.name}, force=force) as store:
            store.add_shard(0, len(self), self.matrix, [])
            store.finish(
                items=self.items,
                labels=self.labels,
                classes=self.classes,
                name=self.name,
                root=self.root,
                dim=self.dim,
                provenance=self.provenance,
                timing=self.timing,
                notes=self.notes,
                before=self.skipped,
            )
        return Path(folder)

    @classmethod
    def load(cls, folder: str | Path, *, verify: bool = True) -> Features:
        """Read a folder written by `extract` or `save`; a matrix of one shard is memory-mapped.

        Parameters
        ----------
        folder
            What was given as ``out``.
        verify
            Compare the matrix with its SHA-256, which reads all of it once.

        Raises
        ------
        FeaturesError
            If the folder is missing, unfinished or damaged.
        """
        return cls(*load(Path(folder), verify=verify))
