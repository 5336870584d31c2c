"""What an archive shall hold: files, as they are now."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rsir_fast.base.durable import LEFTOVER
from rsir_fast.base.looking import is_folder, refuse_no_folder
from rsir_fast.base.text import printable
from rsir_fast.errors import ArchiveError

__all__ = ["About", "Input", "refuse_others"]


@dataclass(frozen=True)
class Input:
    """A file that the archive shall have a row of, as it is now.

    Attributes
    ----------
    root, source
        Name of its folder, and the POSIX path below it.
    size, mtime_ns
    class_name
        None where the data set has no classes.
    """

    root: str
    source: str
    size: int
    mtime_ns: int
    class_name: str | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What makes it this item."""
        return self.root, self.source

    @property
    def file(self) -> dict[str, Any]:
        """The file as it is, as records take it."""
        return {"root": self.root, "source": self.source, "size": self.size, "mtime_ns": self.mtime_ns}

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
    """

    name: str
    roots: Mapping[str, str] = field(default_factory=dict)
    classes: Sequence[str] = ()
    labelled: bool = True
    unreadable: Sequence[tuple[str, str]] = ()
    made: Mapping[str, Any] = field(default_factory=dict)


def refuse_others(folder: Path) -> None:
    """Refuse a folder of other things."""
    refuse_no_folder(folder, "an archive", ArchiveError)
    ours = {"versions", "segments", "removed", "order", "skipped", "work", "encoder"}
    names = [n for n in os.listdir(folder) if n not in ours and not LEFTOVER.fullmatch(n)] if is_folder(folder) else []
    if names:
        raise ArchiveError(
            f"{printable(folder)}: expected a new or empty folder, or an archive, found {printable(min(names))!r} "
            "in it; choose another folder"
        )
