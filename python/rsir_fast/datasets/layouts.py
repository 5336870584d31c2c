"""Recognise what a folder of images is: a benchmark data set, a class folder, or images without classes."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from rsir_fast.base.text import printable
from rsir_fast.datasets.dataset import Dataset
from rsir_fast.datasets.known import KnownLayout, find_by_classes, find_by_name, fold
from rsir_fast.datasets.scan import list_folder, natural_key, walk_images
from rsir_fast.errors import DatasetError

__all__ = ["open_folder"]

_Groups = dict[str, list[str]]

_NUMBERED = re.compile(r"(?P<prefix>.*?[^\d _-])[ _-]*\d+")
_WRAPPERS = frozenset({"image", "images", "img", "imgs", "data"})
_DEEPEST_WRAPPING = 4
_EXPECTED = "expected FOLDER/CLASS/image.jpg, or images directly in the folder (JPEG, PNG, TIFF, JPEG2000, BMP, WebP)"


def open_folder(folder: str | Path, *, name: str | None = None, all_items: bool = False) -> Dataset:
    """Open a folder of images as a data set.

    Recognised by their classes and their name, from the outer or the inner folder or from a parent that holds only one
    of them: UC Merced, WHU-RS19, AID, RSSCN7, PatternNet, NWPU-RESISC45, EuroSAT, in class folders or flat with the
    class in the file name (``airport_01.jpg``). Any other folder with subfolders has their names as classes, and images
    further down belong to the uppermost of them; a folder with images only has no classes.

    Parameters
    ----------
    folder
        Where to look. Hidden files, ``__MACOSX`` and files that are no images are passed over.
    name
        Replaces the name found.
    all_items
        Take all images of WHU-RS19, not the first 50 of each class (the paper uses 19 x 50 of its 1005).

    Returns
    -------
    Dataset
        Items by class, then by name, in natural order. Its `notes` say where it deviates from the published data set
        and what was left out; deviations are never fatal.

    Raises
    ------
    DatasetError
        If the folder is missing, is a file, cannot be read, or holds no images.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DatasetError(_what_is_missing(folder))
    root, known, notes = _locate(folder, _DEEPEST_WRAPPING)
    groups, loose = _group(root, known, notes)
    if known is not None:
        notes += _deviations(known, groups)
        # Only of the whole published data set: a folder of the user's that resembles it is not cut.
        if known.first is not None and not all_items and {fold(label) for label in groups} == known.classes:
            available = sum(map(len, groups.values()))
            groups = {label: items[: known.first] for label, items in groups.items()}
            taken = sum(map(len, groups.values()))
            if taken < available:
                notes.append(
                    f"{known.name}: took the first {known.first} images of each class in natural order, "
                    f"{taken} of {available} (all_items=True takes all)"
                )
    items = tuple(item for group in groups.values() for item in group) if groups else tuple(loose)
    if not items:
        raise DatasetError(f"no images in {printable(folder)}: {_EXPECTED}")
    labels = np.repeat(np.arange(len(groups), dtype=np.int64), [len(group) for group in groups.values()])
    return Dataset(
        name=name or (known.name if known else os.path.basename(os.path.abspath(folder))) or "dataset",
        root=root,
        items=items,
        labels=labels if groups else None,
        classes=tuple(groups),
        notes=tuple(notes),
    )


def _what_is_missing(folder: Path) -> str:
    if folder.exists():
        return f"{printable(folder)} is a file, not a folder: {_EXPECTED}; unpack an archive first"
    message = f"no folder at {printable(folder)}: {_EXPECTED}"
    known = find_by_name(folder.name)
    if known is None:
        return message
    download = " or let it be downloaded (download=True)" if known.name == "UCMerced_LandUse" else ""
    return f"{message}. {known.name} comes from {known.homepage}: unpack it there{download}"


def _locate(folder: Path, depth: int) -> tuple[Path, KnownLayout | None, list[str]]:
    """Walk through wrapping folders down to the one whose subfolders are the classes."""
    folders, images = list_folder(folder)
    outer_names = Path(os.path.abspath(folder)).parts[:-3:-1]
    known = find_by_classes(folders or _by_prefix(images), outer_names)
    if known is not None or depth == 0:
        return folder, known, []
    inside = [name for name in folders if find_by_name(name) or fold(name) in _WRAPPERS]
    if len(inside) == 1:
        root, known, notes = _locate(folder / inside[0], depth - 1)
        if known is not None:
            others = [printable(name) for name in folders if name != inside[0]]
            if others:
                notes.append(f"took {printable(inside[0])}; other folders beside it were left out: {', '.join(others)}")
            return root, known, notes
    if len(folders) == 1 and not images:
        inner_folders, inner_images = list_folder(folder / folders[0])
        if inner_folders and not inner_images:
            return _locate(folder / folders[0], depth - 1)
    return folder, None, []


def _by_prefix(images: list[str]) -> _Groups:
    """Group flat names such as ``airport_01.jpg`` by what stands before the number; empty if one has no number."""
    groups: _Groups = {}
    for image in images:
        match = _NUMBERED.fullmatch(os.path.splitext(image)[0])
        if match is None:
            return {}
        groups.setdefault(match["prefix"], []).append(image)
    return {label: groups[label] for label in sorted(groups, key=natural_key)}


def _group(root: Path, known: KnownLayout | None, notes: list[str]) -> tuple[_Groups, list[str]]:
    """Images by class, and images that belong to none; adds to `notes` what was left out."""
    folders, images = list_folder(root)
    groups = {label: [f"{label}/{image}" for image in walk_images(root / label)] for label in folders}
    empty = [printable(label) for label, items in groups.items() if not items]
    groups = {label: items for label, items in groups.items() if items}
    if not groups:
        return (_by_prefix(images), []) if known is not None else ({}, images)
    if empty:
        notes.append(f"folders without images were left out: {', '.join(empty)}")
    if images:
        notes.append(f"{len(images)} images outside the class folders were left out, the first {printable(images[0])}")
    return groups, []


def _deviations(known: KnownLayout, groups: _Groups) -> list[str]:
    found = {fold(label): len(items) for label, items in groups.items()}
    total = sum(found.values())
    details = []
    if missing := known.classes - found.keys():
        details.append(f"missing classes: {', '.join(sorted(missing))}")
    if unknown := found.keys() - known.classes:
        details.append(f"unknown classes: {', '.join(sorted(unknown))}")
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
