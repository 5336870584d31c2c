"""What a version changed, and by whom: counted when it is committed, so that nothing has to be read to tell it."""

from __future__ import annotations

import getpass
import os
import socket

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive.records import Change
from rsir_fast.base.ids import among

__all__ = ["change_of"]


def change_of(what: str, before: NDArray[np.int64], now: NDArray[np.int64]) -> Change:
    """Return what there is to tell of a version.

    Parameters
    ----------
    what
        A word.
    before, now
        Ids of the rows that counted before, and count now; in any order.

    Examples
    --------
    >>> change = change_of("add", np.array([3, 1, 2]), np.array([2, 3, 4, 5]))
    >>> change.what, change.added, change.removed
    ('add', 2, 1)
    """
    stay = int(among(before, now).sum())
    return Change(what=what, items=len(now), added=len(now) - stay, removed=len(before) - stay, by=_who())


def _who() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a number without a name, as in a container
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
