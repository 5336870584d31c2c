"""The fields of a version, mapped when they are asked for first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import NamedTuple

import numpy as np

from rsir_fast.archive.all_rows import AllRows
from rsir_fast.archive.items import Items
from rsir_fast.archive.snapshot import Snapshot
from rsir_fast.base.row_blocks import RowBlocks

__all__ = ["LazyFields", "Mapped", "OfVersion"]


class OfVersion(NamedTuple):
    """The version of an archive that features are, named for good.

    Attributes
    ----------
    number : int
        From 1.
    digest : str
        SHA-256 of all that the version holds.
    """

    number: int
    digest: str


class LazyFields(Mapping[str, RowBlocks]):
    """Fields by name, each made when it is asked for first.

    Parameters
    ----------
    names : tuple of str
    make : callable
        Name to rows.
    """

    def __init__(self, names: tuple[str, ...], make: Callable[[str], RowBlocks]) -> None:
        self._names, self._make = names, make
        self._found: dict[str, RowBlocks] = {}

    def __getitem__(self, name: str) -> RowBlocks:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._found:
            self._found[name] = self._make(name)
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class Mapped(LazyFields):
    """The fields of a version, of the rows that count, in the order of the data set."""

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__(tuple(field.name for field in snapshot.spec.fields), snapshot.__getitem__)
        self._snapshot = snapshot

    @property
    def version(self) -> OfVersion:
        """The version whose fields these are."""
        version = self._snapshot.version
        return OfVersion(version.number, version.digest)

    @cached_property
    def all_rows(self) -> AllRows:
        """The same, and hidden rows, in the order of ids."""
        segments = self._snapshot.segments
        ids = np.concatenate([np.empty(0, np.int64), *(segment.ids for segment in segments)])
        live = None
        if len(ids) > len(self._snapshot):
            live = np.zeros(len(ids), bool)
            live[np.searchsorted(ids, self._snapshot.ids)] = True
        # Where there is no segment nothing is searched, nor are there rows of a known type.
        fields = LazyFields(tuple(self) if segments else (), lambda name: RowBlocks(part[name] for part in segments))
        items = Items([segment.tables for segment in segments])
        return AllRows(
            ids, live, fields, items, lambda name, normalize: [part.sidecar(name, normalize) for part in segments]
        )
