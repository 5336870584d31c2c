"""Whether the images of features are still where they were, and where else they are."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from rsir_fast.archive import Features
from rsir_fast.base.faults import named, patiently
from rsir_fast.base.looking import is_folder
from rsir_fast.base.text import printable
from rsir_fast.datasets.places import locate
from rsir_fast.datasets.scan import Tree
from rsir_fast.errors import FeaturesError

__all__ = ["missing", "moved_to"]


def missing(features: Features, items: Iterable[str] | None = None) -> list[str]:
    """Return the items that are no files below the features' root.

    Parameters
    ----------
    features
        Of images in a folder; for those of images in memory the answer is none.
    items
        Which to look for. Default: all.

    Raises
    ------
    MachineError
        If the machine failed, so that nothing is known.
    """
    root = features.root
    if root is None:
        return []
    if not _is_there(root):
        return list(features.items if items is None else items)
    return [item for item in (features.items if items is None else items) if not _is_there(root / item)]


def moved_to(features: Features, root: Path) -> Features:
    """Return features whose images are in another folder now.

    Parameters
    ----------
    root
        Holds the images under the names that they had below the former root, it or the folder of the data set around
        them; a few may be gone.

    Raises
    ------
    FeaturesError
        If the folder holds less than half of the images.
    """
    if features.root is None:
        raise FeaturesError(f"features of {features.name}: expected none in memory to have a root; leave --root out")
    if not is_folder(root):
        raise FeaturesError(f"{printable(root)}: expected the folder that holds the images, found none; check --root")
    place = locate(Tree(root)).folder  # named by its outer folder, as for `rsir features`
    tried = [replace(features, root=root.absolute() / folder) for folder in dict.fromkeys((place, ""))]
    there, lost = min(((each, missing(each)) for each in tried), key=lambda found: len(found[1]))
    if features.items and 2 * len(lost) > len(features):
        raise FeaturesError(
            f"{printable(root)}: expected the images of {features.name}, but {len(lost)} of {len(features)} are not "
            f"there, the first {printable(lost[0])}; name with --root the folder that holds it under this name"
        )
    return there


def _is_there(path: Path) -> bool:
    def look() -> bool:
        try:
            os.stat(path)
        except PermissionError:
            return False  # where one may not look, the images are of no use
        return True

    try:
        with named(printable(path)):
            return patiently(look)
    except OSError:
        return False
