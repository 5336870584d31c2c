"""Whether the images of features are still where they were, and where else they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rsir_fast.archive import Features
from rsir_fast.archive.inputs import ROOT
from rsir_fast.archive.items import Items
from rsir_fast.base.faults import named, patiently
from rsir_fast.base.looking import is_folder, size_and_change
from rsir_fast.base.objects import is_object, path_of_url
from rsir_fast.base.text import printable
from rsir_fast.datasets.places import locate
from rsir_fast.datasets.scan import Tree
from rsir_fast.datasets.windows import split_name
from rsir_fast.errors import FeaturesError

__all__ = ["files_of", "missing", "moved_to"]


def missing(features: Features) -> list[str]:
    """Return the files of items, of windows the rasters, that are not where the features say.

    Parameters
    ----------
    features
        Of images in a folder; for those of images in memory the answer is none.

    Raises
    ------
    MachineError
        If the machine failed, so that nothing is known.
    """
    files = files_of(features)
    folders = {folder for folder, _ in files}
    gone = {folder for folder in folders if not _is_there(folder)}
    return [name for folder, name in files if folder in gone or not _is_there(folder / name)]


def files_of(features: Features) -> list[tuple[Path, str]]:
    """Return folder and path below it of each file that items are of, once; of images in memory none."""
    items, root = features.items, features.root
    if isinstance(items, Items):
        placed = [(root if of == ROOT else features.roots.get(of), name) for of, name in items.files]
    else:
        placed = [(root, name) for name in dict.fromkeys(split_name(item)[0] for item in items)]
    return [(folder, name) for folder, name in placed if folder is not None]


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
    root = Path(path_of_url(root))
    if not is_folder(root):
        raise FeaturesError(f"{printable(root)}: expected the folder that holds the images, found none; check --root")
    # A folder is named by the one around it, as for `rsir features`; in a store are rasters, which have no classes.
    place = "" if is_object(root) else locate(Tree(root)).folder
    tried = [replace(features, root=root.absolute() / folder) for folder in dict.fromkeys((place, ""))]
    there, lost = min(((each, missing(each)) for each in tried), key=lambda found: len(found[1]))
    count = len(files_of(features))
    if 2 * len(lost) > count:
        raise FeaturesError(
            f"{printable(root)}: expected the images of {features.name}, but {len(lost)} of {count} are not "
            f"there, the first {printable(lost[0])}; name with --root the folder that holds it under this name"
        )
    return there


def _is_there(path: Path) -> bool:
    def look() -> bool:
        try:
            size_and_change(path)
        except PermissionError:
            return False  # where one may not look, the images are of no use
        return True

    try:
        with named(printable(path)):
            return patiently(look)
    except OSError:
        return False
