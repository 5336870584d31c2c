"""Find image files below a folder, in an order that is the same on every machine."""

from __future__ import annotations

import errno
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rsir_fast.base.faults import is_machine_fault, patiently, said
from rsir_fast.base.text import printable
from rsir_fast.datasets.folder_names import masks_among
from rsir_fast.datasets.images import IMAGE_SUFFIXES
from rsir_fast.datasets.skipped import Skipped
from rsir_fast.errors import DatasetError, MachineError

__all__ = ["Listing", "Tree", "Walk", "is_image_name", "natural_key"]

_IGNORED_FOLDERS = frozenset({"__MACOSX", "@eaDir", "$RECYCLE.BIN"})
_IGNORED_FILES = frozenset({"thumbs.db", "desktop.ini"})
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


@dataclass
class Listing:
    """What lies directly in a folder, names in natural order.

    Hidden entries, ``__MACOSX``, ``Thumbs.db`` and the like are not in it; links are followed.

    Attributes
    ----------
    folders, images
        Subfolders; image files, broken links and special files included: reading those reports them.
    links
        Those of both that are symbolic links.
    others
        Number of files that are no images by their ending, by that ending.
    problem
        Why the folder could not be read; empty if it could.
    """

    folders: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    links: set[str] = field(default_factory=set)
    others: Counter[str] = field(default_factory=Counter)
    problem: str = ""


@dataclass
class Walk:
    """What lies at any depth below some folders, as POSIX paths below the root.

    Attributes
    ----------
    images
        In natural order for each walk.
    linked
        Those that are links, or lie in a folder that is one.
    others
        Number of files that are no images by their ending, by that ending.
    unreadable
        Folders that could not be read; their names end in a slash.
    masks
        Folders of masks, which were passed over; their names end in a slash.
    """

    images: list[str] = field(default_factory=list)
    linked: list[str] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    unreadable: list[Skipped] = field(default_factory=list)
    masks: list[str] = field(default_factory=list)


class Tree:
    """The folders below a root, each looked into once.

    A folder is named by its path below the root with a slash at its end, the root itself by nothing: ``""``,
    ``"forest/"``, ``"forest/deep/"``. A folder that may not be read, or is gone, is told of (`Listing.problem`); where
    the disk or the network fails the work ends.

    Parameters
    ----------
    root
        An existing folder.

    Raises
    ------
    DatasetError
        If the root may not be read.
    MachineError
        From every method: if the machine failed.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._listings: dict[str, Listing] = {}
        self._identities: dict[str, tuple[int, int] | None] = {}
        problem = self.listing("").problem
        if problem:
            raise DatasetError(f"{problem}; check path and permissions")

    def listing(self, folder: str) -> Listing:
        """List a folder."""
        if folder not in self._listings:
            self._listings[folder] = self._list(folder)
        return self._listings[folder]

    def holds_images(self, folder: str) -> bool:
        """Whether there are images at any depth below a folder, or may be: where it cannot be read."""
        return any(listing.images or listing.problem for _, listing, _ in self._visit(folder, Walk()))

    def walk(self, folder: str, walk: Walk | None = None) -> Walk:
        """Return all that lies at any depth below a folder, added to what was found before.

        Links to folders are followed, but each real folder is visited once and those above it never, so that links in
        a circle end. Folders of masks or labels (``masks``, or ``mask`` beside ``images``) are passed over.
        """
        walk = Walk() if walk is None else walk
        found: list[str] = []
        linked = set()
        for here, listing, is_linked in self._visit(folder, walk):
            if listing.problem:
                walk.unreadable.append(Skipped(here, listing.problem))
            walk.others += listing.others
            found += [here + name for name in listing.images]
            linked |= {here + name for name in listing.images if is_linked or name in listing.links}
        found.sort(key=natural_key)
        walk.images += found
        walk.linked += [name for name in found if name in linked]
        return walk

    def _visit(self, folder: str, walk: Walk) -> Iterator[tuple[str, Listing, bool]]:
        """Yield folder, listing, and whether a link leads there, for a folder and all below."""
        above = folder.split("/")[:-2]
        # A link upwards would take in the other classes.
        visited = {self._identity("".join(f"{name}/" for name in above[:depth])) for depth in range(len(above) + 1)}
        if folder == "":
            visited = {_identity(self.root.parent)}
        waiting = [(folder, self._is_link(folder))]
        while waiting:
            here, linked = waiting.pop()
            identity = self._identity(here)
            if identity is not None and identity in visited:
                continue
            visited.add(identity)
            listing = self.listing(here)
            yield here, listing, linked
            masks = masks_among(listing.folders, listing.images)
            walk.masks += [f"{here}{name}/" for name in masks]
            below = [name for name in listing.folders if name not in masks]
            # A stack gives the last first; reversed, the shorter of two ways to a linked folder stays the same
            # everywhere.
            waiting += [(f"{here}{name}/", linked or name in listing.links) for name in reversed(below)]

    def _is_link(self, folder: str) -> bool:
        parts = folder.split("/")[:-1]
        places = ["".join(f"{name}/" for name in parts[:depth]) for depth in range(len(parts))]
        return any(name in self.listing(place).links for place, name in zip(places, parts, strict=True))

    def _identity(self, folder: str) -> tuple[int, int] | None:
        """Tell folders apart whatever leads to them; None for one that cannot be looked at."""
        if folder not in self._identities:
            self._identities[folder] = _identity(self.root / folder)
        return self._identities[folder]

    def _list(self, folder: str) -> Listing:
        listing = Listing()
        try:
            entries = patiently(lambda: _entries(self.root / folder))
        except OSError as error:
            listing.problem = _problem(self.root / folder, error)
            return listing
        for name, is_folder, is_link in sorted(entries, key=lambda entry: natural_key(entry[0])):
            if is_folder:
                listing.folders.append(name)
            elif is_image_name(name):
                listing.images.append(name)
            else:
                listing.others[os.path.splitext(name)[1].lower()] += 1
            if is_link:
                listing.links.add(name)
        return listing


def _entries(folder: Path) -> list[tuple[str, bool, bool]]:
    """Return name, whether it is a folder, and whether it is a link, of all that counts in a folder."""
    with os.scandir(folder) as entries:
        return [
            (entry.name, _is_folder(entry), entry.is_symlink())
            for entry in entries
            if not entry.name.startswith(".")
            and entry.name not in _IGNORED_FOLDERS
            and entry.name.lower() not in _IGNORED_FILES
        ]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError as error:
        # A link to where one may not look: it is a folder that cannot be read, unless it is called like an image.
        if error.errno in (errno.EACCES, errno.EPERM):
            return not is_image_name(entry.name)
        if is_machine_fault(error):
            raise
        return False  # a link that points to itself


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        found = patiently(lambda: os.stat(folder))
    except OSError as error:
        _problem(folder, error)
        return None
    return found.st_dev, found.st_ino


def _problem(folder: Path, error: OSError) -> str:
    """Say why a folder could not be read; raise MachineError if the machine failed."""
    reason = f"cannot read folder {printable(folder)}: {said(error)}"
    if is_machine_fault(error) and error.errno not in (errno.EACCES, errno.EPERM):
        raise MachineError(f"{reason}; set that right and run again") from error
    return reason
