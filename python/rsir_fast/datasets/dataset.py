"""The data set: names, labels and a way to load each image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from rsir_fast.base.faults import named, patiently
from rsir_fast.base.shown import Shown, counted
from rsir_fast.base.text import printable
from rsir_fast.datasets.images import read_image
from rsir_fast.datasets.label_sets import LabelSets
from rsir_fast.datasets.limits import MEMORY
from rsir_fast.datasets.open_rasters import read_window
from rsir_fast.datasets.reader import Reader
from rsir_fast.datasets.skipped import Skipped
from rsir_fast.datasets.tiling import Tiling
from rsir_fast.datasets.windows import Picked, Placed, Places
from rsir_fast.errors import DatasetError

__all__ = ["Dataset"]

R = TypeVar("R")


@dataclass(frozen=True, eq=False, repr=False)
class Dataset(Shown):
    """A list of images with their classes; loads nothing until asked.

    Picklable, so that it travels to loader workers (an in-memory data set is, if what it wraps is).

    Parameters
    ----------
    name
        ``"UCMerced_LandUse"``, ``"AID"``, ... or the folder's name.
    root
        Folder the items are relative to; None for an in-memory data set.
    items
        POSIX paths relative to `root`, by class and then by name in natural order, or ``"item-000017"`` for in-memory
        data sets. Each occurs once. With `places` also windows of rasters: ``"a.tif#xywh=0,0,256,256"``.
    labels
        Int64 [n], indices into `classes`; None where the folder has no classes. Stored as a read-only copy.
    classes
        Class names, in natural order.
    notes
        Sentences worth telling the user: deviations from the published data set, files left out.
    loader
        For in-memory data sets: item name to RGB image.
    unreadable
        Folders that could not be read when the data set was opened, and why: whatever reads the images lists these,
        too.
    reader
        Which bands of the files become RGB, and by which scale.
    places
        What each item is, where they are not simply whole files: see `rsir_fast.tiles`.
    tiling
        The recipe of such a data set.
    label_sets
        Labels of every image, any number each, beside its class or without one.

    Raises
    ------
    DatasetError
        If items repeat, an in-memory data set has a reader, or labels do not fit items or classes.

    Examples
    --------
    >>> data = Dataset("demo", Path("."), ("a/1.png", "a/2.png", "b/1.png"), np.array([0, 0, 1]), ("a", "b"))
    >>> len(data), data.class_counts().tolist(), data.subset([2]).items
    (3, [2, 1], ('b/1.png',))
    >>> data
    Dataset(demo, 3 images, 2 classes)
    """

    name: str
    root: Path | None
    items: Sequence[str]
    labels: NDArray[np.int64] | None = None
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    loader: Callable[[str], Image.Image] | None = None
    unreadable: tuple[Skipped, ...] = ()
    reader: Reader = field(default_factory=Reader)
    places: Places | None = None
    tiling: Tiling | None = None
    label_sets: LabelSets | None = None

    def __post_init__(self) -> None:
        if (self.root is None) == (self.loader is None):
            raise DatasetError(f"{self.name}: expected either a root folder or a loader, got both or neither")
        if self.loader is not None and self.reader != Reader():
            raise DatasetError(
                f"{self.name}: expected image files for {self.reader}, got a data set in memory; choose bands and "
                "scale where it makes its images"
            )
        if self.places is None and len(set(self.items)) != len(self.items):
            repeated = Counter(self.items).most_common(1)[0][0]
            raise DatasetError(f"{self.name}: item {printable(repeated)} occurs more than once; list each image once")
        if self.label_sets is not None and len(self.label_sets) != len(self.items):
            raise DatasetError(
                f"{self.name}: expected {len(self.items)} label sets, one per item, got {len(self.label_sets)}"
            )
        if self.labels is None:
            return
        labels = np.array(self.labels, dtype=np.int64)  # [n]
        if labels.shape != (len(self.items),):
            raise DatasetError(
                f"{self.name}: expected {len(self.items)} labels, one per item, got shape {labels.shape}"
            )
        if labels.size and (labels.min() < 0 or labels.max() >= len(self.classes)):
            raise DatasetError(
                f"{self.name}: expected labels 0 to {len(self.classes) - 1} for {len(self.classes)} classes, "
                f"got {labels.min()} to {labels.max()}"
            )
        labels.setflags(write=False)
        object.__setattr__(self, "labels", labels)

    def __len__(self) -> int:
        return len(self.items)

    def _facts(self) -> dict[str, str]:
        return {
            "name": self.name,
            "images": counted(len(self), "image", "images"),
            "classes": "no classes" if self.labels is None else counted(len(self.classes), "class", "classes"),
            "labels": "" if self.label_sets is None else counted(len(self.label_sets.names), "label", "labels"),
            "where": "in memory" if self.root is None else "",
            "notes": counted(len(self.notes), "note", "notes") if self.notes else "",
        }

    def __getitem__(self, i: int) -> Image.Image:
        return self.load_image(i)

    def __iter__(self) -> Iterator[Image.Image]:
        return (self.load_image(i) for i in range(len(self)))

    def load_image(self, i: int) -> Image.Image:
        """Load image `i` as RGB, decoded in full.

        Parameters
        ----------
        i
            0 to n - 1, or negative from the end as in any sequence.

        Returns
        -------
        PIL.Image.Image
            Mode RGB. Files follow the rules of `rsir_fast.datasets.images.read_image`.

        Raises
        ------
        ImageError
            With the path and the reason, if the image cannot be read.
        MachineError
            If the machine failed, not the image; what may pass was tried again for some seconds.
        IndexError
            If there is no item `i`.
        """
        item = self.items[i]
        with named(printable(item)):
            return patiently(lambda: self._read(i, item))

    def made_of(self, i: int, work: Callable[[Image.Image], R]) -> R:
        """Load image `i` and work on it; a fault of the machine in either names the image.

        The memory of the image is held (`rsir_fast.datasets.Limits`) until the work is done.

        Parameters
        ----------
        i
            As for `load_image`.
        work
            RGB image to whatever is made of it.

        Returns
        -------
        object
            What `work` returned.

        Raises
        ------
        ImageError, MachineError, IndexError
            As `load_image`; MachineError also if memory does not suffice for the work.
        """
        with MEMORY.scope():
            image = self.load_image(i)
            with named(printable(self.items[i])):
                return work(image)

    def made_of_samples(self, i: int, work: Callable[[NDArray[Any]], R]) -> R:
        """As `made_of`, of the samples [h, w, bands] of a data set in memory, as they are.

        Raises
        ------
        DatasetError
            For a data set of files, which are read as pictures.
        """
        samples = getattr(self.loader, "samples", None)
        if samples is None:
            raise DatasetError(f"{self.name}: expected arrays in memory, got image files, which are read as pictures")
        item = self.items[i]
        with MEMORY.scope(), named(printable(item)):
            return work(patiently(lambda: samples(item)))

    def _read(self, i: int, item: str) -> Image.Image:
        if self.loader is not None:
            return self.loader(item)
        assert self.root is not None  # by construction
        source, window = (item, None) if self.places is None else self.places.at(i)
        if window is None:
            return read_image(self.root / source, self.reader)
        return read_window(
            self.root / source, window, self.reader, 1.0 if self.tiling is None else self.tiling.nodata_max
        )

    def placed(self, i: int) -> Placed:
        """Return what an item is: its file and, of a raster's window, where on Earth it lies."""
        return Placed(self.items[i]) if self.places is None else self.places.placed(i)

    def source(self, i: int) -> str:
        """Return the file of an item: a path relative to `root`, or a whole one."""
        return self.items[i] if self.places is None else self.places.at(i)[0]

    def subset(self, indices: ArrayLike) -> Dataset:
        """Pick items by index or by mask; classes stay as they are.

        Parameters
        ----------
        indices
            Integers [m], each at most once, or booleans [n].

        Returns
        -------
        Dataset
            The chosen items in the given order, with the same classes and notes.

        Raises
        ------
        DatasetError
            If an index repeats, is out of range, or the mask has another length.
        """
        chosen = np.asarray(indices)
        if chosen.dtype == np.bool_:
            if chosen.shape != (len(self),):
                raise DatasetError(f"{self.name}: expected a mask of length {len(self)}, got shape {chosen.shape}")
            chosen = np.flatnonzero(chosen)
        elif chosen.size and not np.issubdtype(chosen.dtype, np.integer):
            raise DatasetError(f"{self.name}: expected integer indices or a boolean mask, got {chosen.dtype}")
        chosen = chosen.astype(np.int64).ravel()
        outside = chosen[(chosen < 0) | (chosen >= len(self))]
        if outside.size:
            raise DatasetError(f"{self.name}: index {outside[0]} is outside 0 to {len(self) - 1}")
        return replace(
            self,
            items=tuple(self.items[i] for i in chosen.tolist()) if self.places is None else Picked(self.items, chosen),
            labels=None if self.labels is None else self.labels[chosen],
            places=None if self.places is None else self.places.picked(chosen),
            label_sets=None if self.label_sets is None else self.label_sets.picked(chosen),
        )

    def select(self, classes: Sequence[str]) -> Dataset:
        """Keep the items of some classes, in their order; those classes get labels 0, 1, ... in the given order.

        Parameters
        ----------
        classes
            Names out of `classes`.

        Returns
        -------
        Dataset
            Its `classes` are exactly the given ones.

        Raises
        ------
        DatasetError
            If there are no labels, or a class is unknown or named twice.
        """
        labels = self.require_labels()
        unknown = [c for c in classes if c not in self.classes]
        if unknown or len(set(classes)) != len(classes):
            raise DatasetError(
                f"{self.name}: expected distinct classes out of {', '.join(self.classes)}; got {', '.join(classes)}"
            )
        new_label = np.full(len(self.classes), -1, dtype=np.int64)
        for position, name in enumerate(classes):
            new_label[self.classes.index(name)] = position
        kept = self.subset(new_label[labels] >= 0)
        assert kept.labels is not None  # this data set has labels
        return replace(kept, labels=new_label[kept.labels], classes=tuple(classes))

    def class_counts(self) -> NDArray[np.int64]:
        """Count the images of each class.

        Returns
        -------
        ndarray of int64
            [number of classes]; empty where there are no classes.
        """
        if self.labels is None:
            return np.zeros(0, dtype=np.int64)
        return np.bincount(self.labels, minlength=len(self.classes)).astype(np.int64)

    def require_labels(self) -> NDArray[np.int64]:
        """Labels, or an error that says how to get some.

        Returns
        -------
        ndarray of int64
            [n], read-only.

        Raises
        ------
        DatasetError
            If the data set has no classes.
        """
        if self.labels is None:
            where = (
                "the wrapped data set has no labels"
                if self.root is None
                else f"{printable(self.root)} has no class folders"
            )
            raise DatasetError(
                f"{self.name}: expected images with classes, but {where}; sort the images as FOLDER/CLASS/image.jpg"
            )
        return self.labels
