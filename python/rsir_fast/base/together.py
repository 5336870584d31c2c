"""Files that belong together, replaced as one.

No file system replaces several names in one step. So: all new files are written into a hidden folder; one rename of
that folder is the moment from which they count; then the old files go, and only then the new ones come. A folder
therefore never shows files of two generations side by side, and whoever writes to it next ends what was begun: before
that rename the old files stay, after it the new ones come.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from rsir_fast.base.durable import alone, make_folder, move, remove, sweep, sync_folder, write_durably
from rsir_fast.base.looking import is_folder
from rsir_fast.base.machine import written

__all__ = ["replace_together"]

COMING, DECIDED = ".files-coming", ".files-decided"


def replace_together(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write or replace files of a folder: all of them or none; other files stay.

    Parameters
    ----------
    folder
        Made if need be.
    contents
        By file name.

    Raises
    ------
    MachineError
        If they cannot be written. Before all of them are on the disk, the old ones stay.
    """
    make_folder(folder)
    with alone(folder):
        _settle(folder)
        for name in contents:
            with written(folder / name):
                if is_folder(folder / name):
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        try:
            for name, content in contents.items():
                write_durably(folder / COMING / name, content)
            move(folder / COMING, folder / DECIDED)
        except BaseException:
            shutil.rmtree(folder / COMING, ignore_errors=True)
            raise
        _bring_in(folder)


def _settle(folder: Path) -> None:
    """End what a killed process began: its files come, or go; leftovers are removed."""
    if is_folder(folder / DECIDED):
        _bring_in(folder)
    with written(folder):
        if is_folder(folder / COMING):
            shutil.rmtree(folder / COMING)
    sweep(folder)


def _bring_in(folder: Path) -> None:
    decided = folder / DECIDED
    names = sorted(os.listdir(decided))
    remove(*(folder / name for name in names))
    for name in names:
        with written(folder / name):
            os.replace(decided / name, folder / name)
    sync_folder(folder)
    with written(folder):
        decided.rmdir()
    sync_folder(folder)
