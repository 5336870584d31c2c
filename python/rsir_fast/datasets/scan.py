"""Find image files below a folder, in an order that is the same on every machine."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path

from rsir_fast.base.text import printable
from rsir_fast.datasets.images import IMAGE_SUFFIXES
from rsir_fast.errors import DatasetError

__all__ = ["is_image_name", "list_folder", "natural_key", "walk_images"]

_IGNORED_FOLDERS = frozenset({"__MACOSX", "@eaDir", "$RECYCLE.BIN"})
_DIGITS = re.compile(r"([0-9]+)")

_NameKey = tuple[tuple[str | int, ...], str]


def _name_key(name: str) -> _NameKey:
    # split() alternates text and digits, so positions always compare like with like.
    parts = _DIGITS.split(unicodedata.normalize("NFC", name).casefold())
    return tuple(int(part) if i % 2 else part for i, part in enumerate(parts)), name


def natural_key(path: str) -> tuple[_NameKey, ...]:
    """Sort key of the natural order: numbers by value, letters without case, folder by folder.

    A total order (names equal in that sense are told apart by their code points) that depends on neither locale nor
    file system: composed and decomposed accents sort alike.

    Parameters
    ----------
    path
        A name, or a path with forward slashes.

    Returns
    -------
    tuple
        To be compared with keys of other paths only.

    Examples
    --------
    >>> sorted(["airplane10.jpg", "airplane2.jpg", "Airplane1.jpg"], key=natural_key)
    ['Airplane1.jpg', 'airplane2.jpg', 'airplane10.jpg']
    """
    return tuple(_name_key(part) for part in path.split("/"))


def is_image_name(name: str) -> bool:
    """Whether a file name is one of an image: a known ending in any case, not hidden.

    Examples
    --------
    >>> is_image_name("scene.TIF"), is_image_name("Thumbs.db"), is_image_name("._scene.tif")
    (True, False, False)
    """
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES


def list_folder(folder: Path) -> tuple[list[str], list[str]]:
    """Names of the subfolders and of the image files directly in a folder, each in natural order.

    Hidden entries, ``__MACOSX`` and the like, and everything that is neither folder nor image are left out;
    links are followed.

    Parameters
    ----------
    folder
        An existing folder.

    Returns
    -------
    tuple of two lists of str
        Subfolders, image files.

    Raises
    ------
    DatasetError
        If the folder cannot be read.
    """
    folders, images = [], []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name in _IGNORED_FOLDERS:
                    continue
                if _is_folder(entry):
                    folders.append(entry.name)
                # A broken link stays listed: reading it then reports the image instead of losing it.
                elif is_image_name(entry.name):
                    images.append(entry.name)
    except OSError as error:
        raise DatasetError(
            f"cannot read folder {printable(folder)}: {error.strerror}; check path and permissions"
        ) from error
    return sorted(folders, key=natural_key), sorted(images, key=natural_key)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that points to itself
        return False


def _identity(folder: Path) -> tuple[int, int]:
    try:
        found = os.stat(folder)
    except OSError as error:
        raise DatasetError(
            f"cannot read folder {printable(folder)}: {error.strerror}; check path and permissions"
        ) from error
    return found.st_dev, found.st_ino


def walk_images(folder: Path) -> list[str]:
    """All images at any depth below a folder, in natural order.

    Links to folders are followed, but each real folder is visited once and the parent never, so links in a circle end.

    Parameters
    ----------
    folder
        An existing folder.

    Returns
    -------
    list of str
        POSIX paths relative to `folder`.

    Raises
    ------
    DatasetError
        If a folder cannot be read.
    """
    found: list[str] = []
    visited = {_identity(folder.parent)}  # a link upwards would take in the other classes
    waiting = [""]
    while waiting:
        prefix = waiting.pop()
        here = _identity(folder / prefix)
        if here in visited:
            continue
        visited.add(here)
        folders, images = list_folder(folder / prefix)
        found += [prefix + name for name in images]
        # A stack gives the last first; reversed, the shorter of two ways to a linked folder stays the same everywhere.
        waiting += [f"{prefix}{name}/" for name in reversed(folders)]
    return sorted(found, key=natural_key)
