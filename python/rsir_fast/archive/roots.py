"""Under which root of an archive the files of a data set lie: a named folder, kept once in the version."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from rsir_fast.archive.inputs import ROOT
from rsir_fast.archive.versions import is_archive, newest

__all__ = ["Root", "root_of"]


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
    own = os.path.basename(folder) or "root"
    names = (own if number == 1 else f"{own}-{number}" for number in range(1, len(roots) + 2))
    return Root(next(name for name in names if name not in roots), folder)


def _holds(folder: str, inner: str) -> bool:
    return inner == folder or inner.startswith(folder.rstrip(os.sep) + os.sep)
