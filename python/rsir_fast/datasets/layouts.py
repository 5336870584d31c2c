"""Recognise what a folder of images is: a benchmark data set, a class folder, or images without classes."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from rsir_fast.base.looking import is_folder, is_there
from rsir_fast.base.objects import is_object, path_of_url
from rsir_fast.base.text import listed, printable
from rsir_fast.datasets.dataset import Dataset
from rsir_fast.datasets.folder_names import masks_among
from rsir_fast.datasets.known import KnownLayout, find_by_classes, find_by_name, fold
from rsir_fast.datasets.label_sets import LabelSets
from rsir_fast.datasets.label_tables import find_label_table, holds_patches
from rsir_fast.datasets.places import Place, by_prefix, locate
from rsir_fast.datasets.scan import Tree, Walk, natural_key
from rsir_fast.errors import DatasetError

__all__ = ["open_folder"]

_Groups = dict[str, list[str]]

_EXPECTED = "expected FOLDER/CLASS/image.jpg, or images directly in the folder (JPEG, PNG, TIFF, JPEG2000, BMP, WebP)"
_ENDINGS_SHOWN = 8


def open_folder(folder: str | Path, *, name: str | None = None, all_items: bool = False) -> Dataset:
    """Open a folder of images as a data set.

    Recognised by their classes and their name, from the outer or the inner folder or from a parent that holds only one
    of them: UC Merced, WHU-RS19, AID, RSSCN7, PatternNet, NWPU-RESISC45, EuroSAT, in class folders or flat with the
    class in the file name (``airport_01.jpg``). Any other folder with subfolders has their names as classes, and images
    further down belong to the uppermost of them; a folder with images only has no classes. Label sets beside them
    (DLRSD, multi-label UC Merced, MLRSNet: `rsir_fast.datasets.read_label_table`) become the data set's ``label_sets``.

    No classes are, by their names: wrappers (``Images/``, or the only folder, at any depth up to 8), parts of a split
    (``train/``, ``val/``, ``test/`` above the classes are taken together) and masks (``masks/`` or ``labels/`` beside
    the images are left out). Where that leaves two readings the folder is refused, and told which to name.

    Parameters
    ----------
    folder
        Where to look. Hidden files, ``__MACOSX``, ``Thumbs.db`` and the like are passed over.
    name
        Replaces the name found.
    all_items
        Take all images of WHU-RS19, not the first 50 of each class (the paper uses 19 x 50 of its 1005).

    Returns
    -------
    Dataset
        Items by class, then by name, in natural order. Its `notes` say where it deviates from the published data set,
        what was taken, and what was left out: files of other endings, images outside the classes, masks; deviations are
        never fatal. Its `unreadable` lists folders that may not be read.

    Raises
    ------
    DatasetError
        If the folder is missing, is a file, cannot be read, holds no images, or has two readings.
    MachineError
        If the disk or the network failed.
    """
    folder = Path(path_of_url(folder))
    if is_object(folder):
        raise DatasetError(
            f"{printable(folder)}: expected a folder of this machine, got a store, where only rasters are read; cut "
            "them into tiles (rf.tiles, --size), or copy the images here first"
        )
    if not is_folder(folder):
        raise DatasetError(_what_is_missing(folder))
    if holds_patches(folder):
        raise DatasetError(
            f"{printable(folder)}: expected one image file for each scene, found BigEarthNet's patches, which have a "
            "file for each band; make one RGB image PATCH.tif of B04, B03, B02 of each, open their folder, and name "
            "this one for the labels (--labels, rf.datasets.read_label_table)"
        )
    tree = Tree(folder)
    place = locate(tree)
    if place.refusal:
        raise DatasetError(place.refusal)
    found = _Found()
    _gather(tree, place, found)
    groups = {label: found.groups[label] for label in sorted(found.groups, key=natural_key)}
    known, notes = place.known, place.notes
    if place.parts:
        known = find_by_classes(groups, ())
    if known is not None:
        notes += _deviations(known, groups)
        # Only of the whole published data set: a folder of the user's that resembles it is not cut.
        whole = not place.parts and {fold(label) for label in groups} == known.classes
        if known.first is not None and not all_items and whole:
            available = sum(map(len, groups.values()))
            groups = {label: items[: known.first] for label, items in groups.items()}
            taken = sum(map(len, groups.values()))
            if taken < available:
                notes.append(
                    f"{known.name}: took the first {known.first} images of each class in natural order, "
                    f"{taken} of {available} (all_items=True takes all)"
                )
    items = [item for group in groups.values() for item in group] if groups else found.loose
    if not items:
        raise DatasetError(_nothing_in(folder, found))
    labels = np.repeat(np.arange(len(groups), dtype=np.int64), [len(group) for group in groups.values()])
    notes += [*_left_out(tree, place, found), *_alike(groups), *_twice(tree, items, groups, found.walk.linked)]
    root = place.folder if not place.parts else ""
    sets, said = _label_sets(folder, folder / root, items)
    notes += said
    return Dataset(
        name=name or (known.name if known else os.path.basename(os.path.abspath(folder))) or "dataset",
        root=folder / root,
        items=tuple(item.removeprefix(root) for item in items),
        labels=labels if groups else None,
        classes=tuple(groups),
        notes=tuple(notes),
        label_sets=sets,
        unreadable=tuple(entry._replace(item=entry.item.removeprefix(root)) for entry in found.walk.unreadable),
    )


def _label_sets(folder: Path, root: Path, items: list[str]) -> tuple[LabelSets | None, list[str]]:
    """Return the label sets that lie beside the images, and what is to be said of them; nothing is fatal."""
    try:
        table = find_label_table(root) or (None if root == folder else find_label_table(folder))
        if table is None:
            return None, []
        sets = table.of(items)
        return sets, [f"{len(sets.names)} labels of images were read from {os.path.basename(table.source)}"]
    except DatasetError as error:
        return None, [f"labels of images were left out: {error}"]


@dataclass
class _Found:
    """Images by class, images that belong to none, and what was met on the way."""

    groups: _Groups = field(default_factory=dict)
    loose: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    walk: Walk = field(default_factory=Walk)
    above: set[str] = field(default_factory=set)


def _gather(tree: Tree, place: Place, found: _Found) -> None:
    """Add the images of a place."""
    for part in place.parts.values():
        _gather(tree, part, found)
    if place.parts:
        return
    names = place.folder.split("/")[:-1]
    found.above |= {"".join(f"{name}/" for name in names[:depth]) for depth in range(len(names))}
    listing = tree.listing(place.folder)
    masks = masks_among(listing.folders, listing.images)
    found.walk.masks += [f"{place.folder}{name}/" for name in masks]
    groups: _Groups = {}
    for label in listing.folders:
        if label not in masks:
            images, folders = len(found.walk.images), len(found.walk.unreadable)
            tree.walk(f"{place.folder}{label}/", found.walk)
            if len(found.walk.images) > images:
                groups[label] = found.walk.images[images:]
            elif len(found.walk.unreadable) == folders:
                found.empty.append(label)
    loose = listing.images
    if not groups and place.known is not None:
        groups, loose = by_prefix(loose), []
        groups = {label: [place.folder + image for image in images] for label, images in groups.items()}
    for label, items in groups.items():
        found.groups.setdefault(label, []).extend(items)
    found.loose += [place.folder + image for image in loose]
    found.walk.linked += [place.folder + image for image in listing.images if image in listing.links]
    found.walk.others += listing.others


def _look_above(tree: Tree, place: Place, found: _Found) -> list[str]:
    """Add what lies beside the folders on the way to the images; return the images."""
    outside: list[str] = []
    for folder in sorted(found.above, key=natural_key):
        listing = tree.listing(folder)
        found.walk.others += listing.others
        outside += [folder + image for image in listing.images]
        if place.known is None:
            masks = masks_among(listing.folders, listing.images)
            found.walk.masks += [f"{folder}{name}/" for name in masks]
            rest = (name for name in listing.folders if name not in masks)
            found.empty += [folder + name for name in rest if not tree.holds_images(f"{folder}{name}/")]
    return outside


def _left_out(tree: Tree, place: Place, found: _Found) -> list[str]:
    """Say what belongs to no class, and what is no image."""
    notes = []
    outside = _look_above(tree, place, found) + (found.loose if found.groups else [])
    if found.empty:
        notes.append(f"folders without images were left out: {', '.join(map(printable, found.empty))}")
    if outside:
        where = "the class folders" if found.groups else "that folder"
        what = f"{len(outside)} images" if len(outside) > 1 else "1 image"
        verb = "were" if len(outside) > 1 else "was"
        notes.append(f"{what} outside {where} {verb} left out, the first {printable(outside[0])}")
    masks = [name.rstrip("/") for name in found.walk.masks]
    if masks:
        notes.append(f"folders of masks or labels were left out: {listed(masks)}")
    if found.walk.others:
        notes.append(f"{_endings(found.walk.others)} left out")
    return notes


def _endings(others: Counter[str]) -> str:
    """Count files by their endings: ``3 files with endings .gif (2), .xyz (1) were``."""
    ordered = sorted(others.items(), key=lambda entry: (-entry[1], entry[0]))
    if len(ordered) == 1:
        ending, count = ordered[0]
        what = f"with ending {printable(ending)}" if ending else "without ending"
        return f"{count} files {what} were" if count > 1 else f"1 file {what} was"
    counted = [f"{ending or 'none'} ({count})" for ending, count in ordered]
    return f"{others.total()} files with endings {listed(counted, _ENDINGS_SHOWN)} were"


def _alike(groups: _Groups) -> list[str]:
    """Say which classes are one by all but case, spaces, or the form of their accents."""
    by_look: dict[str, list[str]] = {}
    for label in groups:
        look = re.sub(r"[\s_-]", "", unicodedata.normalize("NFKC", label).casefold())
        by_look.setdefault(look, []).append(label)
    # As code points: two of them may look the same in any font.
    return [
        "kept apart as classes, though their names differ only in case, spaces or the form of letters: "
        + ", ".join(f"{label!a} ({len(groups[label])})" for label in labels)
        + "; if they are one, put their images into one folder"
        for labels in by_look.values()
        if len(labels) > 1
    ]


def _twice(tree: Tree, items: list[str], groups: _Groups, linked: list[str]) -> list[str]:
    """Say which images are links to others of the data set, and which of them are of another class there."""
    links = set(linked).intersection(items)
    if not links:
        return []
    root = os.path.realpath(tree.root)
    classes = {item: label for label, group in groups.items() for item in group}
    met = {os.path.join(root, item): item for item in items if item not in links}
    again, torn = [], []
    for item in (item for item in items if item in links):
        first = met.setdefault(os.path.realpath(tree.root / item), item)
        if first != item:
            again.append(item)
            if classes.get(first) != classes.get(item):
                torn.append((first, item))
    if not again:
        return []
    what = f"{len(again)} images are links" if len(again) > 1 else "1 image is a link"
    notes = [f"{what} to other images of the data set, the first {printable(again[0])}: each counts as one of its own"]
    if torn:
        what = (
            f"{len(torn)} images are in two classes by a link"
            if len(torn) > 1
            else "1 image is in two classes by a link"
        )
        one, other = map(printable, torn[0])
        notes.append(f"{what}, the first as {one} and {other}: no ranking can be right for both; remove one of them")
    return notes


def _nothing_in(folder: Path, found: _Found) -> str:
    more = [*(f"{_endings(found.walk.others)} found",) * bool(found.walk.others)]
    more += [entry.reason for entry in found.walk.unreadable[:3]]
    if found.walk.masks:
        more.append(f"images of masks or labels alone: name {printable(folder / found.walk.masks[0])} to have those")
    return "; ".join([f"no images in {printable(folder)}: {_EXPECTED}", *more])


def _what_is_missing(folder: Path) -> str:
    if is_there(folder):
        return f"{printable(folder)} is a file, not a folder: {_EXPECTED}; unpack an archive first"
    message = f"no folder at {printable(folder)}: {_EXPECTED}"
    known = find_by_name(folder.name)
    if known is None:
        return message
    download = " or let it be downloaded (download=True)" if known.name == "UCMerced_LandUse" else ""
    return f"{message}. {known.name} comes from {known.homepage}: unpack it there{download}"


def _deviations(known: KnownLayout, groups: _Groups) -> list[str]:
    found: Counter[str] = Counter()
    for label, items in groups.items():
        found[fold(label)] += len(items)
    total = found.total()
    details = []
    if missing := known.classes - found.keys():
        details.append(f"missing classes: {', '.join(sorted(missing))}")
    if unknown := [label for label in groups if fold(label) not in known.classes]:
        details.append(f"unknown classes: {listed(unknown, 20)}")
    if known.per_class is not None:
        details += [
            f"{label} has {len(items)} of {known.per_class}"
            for label, items in groups.items()
            if fold(label) in known.classes and len(items) != known.per_class
        ]
    if total == known.images and not details:
        return []
    return [
        f"{known.name}: expected {known.images} images in {len(known.classes)} classes, "
        f"found {total} in {len(found)}" + (f" ({'; '.join(details)})" if details else "")
    ]
