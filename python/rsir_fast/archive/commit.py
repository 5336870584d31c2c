"""The one way to commit without a lock: read the newest version, decide, publish; where another was first, again."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from rsir_fast.archive.records import Version
from rsir_fast.archive.snapshot import Snapshot
from rsir_fast.archive.versions import numbers, publish, version_file, version_path
from rsir_fast.base.durable import remove
from rsir_fast.errors import ArchiveError

__all__ = ["committed", "following"]


def committed(
    folder: Path,
    newest: Callable[[], Snapshot | None],
    decide: Callable[[Snapshot | None, int], Version | None],
) -> Version | None:
    """Commit what is decided about the newest version.

    Parameters
    ----------
    folder
        The archive.
    newest
        Opens the newest version; None where there is none.
    decide
        Given that and the number of the next, returns the next, all that it names being on the disk; None where there
        is nothing to do. It is called again for each version that other writers committed meanwhile.

    Returns
    -------
    Version or None
        That was committed; None where there was nothing to do.
    """
    while True:
        seen = numbers(folder)  # before the newest is read: one committed meanwhile is in neither, or followed
        before = newest()
        number = 1 + max([0, *seen[-1:], *([] if before is None else [before.version.number])])
        version = decide(before, number)
        if version is None or (before is not None and version.same_content(before.version)):
            return None
        if publish(folder, version) and _stands(folder, version):
            return version


def _stands(folder: Path, version: Version) -> bool:
    """Whether a version that was published is not followed by those of others that know nothing of it.

    That can be where the version that had its number was vacuumed since it was decided: then it is taken back.
    """
    if max(numbers(folder)) <= version.number:
        return True
    with contextlib.suppress(ArchiveError):
        if version_file(folder, version.number + 1).parent == version.digest:
            return True
    remove(version_path(folder, version.number))
    return False


def following(number: int, before: Version | None, **changes: Any) -> Version:
    """Return a version that says what another does, but for what changes."""
    same = {} if before is None else {name: getattr(before, name) for name in before.model_fields_set - {"digest"}}
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    parent = None if before is None else before.digest
    own = {"number": number, "nonce": secrets.token_hex(8), "created": now}
    return Version.sealed(**{**same, "parent": parent, **changes, **own})
