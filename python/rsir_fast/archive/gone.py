"""What an archive holds of a folder and is not there any more."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive.inputs import Key
from rsir_fast.archive.snapshot import Snapshot
from rsir_fast.archive.tables import Tables
from rsir_fast.base.looking import is_there

__all__ = ["ids_gone"]


def ids_gone(snapshot: Snapshot, folders: Collection[tuple[str, str]], keys: Collection[Key]) -> NDArray[np.int64]:
    """Return the items of some folders that are gone: their file, or of one that is there the window.

    Parameters
    ----------
    snapshot
        Of the archive.
    folders
        Name of a root and path below it, ending in a slash or empty: what was looked through.
    keys
        What was found there; of files that are there and are not among them nothing is said.

    Returns
    -------
    ndarray of int64
        Their ids, ascending.
    """
    found: list[NDArray[np.int64]] = []
    named = {(root, source) for root, source, _ in keys}
    for segment in snapshot.segments:
        tables = segment.tables
        lost = _lost_files(tables, folders, named, snapshot.version.roots)
        found.append(segment.ids[np.isin(tables.items["source"].to_numpy(), lost)])
        which = tables.of_keys(keys)
        windows = [row.key not in keys for row in tables.rows(which)] if len(which) else []
        found.append(segment.ids[which[np.array(windows, bool)]])
    return np.intersect1d(np.concatenate([np.empty(0, np.int64), *found]), snapshot.ids)


def _lost_files(
    tables: Tables, folders: Collection[tuple[str, str]], named: Collection[tuple[str, str]], roots: dict[str, str]
) -> list[int]:
    """Return the sources below some folders that are not there."""
    import pyarrow.compute as pc

    lost = []
    for root, below in folders:
        inside = pc.and_(
            pc.equal(tables.sources["root"], os.fsencode(root)),
            pc.starts_with(tables.sources["source"], os.fsencode(below)),
        )
        for number in np.flatnonzero(inside.to_numpy(zero_copy_only=False)).tolist():
            source = os.fsdecode(tables.sources["source"][number].as_py())
            if (root, source) not in named and not is_there(Path(roots[root]) / source):
                lost.append(number)
    return lost
