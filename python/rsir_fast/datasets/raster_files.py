"""Which rasters a user names: files, patterns, folders."""

from __future__ import annotations

import fnmatch
import glob
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rsir_fast.base.looking import is_folder, is_there
from rsir_fast.base.objects import is_object, objects_below, path_of_url
from rsir_fast.base.text import listed, printable
from rsir_fast.datasets.scan import Tree, natural_key
from rsir_fast.errors import DatasetError

__all__ = ["RASTER_SUFFIXES", "RasterFiles", "find_rasters"]

RASTER_SUFFIXES = frozenset({".tif", ".tiff", ".gtiff", ".jp2", ".j2k"})
"""File name endings, in lower case, that make a file in a folder a raster."""

_GLOB = frozenset("*?[")


@dataclass(frozen=True)
class RasterFiles:
    """Rasters, each once.

    Attributes
    ----------
    root : Path
        The folder around all of them.
    sources : tuple of str
        POSIX paths below it, in natural order.
    notes : tuple of str
        What was left out.
    """

    root: Path
    sources: tuple[str, ...]
    notes: tuple[str, ...] = ()


def find_rasters(rasters: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> RasterFiles:
    """Find files by paths, glob patterns and folders.

    Parameters
    ----------
    rasters
        As for `rsir_fast.tiles`.

    Raises
    ------
    DatasetError
        If one of them leads to nothing.
    """
    named = [rasters] if isinstance(rasters, str | os.PathLike) else list(rasters)
    if not named:
        raise DatasetError("rasters: expected files, patterns or folders, got none; name at least one")
    found = [path for each in named for path in _files(path_of_url(each))]
    once: dict[str, str] = {}
    for path in found:
        once.setdefault(os.path.realpath(path), path)
    paths = list(once.values())
    notes = []
    if len(paths) < len(found):
        again = [path for path in dict.fromkeys(found) if path not in paths] or [
            path for path in paths if found.count(path) > 1
        ]
        notes.append(f"named more than once, taken once: {listed(again, 3)}")
    folders = [os.path.dirname(path) for path in paths]
    root = folders[0] if len(folders) == 1 else os.path.commonpath(folders)
    sources = sorted((Path(os.path.relpath(path, root)).as_posix() for path in paths), key=natural_key)
    return RasterFiles(Path(root), tuple(sources), tuple(notes))


def _files(given: str) -> list[str]:
    """Return the absolute paths of what a path or pattern leads to."""
    if not given or "\0" in given:
        raise DatasetError(f"rasters: expected a path or a pattern, got {given!r}; name a file")
    if "://" in given or (given.startswith("/vsi") and not is_object(given)):
        raise DatasetError(
            f"{printable(given)}: expected files of this machine, or s3://BUCKET/KEY, got another place; copy them "
            "here first, or mount it"
        )
    if is_folder(given):
        below = [name for name in _below(given) if _ending(name) in RASTER_SUFFIXES]
        if not below:
            raise DatasetError(
                f"{printable(given)}: expected rasters in the folder ({', '.join(sorted(RASTER_SUFFIXES))}), found "
                "none; name another folder, or the files"
            )
        return [os.path.abspath(os.path.join(given, name)) for name in below]
    if is_there(given):
        return [os.path.abspath(given)]
    matches = sorted(_matching(given), key=natural_key) if _GLOB & set(given) else []
    files = [os.path.abspath(path) for path in matches if not is_folder(path)]
    if not files:
        raise DatasetError(f"{printable(given)}: expected rasters, found no such file; check the path or the pattern")
    return files


def _below(folder: str) -> list[str]:
    """Return the paths of images below a folder, from there."""
    if is_object(folder):
        return sorted((path[len(folder.rstrip("/")) + 1 :] for path in objects_below(folder)), key=natural_key)
    return Tree(Path(folder)).walk("").images


def _matching(pattern: str) -> list[str]:
    """Return the paths that a pattern fits."""
    if not is_object(pattern):
        return glob.glob(pattern, recursive=True)
    wanted = pattern.split("/")
    fixed = next(number for number, part in enumerate(wanted) if _GLOB & set(part))
    return [path for path in objects_below("/".join(wanted[:fixed])) if _fits(path.split("/"), wanted)]


def _fits(parts: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether a path fits a pattern as `glob` has it: ``**`` for folders at any depth, a dot in front to be named."""
    if not (parts and wanted):
        return not parts and not wanted
    is_shown = wanted[0].startswith(".") or not parts[0].startswith(".")
    if wanted[0] == "**":
        is_end = len(parts) == len(wanted) == 1
        return (is_shown and (is_end or _fits(parts[1:], wanted))) or _fits(parts, wanted[1:])
    return is_shown and fnmatch.fnmatchcase(parts[0], wanted[0]) and _fits(parts[1:], wanted[1:])


def _ending(name: str) -> str:
    return os.path.splitext(name)[1].lower()
