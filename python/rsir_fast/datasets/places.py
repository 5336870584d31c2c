"""Where in a folder the classes are: within wrappers, in parts of a split; refused where there are two readings."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rsir_fast.base.text import listed, printable
from rsir_fast.datasets.folder_names import is_part, is_wrapper, masks_among
from rsir_fast.datasets.known import KnownLayout, find_by_classes, find_by_name
from rsir_fast.datasets.scan import Tree, natural_key

__all__ = ["Place", "by_prefix", "locate"]

_NUMBERED = re.compile(r"(?P<prefix>.*?[^\d _-])[ _-]*\d+")
_DEEPEST_WRAPPING = 8


@dataclass
class Place:
    """The folder whose subfolders are the classes, or a folder of images without classes.

    Attributes
    ----------
    folder
        As a `Tree` names it.
    known
        The published data set that it is.
    parts
        By name, the places in the parts of a split (``train``, ``test``), if the folder has those in place of classes.
    notes
        What was chosen.
    refusal
        Why the folder has no one reading, and which folder to name instead; empty if it has.
    """

    folder: str
    known: KnownLayout | None = None
    parts: dict[str, Place] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    refusal: str = ""


def locate(tree: Tree) -> Place:
    """Find the place in a folder where the classes are."""
    place = _locate(tree, "", _DEEPEST_WRAPPING)
    if place.folder and place.known is None:
        place.notes.insert(0, f"took {_name(place.folder)}, the folder that holds the images")
    return place


def by_prefix(images: Sequence[str]) -> dict[str, list[str]]:
    """Group flat names such as ``airport_01.jpg`` by what stands before the number; empty if one has no number."""
    groups: dict[str, list[str]] = {}
    for image in images:
        match = _NUMBERED.fullmatch(os.path.splitext(image)[0])
        if match is None:
            return {}
        groups.setdefault(match["prefix"], []).append(image)
    return {label: groups[label] for label in sorted(groups, key=natural_key)}


def _locate(tree: Tree, folder: str, depth: int, *, within_part: bool = False) -> Place:
    listing = tree.listing(folder)
    known = find_by_classes(listing.folders or by_prefix(listing.images), _own_names(tree.root / folder))
    if known is not None:
        return Place(folder, known)
    if depth == 0:
        what = f"more than {_DEEPEST_WRAPPING} folders within one another and no classes yet"
        return Place(folder, refusal=_refusal(tree, "", what, folder))
    named = [name for name in listing.folders if find_by_name(name) or is_wrapper(name)]
    inner = [(name, _locate(tree, f"{folder}{name}/", depth - 1)) for name in named]
    benchmarks = [(name, place) for name, place in inner if place.known is not None]
    if len(benchmarks) > 1:
        names = [name for name, _ in benchmarks]
        return Place(folder, refusal=_refusal(tree, folder, f"{len(names)} data sets, {listed(names)}", names[0]))
    for name, place in benchmarks:
        others = [other for other in listing.folders if other != name]
        if others:
            more = ", ".join(map(printable, others))
            place.notes.append(f"took {printable(name)}; other folders beside it were left out: {more}")
        return place
    masks = masks_among(listing.folders, listing.images)
    holding = [name for name in listing.folders if name not in masks and tree.holds_images(f"{folder}{name}/")]
    parts = [name for name in holding if is_part(name)]
    wrappers = [name for name in holding if is_wrapper(name)]
    if len(holding) == 1:
        return _alone(tree, folder, holding[0], depth, within_part)
    if len(parts) > 1 and len(parts) == len(holding):
        return _parted(tree, folder, parts, depth)
    if len(parts) > 1 or any(_alike(tree, folder, part, holding) for part in parts):
        rest = listed([name for name in holding if name not in parts])
        no_class = "its name is no class" if len(parts) == 1 else "their names are no classes"
        what = f"{listed(parts)}, which by {no_class}, beside {rest}"
        return Place(folder, refusal=_refusal(tree, folder, what, parts[0]))
    if wrappers:
        rest = listed([name for name in holding if name not in wrappers[:1]])
        what = f"{printable(wrappers[0])}, which by its name is no class, beside {rest}"
        return Place(folder, refusal=_refusal(tree, folder, what, wrappers[0]))
    return Place(folder, notes=_deeper(tree, folder, holding))


def _alone(tree: Tree, folder: str, name: str, depth: int, within_part: bool) -> Place:
    """Go into the only folder that holds images, if it wraps the classes and is not one itself."""
    inside = tree.listing(f"{folder}{name}/")
    wraps = is_wrapper(name) or is_part(name)
    if not wraps and not within_part and not inside.images and not tree.listing(folder).images:
        masks = masks_among(inside.folders, inside.images)
        wraps = any(tree.holds_images(f"{folder}{name}/{inner}/") for inner in inside.folders if inner not in masks)
    return _locate(tree, f"{folder}{name}/", depth - 1, within_part=within_part) if wraps else Place(folder)


def _parted(tree: Tree, folder: str, parts: list[str], depth: int) -> Place:
    """Take all parts of a split together."""
    places = [_locate(tree, f"{folder}{name}/", depth - 1, within_part=True) for name in parts]
    refused = next((place.refusal for place in places if place.refusal), "")
    if refused:
        return Place(folder, refusal=refused)
    classed = [name for name, place in zip(parts, places, strict=True) if _has_classes(tree, place)]
    if 0 < len(classed) < len(parts):
        flat = listed([name for name in parts if name not in classed])
        what = f"{listed(classed)} with classes beside {flat} without"
        return Place(folder, refusal=_refusal(tree, folder, what, classed[0]))
    one = printable(tree.root / folder / parts[0])
    taken = (
        f"took {listed(parts)} together: parts of one data set by their names, not classes; name {one} for one alone"
    )
    return Place(
        folder,
        parts=dict(zip(parts, places, strict=True)),
        notes=[taken, *(note for place in places for note in place.notes)],
    )


def _has_classes(tree: Tree, place: Place) -> bool:
    if place.known is not None or place.parts:
        return place.known is not None or any(_has_classes(tree, part) for part in place.parts.values())
    listing = tree.listing(place.folder)
    masks = masks_among(listing.folders, listing.images)
    return any(tree.holds_images(f"{place.folder}{name}/") for name in listing.folders if name not in masks)


def _alike(tree: Tree, folder: str, name: str, others: list[str]) -> bool:
    """Whether a folder has subfolders of the same names as another: two of them, or the only one."""
    mine = set(tree.listing(f"{folder}{name}/").folders)
    return any(_share(mine, set(tree.listing(f"{folder}{other}/").folders)) for other in others if other != name)


def _share(one: set[str], other: set[str]) -> bool:
    return len(one & other) >= 2 or (len(one) == 1 and one == other)


def _deeper(tree: Tree, folder: str, classes: list[str]) -> list[str]:
    """Note that the classes taken hold the same subfolders, no images: those may be what was meant."""
    inside = [tree.listing(f"{folder}{name}/") for name in classes]
    if len(classes) < 2 or any(listing.images for listing in inside):
        return []
    shared = set.intersection(*(set(listing.folders) for listing in inside))
    if len(shared) < 2:
        return []
    names, one = sorted(shared, key=natural_key), printable(tree.root / folder / classes[0])
    return [
        f"took {listed(classes)} for the classes, though each holds {listed(names)}: if those are the classes, name "
        f"one of the folders above them, such as {one}"
    ]


def _refusal(tree: Tree, folder: str, what: str, instead: str) -> str:
    where, one = printable(tree.root / folder), printable(tree.root / folder / instead)
    return f"expected one folder per class in {where}, found {what}: name one folder of classes, such as {one}"


def _name(folder: str) -> str:
    return printable(folder.rstrip("/"))


def _own_names(folder: Path) -> Sequence[str]:
    """Return the names of a folder and its parent."""
    return Path(os.path.abspath(folder)).parts[:-3:-1]
