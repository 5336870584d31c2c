"""What lies at a path that somebody typed, without an error of the system's own.

`Path.is_dir`, `exists` and `is_file` raise on names that are too long, and where one may not look; a test forbids them
elsewhere.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Literal

from rsir_fast.base.faults import is_machine_fault, said
from rsir_fast.base.objects import is_object, look_at, path_of_url
from rsir_fast.base.text import short
from rsir_fast.errors import MachineError, RsirError

__all__ = ["is_file", "is_folder", "is_there", "no_name", "refuse_no_folder", "size_and_change"]

_LONGEST_NAME, _LONGEST_PATH = 255, 4095
"""Bytes, of every file system in use."""

_REMEDY = {
    errno.EACCES: "change its permissions or those of the folders above it, or choose another place",
    errno.EPERM: "change its permissions or those of the folders above it, or choose another place",
}


def _found(path: str | os.PathLike[str]) -> Literal["folder", "file", "other", ""]:
    """Return what is there, links followed; nothing where no file can have the name."""
    try:
        if is_object(path):
            return "folder" if look_at(path).is_folder else "file"
        mode = os.stat(path).st_mode
    except ValueError:  # a zero byte, or letters that the file system cannot write
        return ""
    except OSError as error:
        if not is_machine_fault(error):
            return ""
        remedy = _REMEDY.get(error.errno or 0, "mend that, then run again")
        raise MachineError(f"{short(path)}: cannot be looked at: {said(error)}; {remedy}") from error
    return "folder" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else "other"


def is_there(path: str | os.PathLike[str]) -> bool:
    """Whether anything is there; links are followed.

    Raises
    ------
    MachineError
        If the machine does not let it be known: a permission, a failing disk.

    Examples
    --------
    >>> is_there("."), is_there("no/such/place"), is_there("long" * 100), is_there(chr(0))
    (True, False, False, False)
    """
    return bool(_found(path))


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Whether a folder is there; raises as `is_there`."""
    return _found(path) == "folder"


def is_file(path: str | os.PathLike[str]) -> bool:
    """Whether a regular file is there; raises as `is_there`."""
    return _found(path) == "file"


def size_and_change(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Return size in bytes, and time of change in nanoseconds, of what is there.

    Raises
    ------
    OSError
    """
    if is_object(path):
        found = look_at(path)
        return found.size, found.changed_ns
    stat_of = os.stat(path)
    return stat_of.st_size, stat_of.st_mtime_ns


def refuse_no_folder(folder: Path, what: str, error: type[RsirError], option: str = "") -> None:
    """Refuse a path that is no place for a folder: a file, or below one.

    Parameters
    ----------
    folder
        There or not.
    what
        It is for, with its article.
    error
        What to raise.
    option
        That names the folder.

    Raises
    ------
    RsirError
        Of the type `error`.
    """
    other = f"choose another with {option}" if option else "choose another path"
    if path_of_url(folder) != str(folder) or is_object(folder):
        raise error(f"{short(folder)}: expected a folder of this machine for {what}, got a place in a store; {other}")
    for place in (folder, *folder.parents):
        found = _found(place)
        if found in ("file", "other"):
            is_what = "found a file" if place == folder else f"but {short(place)} is a file, not a folder"
            raise error(f"{short(folder)}: expected a folder for {what}, {is_what}; {other}")
        if found == "folder":
            break
    why = no_name(folder)
    if why:
        raise error(f"{short(folder)}: expected a folder for {what}, got {why}; {other}")


def no_name(path: str | os.PathLike[str]) -> str:
    """Say why no file can have a name; nothing where one can.

    Examples
    --------
    >>> no_name("long" * 100), no_name("fine")
    ('a name that is too long', '')
    """
    try:
        name = os.fsencode(path)
    except UnicodeEncodeError:
        return "letters that no file name has"
    if b"\0" in name:
        return "a zero byte in the name"
    if len(name) > _LONGEST_PATH or any(len(part) > _LONGEST_NAME for part in name.split(b"/")):
        return "a name that is too long"
    return ""
