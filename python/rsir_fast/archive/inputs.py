"""What an archive shall hold: files, as they are now."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from rsir_fast.base.durable import LEFTOVER
from rsir_fast.base.looking import is_folder, refuse_no_folder
from rsir_fast.base.text import printable
from rsir_fast.datasets.tiling import Tiling
from rsir_fast.datasets.windows import Place, Window, item_name
from rsir_fast.errors import ArchiveError

__all__ = ["DESCRIPTOR", "ENCODER", "FOLDERS", "ROOT", "About", "Input", "Key", "Value", "name_of", "refuse_others"]

ENCODER, DESCRIPTOR = "encoder", "descriptor.safetensors"
FOLDERS = {
    "versions": r"[0-9]{8,}\.json",
    "segments": r"[0-9a-f]{16}-[0-9]{1,6}",
    "removed": r"[0-9a-f]{64}\.npy",
    "order": r"[0-9a-f]{64}\.npy",
    "skipped": r"[0-9a-f]{64}\.json",
    "work": r"[0-9a-f]{16}",
    ENCODER: re.escape(DESCRIPTOR),
}
"""The folders of an archive, and what those are called that are in them; versions name all the rest."""


ROOT = "images"
"""Name of the only folder of a data set; others stand before the names of their items."""

Key: TypeAlias = "tuple[str, str, Window | None]"
"""What makes an item this one: root, path below it, and the window of a raster."""

Value: TypeAlias = "str | int | float | bool | None"
"""Of a column of items."""


def name_of(root: str, source: str, window: Window | None) -> str:
    """Return what an item is called in the archive.

    Examples
    --------
    >>> name_of(ROOT, "a.tif", None), name_of("2026", "a.tif", Window(0, 0, 9, 9))
    ('a.tif', '2026/a.tif#xywh=0,0,9,9')
    """
    return item_name(source if root in (ROOT, "") else f"{root}/{source}", window)


@dataclass(frozen=True, slots=True)
class Input:
    """What the archive shall have a row of: a file, or a window of one, as it is now.

    Attributes
    ----------
    root, source
        Name of its folder, and the POSIX path below it.
    size, mtime_ns
        Of the file; -1 for what is no file.
    class_name
        None where the data set has no classes.
    window
        Of a raster; None: the whole file.
    place
        Of the raster; None where it has no georeference.
    bounds
        West, south, east, north in degrees (WGS 84); west > east crosses the antimeridian.
    time
        When it was taken, microseconds since 1970 (UTC).
    columns
        What else is told of it, by name.
    geometry
        Of an import: its outline as WKB, in degrees (WGS 84).
    """

    root: str
    source: str
    size: int
    mtime_ns: int
    class_name: str | None = None
    window: Window | None = None
    place: Place | None = None
    bounds: tuple[float, float, float, float] | None = None
    time: int | None = None
    columns: tuple[tuple[str, Value], ...] = ()
    geometry: bytes | None = None

    @property
    def key(self) -> Key:
        """What makes it this item."""
        return self.root, self.source, self.window

    @property
    def name(self) -> str:
        """What it is called."""
        return name_of(self.root, self.source, self.window)

    @property
    def told(self) -> tuple[str | None, int | None, tuple[tuple[str, Value], ...], bytes | None]:
        """What is told of it beside its content."""
        # NaN, too, is no value: it never equals itself, so its row would be made again and again.
        columns = tuple(sorted((name, value) for name, value in self.columns if value is not None and value == value))
        return self.class_name, self.time, columns, self.geometry

    @property
    def file(self) -> dict[str, Any]:
        """The file as it is, as records take it."""
        return {"root": self.root, "source": self.source, "size": self.size, "mtime_ns": self.mtime_ns}

    @property
    def record(self) -> dict[str, Any]:
        """The file and the window, as records of one item take them."""
        return {**self.file, "window": self.window}

    def is_as(self, other: Any) -> bool:
        """Whether a row or a skipped input was of the file as it is; what is no file is never known again so."""
        return self.size >= 0 and all(getattr(other, key) == value for key, value in self.file.items())


@dataclass(frozen=True, kw_only=True)
class About:
    """What is told of a data set beside its files.

    Attributes
    ----------
    name : str
    roots : mapping of str
        Folders of the inputs, by name.
    classes : sequence of str
        In its order, those without an item, too.
    labelled : bool
        Whether it has classes at all.
    unreadable : sequence of (str, str)
        Folders and files that were not even listed, and why.
    made : mapping
        What else is told of the encoder, JSON-able.
    tiling : Tiling or None
        The recipe by which rasters became the inputs.
    """

    name: str
    roots: Mapping[str, str] = field(default_factory=dict)
    classes: Sequence[str] = ()
    labelled: bool = True
    unreadable: Sequence[tuple[str, str]] = ()
    made: Mapping[str, Any] = field(default_factory=dict)
    tiling: Tiling | None = None


def refuse_others(folder: Path) -> None:
    """Refuse a folder of other things."""
    refuse_no_folder(folder, "an archive", ArchiveError)
    found = os.listdir(folder) if is_folder(folder) else []
    names = [name for name in found if name not in FOLDERS and not LEFTOVER.fullmatch(name)]
    if names:
        raise ArchiveError(
            f"{printable(folder)}: expected a new or empty folder, or an archive, found {printable(min(names))!r} "
            "in it; choose another folder"
        )
