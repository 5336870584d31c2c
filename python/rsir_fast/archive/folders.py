"""Whose a folder is: an archive, features of before, an empty folder, or somebody's own."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal

from rsir_fast.archive.inputs import DESCRIPTOR, ENCODER, FOLDERS, refuse_others
from rsir_fast.archive.legacy import clear_legacy, foreign_in_legacy, legacy_state
from rsir_fast.archive.records import PartRecord
from rsir_fast.archive.snapshot import Snapshot, refuse_other_encoder
from rsir_fast.archive.versions import is_archive, newest
from rsir_fast.base.durable import LEFTOVER, remove, remove_empty, sweep
from rsir_fast.base.held import remove_folder
from rsir_fast.base.looking import is_file, is_folder, refuse_no_folder
from rsir_fast.base.reading import read_record
from rsir_fast.base.text import printable
from rsir_fast.encoders.spec import Spec, parse_spec
from rsir_fast.errors import ArchiveError, FeaturesError

__all__ = [
    "DESCRIPTOR",
    "ENCODER",
    "check_encoder",
    "check_folder",
    "clear",
    "clear_empty",
    "features_state",
    "learnt_file",
    "rows_kept",
]


def features_state(folder: Path) -> Literal["finished", "unfinished"] | None:
    """Tell whether a folder holds features, in an archive or as before; None if not.

    Raises
    ------
    MachineError
        If the machine failed to read it.
    """
    if is_archive(folder):
        return "finished"
    if legacy_state(folder) is not None:
        return legacy_state(folder)
    return "unfinished" if is_folder(folder / "work") and not _foreign(folder) else None


def check_folder(folder: Path, *, resume: bool = False, force: bool = False) -> None:
    """Check, changing nothing, that features may be written to a folder.

    Raises
    ------
    FeaturesError
        If it is a file; holds anything but features; or features, and neither `resume` nor `force` is given.
    """
    refuse_no_folder(folder, "the features", FeaturesError)
    if not is_folder(folder):
        return
    legacy, ours = legacy_state(folder), is_archive(folder)
    foreign = foreign_in_legacy(folder) if legacy is not None and not ours else _foreign(folder)
    if foreign and (force or not ours):
        raise FeaturesError(
            f"{folder}: expected a new or empty folder, or one of features, found {printable(min(foreign))!r} in it; "
            "choose another folder"
        )
    state = features_state(folder)
    if state is not None and not (resume or force):
        raise FeaturesError(f"{folder} holds {state} features: resume=True goes on with them, force=True replaces them")
    if legacy is not None and not force:
        raise FeaturesError(
            f"{folder} holds features of a former format, which can be read, but not added to: choose another folder, "
            "or replace them (force, --force)"
        )


def check_encoder(folder: Path, spec: Spec) -> None:
    """Check, reading no rows, that a folder is no archive of another encoder.

    What it learns from the images, and its precision, may not be known yet, and are passed over.

    Raises
    ------
    ArchiveError
        If it is one, or no version of it is whole.
    """
    if is_archive(folder):
        version, _ = newest(folder, mend=True)
        ignoring = "learnt", "precision", "dtype"
        refuse_other_encoder(folder, parse_spec(version.spec), spec, ignoring, replaceable=True)


def clear(folder: Path) -> None:
    """Remove the features in a folder; what names them goes first, so that nothing half-removed looks whole."""
    if not is_folder(folder):
        return
    sweep(folder)
    if legacy_state(folder) is not None:
        clear_legacy(folder)
    refuse_others(folder)
    for name in FOLDERS:
        if (folder / name).is_symlink():
            remove(folder / name)
        remove_folder(folder / name)


def clear_empty(folder: Path) -> None:
    """Remove a folder in which a writer left nothing of worth."""
    for name in FOLDERS:
        remove_empty(folder / name)
    remove_empty(folder)


def learnt_file(folder: Path) -> Path | None:
    """Return the file of what a descriptor learnt that travels with features; None if there is none."""
    places = (folder / ENCODER / DESCRIPTOR, folder / DESCRIPTOR)
    return next((place for place in places if is_file(place)), None)


def rows_kept(folder: Path) -> int:
    """Count the images of which something is kept in a folder, however a run ended."""
    committed = 0
    if is_archive(folder):
        try:
            version = Snapshot(folder)
        except ArchiveError:
            return 0
        committed = len(version) + len(version.skipped)
    parts = 0
    for path in (folder / "work").glob("*/[0-9]*/part.json"):
        try:
            part = read_record(PartRecord, path, "a part of some work", "", ArchiveError)
        except ArchiveError:
            continue
        parts += len(part.rows) + len(part.skipped)
    return committed + parts


def _foreign(folder: Path) -> list[str]:
    """Names of what is in a folder, and in an archive's folders, beside an archive."""
    found = []
    for name in os.listdir(folder):
        if LEFTOVER.fullmatch(name):
            continue
        if name not in FOLDERS or not is_folder(folder / name):
            found.append(name)
            continue
        inner = [one for one in os.listdir(folder / name) if not LEFTOVER.fullmatch(one)]
        found += [f"{name}/{one}" for one in inner if not re.fullmatch(FOLDERS[name], one)]
        found += [
            f"{name}/{one}/{file}" for one in inner if name == "segments" for file in _others(folder / name / one)
        ]
    return found


def _others(segment: Path) -> list[str]:
    names = os.listdir(segment) if is_folder(segment) else []
    return [name for name in names if not re.fullmatch(r"segment\.json|.+\.(npy|arrow|sidecar)", name)]
