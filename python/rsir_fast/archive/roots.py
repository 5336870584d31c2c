"""Under which root of an archive the files of a data set lie: a named folder, kept once in the version."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from rsir_fast.archive.inputs import ROOT
from rsir_fast.archive.versions import is_archive, newest

__all__ = ["Root", "Roots", "new_root"]


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


class Roots:
    """Under which roots the files of a data set lie.

    A file that lies below a root of the archive is of that one, the deepest of several, so that it is the same item
    whatever folder it was found in; else of a new one, called by the folder of the data set. What mirrors a folder has
    one root only.

    Parameters
    ----------
    archive
        Folder of an archive, or of none yet.
    data
        Root of the data set; None: it is in memory.
    mirror
        Whether the archive shall hold nothing else.
    """

    def __init__(self, archive: Path, data: Path | None, *, mirror: bool = False) -> None:
        self._folder = None if data is None else str(data.absolute())
        self._there = {} if mirror or not is_archive(archive) else newest(archive)[0].roots
        self._found: dict[str, Root] = {}

    def of(self, source: str) -> tuple[str, str]:
        """Return the root of a file, and the POSIX path below it.

        Parameters
        ----------
        source
            POSIX path relative to the root of the data set.
        """
        if self._folder is None:
            return ROOT, source
        above, slash, name = source.rpartition("/")
        root = self._found.get(above)
        if root is None:
            root = self._found[above] = self._of_folder(os.path.join(self._folder, above) if slash else self._folder)
        return root.name, f"{root.below}{name}"

    @property
    def used(self) -> dict[str, str]:
        """Folders of the roots that were returned, by name."""
        return {root.name: root.folder for root in self._found.values()}

    @property
    def looked_through(self) -> list[tuple[str, str]]:
        """What of the archive lies in the folder of the data set: root, and path below it, empty or with a slash."""
        if self._folder is None:
            return []
        whole = self._of_folder(self._folder)
        inside = [(name, "") for name, folder in self._there.items() if _holds(self._folder, folder)]
        return list(dict.fromkeys([(whole.name, whole.below), *inside]))

    def _of_folder(self, folder: str) -> Root:
        around = {name: path for name, path in self._there.items() if _holds(path, folder)}
        if around:
            name = max(around, key=lambda each: len(around[each]))
            return Root(name, around[name], _below(folder, around[name]))
        assert self._folder is not None
        below = _below(folder, self._folder)
        if not self._there:
            return Root(ROOT, self._folder, below)
        return Root(_free(os.path.basename(self._folder) or "root", self._there), self._folder, below)


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


def _below(folder: str, root: str) -> str:
    below = os.path.relpath(folder, root)
    return "" if below == "." else f"{Path(below).as_posix()}/"


def _holds(folder: str, inner: str) -> bool:
    return inner == folder or inner.startswith(folder.rstrip(os.sep) + os.sep)
