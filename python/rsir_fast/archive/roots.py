"""Under which root of an archive the files of a data set lie: a named folder, kept once in the version."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from rsir_fast.archive.inputs import ROOT
from rsir_fast.archive.versions import is_archive, newest

__all__ = ["Root", "new_root", "root_of"]


class Root(NamedTuple):
    """A root, and where below it a data set lies.

    Attributes
    ----------
    name, folder : str
    below : str
        Path from the root to the data set, ending in a slash; empty where they are the same.
    """

    name: str
    folder: str
    below: str = ""


def root_of(archive: Path, data: Path, *, mirror: bool) -> Root:
    """Return the root for the files of a data set.

    The one of the archive that holds the folder, the deepest of several; else a new one, called by the folder. What
    mirrors a folder has one root only.

    Parameters
    ----------
    archive
        Folder of an archive, or of none yet.
    data
        Root of the data set.
    mirror
        Whether the archive shall hold nothing else.
    """
    folder = str(data.absolute())
    roots = {} if mirror or not is_archive(archive) else newest(archive)[0].roots
    around = {name: path for name, path in roots.items() if _holds(path, folder)}
    if around:
        name = max(around, key=lambda each: len(around[each]))
        below = os.path.relpath(folder, around[name])
        return Root(name, around[name], "" if below == "." else f"{Path(below).as_posix()}/")
    if not roots:
        return Root(ROOT, folder)
    return Root(_free(os.path.basename(folder) or "root", roots), folder)


def new_root(archive: Path, file: Path) -> Root:
    """Return the root for what one file holds, called by it: the one of the archive, or a new one."""
    path = str(file.absolute())
    roots = newest(archive)[0].roots if is_archive(archive) else {}
    there = next((name for name, place in roots.items() if place == path), None)
    return Root(there or _free(file.stem, roots), path)


def _free(name: str, roots: Collection[str]) -> str:
    """Return a name that no root has."""
    names = (name if number == 1 else f"{name}-{number}" for number in range(1, len(roots) + 2))
    return next(each for each in names if each not in roots)


def _holds(folder: str, inner: str) -> bool:
    return inner == folder or inner.startswith(folder.rstrip(os.sep) + os.sep)
