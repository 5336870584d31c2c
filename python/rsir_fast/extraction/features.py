"""A feature matrix with its items, labels and provenance; in memory and on disk."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import numpy as np
from numpy.typing import NDArray

from rsir_fast.base.renamed import former_arguments
from rsir_fast.base.shown import Shown, counted
from rsir_fast.base.text import listed
from rsir_fast.datasets import Dataset, Reader, Skipped
from rsir_fast.encoders.fields import FieldSpec
from rsir_fast.encoders.spec import Spec
from rsir_fast.errors import FeaturesError
from rsir_fast.extraction.columns import Column, columns_of, known_spec
from rsir_fast.extraction.parts import fitting_labels
from rsir_fast.extraction.store import FeatureStore
from rsir_fast.extraction.stored import load

__all__ = ["Features", "Skipped"]


@dataclass(frozen=True, eq=False, repr=False)
class Features(Shown):
    """The features of the readable images of a data set.

    Parameters
    ----------
    table
        Float32 [n, dim], one row per item: all fields side by side, in most cases one. What is searched is `matrix`.
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
    >>> eight = Features(np.eye(8, dtype=np.float32), tuple("abcdefgh"), None, (), "demo", provenance={"turns": 8})
    >>> eight.matrix.shape, list(eight.columns)[:2], eight["vector@1"].shape
    ((8, 1), ['vector', 'vector@1'], (8, 1))
    """

    table: NDArray[np.float32]
    items: tuple[str, ...]
    labels: NDArray[np.int64] | None
    classes: tuple[str, ...]
    name: str
    root: Path | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    skipped: tuple[Skipped, ...] = ()
    timing: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    instead_of_array: ClassVar[str] = "pass its .matrix, or its ['codes'] where codes of a hash model are expected"

    def __post_init__(self) -> None:
        labels = fitting_labels(self.name, self.table, self.items, self.labels, self.classes)
        object.__setattr__(self, "labels", labels)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            hint = "; it is called field() now" if name == "unturned" else ""
            raise AttributeError(f"Features has no attribute {name!r}{hint}")

    def __len__(self) -> int:
        return len(self.table)

    def _facts(self) -> dict[str, str]:
        made = [str(self.provenance[key]) for key in ("name", "layer") if self.provenance.get(key)]
        return {
            "matrix": f"{len(self)} x {self.dim} {self.table.dtype}",
            "classes": "no classes" if self.labels is None else counted(len(self.classes), "class", "classes"),
            "made by": ":".join(made),
            "data set": self.name,
            "left out": counted(len(self.skipped), "image skipped", "images skipped") if self.skipped else "",
        }

    @property
    def dim(self) -> int:
        """Numbers a row, of all fields."""
        return int(self.table.shape[1])

    @cached_property
    def spec(self) -> Spec | None:
        """What the encoder means; None where provenance does not tell."""
        return known_spec(self.provenance)

    @property
    def columns(self) -> dict[str, Column]:
        """The fields that lie side by side in `table`, by name.

        Raises
        ------
        FeaturesError
            If provenance does not fit the rows.
        """
        return columns_of(self.name, self.provenance, self.dim)

    @property
    def fields(self) -> tuple[FieldSpec, ...]:
        """What there is of every image: a hash model's codes are made of its ``u`` when they are asked for."""
        stored = [column.field for column in self.columns.values()]
        if self.spec is None:
            return tuple(stored)
        names = {field.name for field in stored} | ({"codes"} if "hash" in self.provenance else set())
        return tuple(field for field in self.spec.fields if field.name in names)

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return the numbers of one field, [n, width]: a view where it is stored.

        Raises
        ------
        KeyError
            If there is no such field; the message lists them.
        """
        columns = self.columns
        if name == "codes" and "hash" in self.provenance:
            from rsir_fast.ops import pack_codes

            codes: NDArray[np.uint8] = pack_codes(np.ascontiguousarray(self["u"]))
            return codes
        if name not in columns:
            raise KeyError(f"features of {self.name}: expected one of the fields {listed(list(columns))}, got {name!r}")
        return self.table[:, columns[name].place]

    @property
    def matrix(self) -> NDArray[np.float32]:
        """The vectors that are searched and evaluated, float32 [n, width]: those of the one field of that kind.

        Of images whose eight turns are kept, the images as they are; of a hash model, the values of the hash layer.

        Raises
        ------
        FeaturesError
            If there are several; the message lists them.
        """
        return self.field().table

    def field(self, name: str | None = None) -> Features:
        """Return the features of one field of vectors alone: what is searched, evaluated and compared.

        Parameters
        ----------
        name
            Default: the only one. Turns that are kept for training are none to search by.

        Raises
        ------
        FeaturesError
            If there are several and none is named.
        ValueError
            If there are no vectors of that name.

        Examples
        --------
        >>> eight = np.arange(16, dtype=np.float32)[None]
        >>> kept = Features(eight, ("x.png",), None, (), "demo", provenance={"layer": "gap", "turns": 8})
        >>> kept.field().matrix, kept.field("gap@1").matrix
        (array([[0., 1.]], dtype=float32), array([[2., 3.]], dtype=float32))
        """
        columns = self.columns
        if name is None:
            names = [column.field.name for column in columns.values() if column.field.is_searched]
            if len(columns) <= 1:
                return self
            if len(names) != 1:
                raise FeaturesError(
                    f"features of {self.name}: expected one field of vectors, found {listed(names)}; choose one with "
                    f".field({names[0]!r})"
                )
            name = names[0]
        elif name not in columns or columns[name].field.kind != "vector":
            vectors = [key for key, column in columns.items() if column.field.kind == "vector"]
            known = f"that the features of {self.name} have, {listed(vectors)}"
            raise ValueError(f"field: expected one of the vectors {known}, got {name!r}")
        elif len(columns) == 1:
            return self
        place = columns[name].place
        made = {key: value for key, value in self.provenance.items() if key not in ("turns", "layers")}
        if "layers" in self.provenance:
            made["layer"] = name
        if "@" in name:
            made["turn"] = int(name.partition("@")[2])
        table = np.ascontiguousarray(self.table[:, place])
        return replace(self, table=table, provenance={**made, "dim": table.shape[1]})

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
            store.add_shard(0, len(self), self.table, [])
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


Features.__init__ = former_arguments(matrix="table")(Features.__init__)  # type: ignore[method-assign]
