"""The vectors of images with their items, labels and what made them: in memory, or the view of an archive's version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive.all_rows import AllRows
from rsir_fast.archive.columns import columns_of, field_of, known_spec
from rsir_fast.archive.inputs import ROOT
from rsir_fast.archive.items import FilesOf, Items
from rsir_fast.archive.mapped import LazyFields, Mapped, OfVersion
from rsir_fast.archive.parts import Parts, fitting_arrays, fitting_ids, fitting_labels
from rsir_fast.archive.tables import ItemRow
from rsir_fast.base.renamed import former_arguments
from rsir_fast.base.row_blocks import RowBlocks
from rsir_fast.base.shown import Shown, counted
from rsir_fast.base.text import listed
from rsir_fast.datasets.skipped import Skipped
from rsir_fast.datasets.windows import split_name
from rsir_fast.encoders.fields import FieldSpec
from rsir_fast.encoders.spec import Spec
from rsir_fast.errors import FeaturesError

if TYPE_CHECKING:
    from rsir_fast.datasets import Dataset

__all__ = ["Features"]

_FORMER = {
    "unturned": "field()",
    "table": "matrix, or ['NAME'] where there are several fields",
    "columns": "fields",
}


@dataclass(frozen=True, eq=False, repr=False)
class Features(Shown):
    """The features of the readable images of a data set.

    Parameters
    ----------
    arrays
        Float32 [n, dim], one vector an item; or what is kept of every item by the name of its field, [n, width] each.
        Rows may lie in several blocks (`rsir_fast.RowBlocks`). What is searched is `vectors`.
    items
        n names: POSIX paths relative to `root`, and the window of a raster (``scenes/a.tif#xywh=0,0,256,256``). Of an
        archive an `rsir_fast.archive.items.Items`, which has columns, too, and reads what it is asked for.
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
    skipped, timing
        Images left out because they cannot be read. JSON-able figures of the run that made the matrix, if known.
    notes
        What the data set has to say of itself, such as images left out by its protocol.
    row_ids
        Int64 [n], the archive's numbers of the rows, which are never given again. Default: 0 to n - 1.
    roots
        Folders of the images by the name that stands before an item's: of an archive that grew from several.
    normalize
        With what vectors are searched where a query does not say: ``"row"``, or ``"none"`` of imported ones.

    Raises
    ------
    FeaturesError
        If the parts do not fit together.

    Examples
    --------
    >>> features = Features(np.zeros((2, 3), np.float32), ("a/1.png", "b/1.png"), np.array([0, 1]), ("a", "b"), "demo")
    >>> features
    Features(2 x 3 float32, 2 classes, demo)
    >>> turned = {"gap": np.zeros((1, 3), np.float32), "gap@1": np.ones((1, 3), np.float32)}
    >>> kept = Features(turned, ("a/1.png",), None, (), "demo")
    >>> kept.matrix.tolist(), kept["gap@1"]
    ([[0.0, 0.0, 0.0]], RowBlocks(1 x 3 float32))
    """

    arrays: NDArray[np.float32] | RowBlocks | Mapping[str, NDArray[Any] | RowBlocks]
    items: Sequence[str]
    labels: NDArray[np.int64] | None
    classes: tuple[str, ...]
    name: str
    root: Path | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    skipped: tuple[Skipped, ...] = ()
    timing: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    row_ids: NDArray[np.int64] | None = None
    roots: Mapping[str, Path] = field(default_factory=dict)
    normalize: Literal["row", "none"] = "row"

    instead_of_array: ClassVar[str] = "pass its .matrix, or its ['codes'] where codes of a hash model are expected"

    def __post_init__(self) -> None:
        fitting_arrays(self.name, self.arrays, self.items)
        labels = fitting_labels(self.name, self.labels, self.items, self.classes)
        object.__setattr__(self, "labels", labels)
        if self.row_ids is not None:
            object.__setattr__(self, "row_ids", fitting_ids(self.name, self.row_ids, self.items))

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            hint = f"; it is called {_FORMER[name]} now" if name in _FORMER else ""
            raise AttributeError(f"Features has no attribute {name!r}{hint}")

    def __len__(self) -> int:
        return len(self.items)

    def _facts(self) -> dict[str, str]:
        made = [str(self.provenance[key]) for key in ("name", "layer") if self.provenance.get(key)]
        return {
            "matrix": f"{len(self)} x {self.dim} float32",
            "classes": "no classes" if self.labels is None else counted(len(self.classes), "class", "classes"),
            "made by": ":".join(made),
            "data set": self.name,
            "left out": counted(len(self.skipped), "image skipped", "images skipped") if self.skipped else "",
        }

    @cached_property
    def _stored(self) -> Mapping[str, NDArray[Any] | RowBlocks]:
        """The fields that are kept; of a matrix, whose provenance says what lies side by side in it, views."""
        if isinstance(self.arrays, Mapping):
            return self.arrays
        matrix = RowBlocks.of(self.arrays)
        columns = columns_of(self.name, self.provenance, matrix.shape[1])
        if len(columns) == 1:
            return dict.fromkeys(columns, matrix)
        return {name: matrix.columns(column.place) for name, column in columns.items()}

    @property
    def _names(self) -> tuple[str, ...]:
        """Of the fields that there are: codes are made of ``u`` where they are not kept."""
        return tuple(dict.fromkeys([*self._stored, *(["codes"] if "hash" in self.provenance else [])]))

    def about(self, rows: Sequence[int]) -> list[ItemRow]:
        """Return what some rows are of, as far as it is known, an object each."""
        if isinstance(self.items, Items):
            return self.items.rows(rows)
        labels = self.labels
        return [
            ItemRow(ROOT, source, -1, -1, None if labels is None else self.classes[labels[row]], window, sha256="")
            for row in rows
            for source, window in [split_name(self.items[row])]
        ]

    def file(self, item: ItemRow) -> Path | None:
        """Return the image file of an item, of a window of a raster the raster; None where it was only in memory."""
        folder = self.root if item.root == ROOT else self.roots.get(item.root)
        return None if folder is None else folder / item.source

    def file_of(self, row: int) -> Path | None:
        """Return `file` of a row."""
        return self.file(self.about([row])[0])

    @cached_property
    def all_rows(self) -> AllRows:
        """All rows there are, hidden ones among them, in the order of their ids: what a search reads."""
        if isinstance(self.arrays, Mapped):
            return self.arrays.all_rows
        items = self.items
        if not isinstance(items, Items):
            items = Items.named(items, self.labels, () if self.labels is None else self.classes)
        order = self._order_of_ids
        if order is None:
            return AllRows(self.ids, None, LazyFields(self._names, self.__getitem__), items)
        fields = LazyFields(self._names, lambda name: RowBlocks([self[name][order]]))
        return AllRows(self.ids[order], None, fields, items.take(order))

    @cached_property
    def ids(self) -> NDArray[np.int64]:
        """The archive's numbers of the rows, int64 [n]; of features in memory 0 to n - 1."""
        return np.arange(len(self.items), dtype=np.int64) if self.row_ids is None else self.row_ids

    def rows_of(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows of some ids; -1 for ids that no row has.

        Examples
        --------
        >>> grown = Features(np.zeros((2, 3), np.float32), ("a", "b"), None, (), "demo", row_ids=np.array([7, 3]))
        >>> grown.rows_of(np.array([3, 5, 7])).tolist()
        [1, -1, 0]
        """
        order = self._order_of_ids
        at = np.minimum(np.searchsorted(self.ids, ids, sorter=order), max(len(self) - 1, 0))
        rows = at if order is None else order[at]
        return np.where(self.ids[rows] == ids, rows, -1) if len(self) else np.full(np.shape(ids), -1, np.int64)

    @cached_property
    def _order_of_ids(self) -> NDArray[np.int64] | None:
        """Rows in the order of their ids; None where they lie so."""
        return None if (np.diff(self.ids) > 0).all() else np.argsort(self.ids)

    @property
    def dim(self) -> int:
        """Numbers an item, of all fields but codes."""
        if not isinstance(self.arrays, Mapping):
            return int(self.arrays.shape[1])
        return sum(field.width for field in self.fields if field.kind != "code")

    @property
    def version(self) -> OfVersion | None:
        """The version of the archive that these are; None in memory and of a former format."""
        return self.arrays.version if isinstance(self.arrays, Mapped) else None

    @cached_property
    def spec(self) -> Spec | None:
        """What the encoder means; None where provenance does not tell."""
        return known_spec(self.provenance)

    @cached_property
    def fields(self) -> tuple[FieldSpec, ...]:
        """What there is of every image: a hash model's codes are made of its ``u`` where they are not kept.

        Raises
        ------
        FeaturesError
            If provenance does not fit the rows.
        """
        if self.spec is not None:
            return tuple(field for field in self.spec.fields if field.name in self._names)
        return tuple(field_of(name, self._stored[name].shape[1], self.provenance) for name in self._stored)

    def __getitem__(self, name: str) -> RowBlocks:
        """Return the numbers of one field, [n, width], where they lie: ``numpy.asarray(...)`` makes one array of them.

        Raises
        ------
        KeyError
            If there is no such field; the message lists them.
        """
        stored = self._stored
        if name == "codes" and name not in stored and "hash" in self.provenance:
            from rsir_fast.ops import pack_codes

            return RowBlocks([pack_codes(np.ascontiguousarray(self["u"]))])
        if name not in stored:
            raise KeyError(f"features of {self.name}: expected one of the fields {listed(list(stored))}, got {name!r}")
        return RowBlocks.of(stored[name])

    @property
    def matrix(self) -> NDArray[np.float32]:
        """`vectors` as one array; where they lie in several blocks they are copied together, once.

        Raises
        ------
        FeaturesError
            As `vectors`.
        """
        return np.asarray(self.vectors)

    @cached_property
    def vectors(self) -> RowBlocks:
        """The vectors that are searched and evaluated, float32 [n, width]: those of the one field of that kind.

        Of images whose eight turns are kept, the images as they are; of a hash model, the values of the hash layer.

        Raises
        ------
        FeaturesError
            If there are several; the message lists them.
        """
        arrays = self.field().arrays
        return RowBlocks.of(next(iter(arrays.values())) if isinstance(arrays, Mapping) else arrays)

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
        name = self.searched_field(name)
        if len(self._stored) <= 1:
            return self
        made = {key: value for key, value in self.provenance.items() if key not in ("turns", "layers")}
        if "layers" in self.provenance:
            made["layer"] = name
        if "@" in name:
            made["turn"] = int(name.partition("@")[2])
        rows = RowBlocks(np.ascontiguousarray(block) for block in self[name].blocks)
        return replace(self, arrays=rows, provenance={**made, "dim": rows.shape[1]})

    def searched_field(self, name: str | None = None) -> str:
        """Return the name of a field of vectors, the only one by default; parameters and errors as of `field`."""
        if len(self._stored) <= 1 and name is None:
            return next(iter(self._stored), "")
        vectors = [field for field in self.fields if field.kind == "vector"]
        if name is None:
            names = [field.name for field in vectors if field.is_searched]
            if len(names) != 1:
                raise FeaturesError(
                    f"features of {self.name}: expected one field of vectors, found {listed(names)}; choose one with "
                    f".field({names[0]!r})"
                )
            return names[0]
        if name not in [field.name for field in vectors]:
            known = f"that the features of {self.name} have, {listed([field.name for field in vectors])}"
            raise ValueError(f"field: expected one of the vectors {known}, got {name!r}")
        return name

    def as_dataset(self) -> Dataset:
        """Return the items as a data set, to look at the images.

        Raises
        ------
        FeaturesError
            For an in-memory data set, whose images are not on disk.
        """
        root = self.root or next(iter(self.roots.values()), None)
        if root is None:
            raise FeaturesError(f"features of {self.name}: expected images in a folder, but they were only in memory")
        from rsir_fast.datasets import Dataset, Reader

        reader = Reader.of(self.provenance)
        places = FilesOf(self.items, self.roots, root) if isinstance(self.items, Items) else None
        return Dataset(self.name, root, self.items, self.labels, self.classes, self.notes, reader=reader, places=places)

    def save(self, folder: str | Path, *, force: bool = False) -> Path:
        """Write to a folder: an archive, as `rsir_fast.encode` writes.

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
        from rsir_fast.archive.stored import save

        parts = Parts(**{name: getattr(self, name) for name in Parts._fields})
        return save(parts, {field.name: self[field.name] for field in self.fields}, Path(folder), force=force)

    @classmethod
    def load(cls, folder: str | Path, *, version: int | None = None, verify: bool = True) -> Features:
        """Read a folder that `rsir features`, `rsir_fast.encode` or `save` wrote: a version of its archive.

        Its fields are memory-mapped, segment by segment (`vectors`, ``["codes"]``); `matrix` copies those of several
        segments together.

        Parameters
        ----------
        folder
            What was given as ``out``.
        version
            Its number; the newest by default.
        verify
            Compare all files with their SHA-256, which reads them once.

        Raises
        ------
        FeaturesError
            If the folder is missing, unfinished or damaged.
        """
        from rsir_fast.archive.stored import load

        return cls(*load(Path(folder), version=version, verify=verify))


Features.__init__ = former_arguments(matrix="arrays", table="arrays")(Features.__init__)  # type: ignore[method-assign]
