"""Removing items: a version that hides them; their rows go with `compact` and `vacuum`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive.changes import change_of
from rsir_fast.archive.commit import committed, following
from rsir_fast.archive.inputs import ROOT, Key
from rsir_fast.archive.next_version import keep_ids
from rsir_fast.archive.records import Version
from rsir_fast.archive.snapshot import Snapshot
from rsir_fast.archive.tables import WINDOW, Tables
from rsir_fast.base.ids import among, without
from rsir_fast.base.text import listed, printable
from rsir_fast.datasets.windows import split_name
from rsir_fast.errors import ArchiveError

__all__ = ["as_ids", "ids_of_items", "remove"]


def remove(
    folder: Path, ids: Iterable[int] | NDArray[np.int64], *, before: Snapshot | None = None, dry_run: bool = False
) -> Snapshot:
    """Hide items from the next version on, in one commit.

    Parameters
    ----------
    folder
        The archive.
    ids
        Of the items.
    before
        A version that is open: what it shares with the newest is not opened again.
    dry_run
        Check only.

    Returns
    -------
    Snapshot
        Without them. Where others had removed all of them meanwhile, no version is made.

    Raises
    ------
    ArchiveError
        If one of them does not count: nothing is removed then.
    MachineError
        If it cannot be written.
    """
    wanted = np.unique(as_ids(ids))
    opened = Snapshot(folder, before=before)
    missing = without(wanted, opened.ids)
    if len(missing):
        raise ArchiveError(
            f"{printable(folder)}: expected ids of items that version {opened.version.number} has, got "
            f"{listed(missing.tolist())}; see `rsir search` or Features.ids, and leave out what is removed already"
        )

    if dry_run:
        return opened

    def newest() -> Snapshot:
        nonlocal opened
        opened = Snapshot(folder, before=opened)
        return opened

    def decide(found: Snapshot | None, number: int) -> Version | None:
        if found is None:
            return None
        gone = wanted[among(wanted, found.ids)]  # others may have removed some
        if not len(gone):
            return None
        stay = without(found.ids, gone)
        return following(
            number,
            found.version,
            removed=keep_ids(folder, "removed", np.sort(np.concatenate([found.removed, gone]))),
            order=None if found.version.order is None else keep_ids(folder, "order", stay),
            change=change_of("remove", found.ids, stay),
            timing={},
        )

    committed(folder, newest, decide)
    return Snapshot(folder, before=opened)


def as_ids(ids: Iterable[int] | NDArray[Any]) -> NDArray[np.int64]:
    """Return ids that a user gave.

    Raises
    ------
    ValueError
        If they are no whole numbers of 64 bits.
    """
    given = ids if isinstance(ids, np.ndarray) else np.array(list(ids))
    if len(given) and (given.ndim != 1 or given.dtype.kind not in "iu" or given.max() > np.iinfo(np.int64).max):
        raise ValueError(f"ids: expected whole numbers of 64 bits, got {given.dtype} {list(given.shape)}")
    return given.astype(np.int64)


def ids_of_items(snapshot: Snapshot, names: Sequence[str]) -> NDArray[np.int64]:
    """Return the ids of the items that count, by their names; the name of a raster stands for all its windows.

    Raises
    ------
    ArchiveError
        If a name is that of none, or of files of several roots.
    """
    if not names:
        return np.empty(0, np.int64)
    meant: dict[Key, list[str]] = {}
    for name in names:
        source, window = split_name(name)
        keys = {(*file, window) for file in _files_called(source, snapshot)}
        keys |= {(*file, None) for file in _files_called(name, snapshot)}  # a file may be called like a window
        for key in keys:
            meant.setdefault(key, []).append(name)
    of_names: dict[str, set[tuple[str, str]]] = {name: set() for name in names}
    ids = [np.empty(0, np.int64)]
    for segment in snapshot.segments:
        live = np.isin(segment.ids, snapshot.ids, assume_unique=True)
        for which, keys_there in _rows_of(segment.tables, meant.keys(), live):
            ids.append(segment.ids[which])
            for key in keys_there:
                for name in meant[key]:
                    of_names[name].add(key[:2])
    for name, files in of_names.items():
        if len(files) != 1:
            roots = listed(sorted(root for root, _ in files))
            told = f"those of the roots {roots}: name them by id" if files else "none: see `rsir search` for names"
            raise ArchiveError(f"{printable(snapshot.folder)}: expected an item called {printable(name)}, found {told}")
    return np.unique(np.concatenate(ids))


def _files_called(name: str, snapshot: Snapshot) -> list[tuple[str, str]]:
    """Return root and source of the files that may be called so."""
    roots = snapshot.version.roots
    inside = [(root, f"{root}/") for root in roots] + [(root, f"{folder}/") for root, folder in roots.items()]
    return [(ROOT, name), *((root, name.removeprefix(begin)) for root, begin in inside if name.startswith(begin))]


def _rows_of(
    tables: Tables, keys: Collection[Key], live: NDArray[np.bool_]
) -> Iterator[tuple[NDArray[np.int64], set[Key]]]:
    """Yield rows that count, and which of the keys they have; windows are compared before objects are made of them."""
    files = [key for key in keys if key[2] is None]
    which = tables.of_keys(files)
    which = which[live[which]]
    sources = np.unique(tables.items["source"].to_numpy()[which])
    yield which, {(*file, None) for file in tables.files(sources)}
    windows = {key for key in keys if key[2] is not None}
    if windows and WINDOW[0] in tables.items.column_names:
        which = tables.of_keys(windows)
        which = which[live[which]]
        for name, wanted in zip(
            WINDOW, zip(*(key[2] for key in windows if key[2] is not None), strict=True), strict=True
        ):
            there = tables.items[name].fill_null(-1).to_numpy()[which]
            which = which[np.isin(there, np.array(wanted))]
        rows = zip(which.tolist(), tables.rows(which), strict=True)
        exact = [(at, row.key) for at, row in rows if row.key in windows]
        yield np.array([at for at, _ in exact], np.int64), {key for _, key in exact}
