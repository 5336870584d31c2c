"""What may leave this machine: results and reports name data by name, never by where it lies here."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from rsir_fast.base.objects import url_of_path

__all__ = ["shared_command", "shared_path", "within", "without_folders"]


def within(text: str, folder: Path | None) -> str:
    """Write the paths in a text as they are within a folder.

    Examples
    --------
    >>> within("cannot read /home/ann/scenes/a/1.jpg", Path("/home/ann/scenes"))
    'cannot read a/1.jpg'
    """
    if folder is None:
        return text
    for place in {str(folder.absolute()), str(folder), url_of_path(str(folder))} - {"."}:
        text = re.sub(
            rf"{re.escape(place)}(?:/|(?![\w.-]))", lambda found: "" if found[0][-1] == "/" else folder.name, text
        )
    return text


def without_folders(text: str) -> str:
    """Cut the absolute paths in a text down to their last part.

    Examples
    --------
    >>> without_folders("/home/ann/w/vgg.mat is damaged; https://pypi.org/simple is not asked")
    'vgg.mat is damaged; https://pypi.org/simple is not asked'
    """
    return re.sub(r"(?<![\w.:/~-])/(?:[^\s/:;,'\"()<>]+/)*(?=[^\s/:;,'\"()<>])", "", text)


def shared_path(path: str) -> str:
    """Write an absolute path as it is from the working folder, or as its last part where it lies elsewhere.

    Examples
    --------
    >>> shared_path("/home/ann/scenes"), shared_path("runs/a"), shared_path(f"{os.getcwd()}/runs/a")
    ('scenes', 'runs/a', 'runs/a')
    """
    if not os.path.isabs(path):
        return path
    here = os.path.relpath(path)
    return os.path.basename(os.path.normpath(path)) or "/" if here.startswith("..") else here


def shared_command(arguments: Sequence[str]) -> list[str]:
    """Write the arguments of a command without absolute paths, in ``--option=PATH`` and ``NAME=PATH`` as well.

    Examples
    --------
    >>> shared_command(["demo", "/home/ann/scenes", "--out=/tmp/x/run", "a=/data/AID", "--steps", "l2"])
    ['demo', 'scenes', '--out=run', 'a=AID', '--steps', 'l2']
    """
    written = []
    for argument in arguments:
        name, equals, value = argument.partition("=")
        whole = os.path.isabs(argument) or not os.path.isabs(value)
        written.append(shared_path(argument) if whole else f"{name}{equals}{shared_path(value)}")
    return written
