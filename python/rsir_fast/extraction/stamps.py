"""The images of a data set, known again, and watched while a run reads them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from rsir_fast.base.faults import named, patiently
from rsir_fast.base.text import printable
from rsir_fast.datasets import Dataset
from rsir_fast.errors import DatasetError

__all__ = ["Stamps", "fingerprint"]


class Stamps:
    """Size and time of change of every image as they are now.

    Parameters
    ----------
    data
        The images; those in memory have no stamps, and never change.
    """

    def __init__(self, data: Dataset) -> None:
        self.data = data
        self.found = [_stamp(data, item) for item in data.items]

    def fingerprint(self) -> dict[str, Any]:
        """Recognise the same images again: names, labels, size and time of change of every file, how it is read."""
        digest = hashlib.sha256()
        for number, item in enumerate(self.data.items):
            label = None if self.data.labels is None else int(self.data.labels[number])
            digest.update(f"{item!r} {label} {self.found[number]}\n".encode())
        data = self.data
        found = {"name": data.name, "images": len(data), "classes": len(data.classes), "sha256": digest.hexdigest()}
        return {**found, **data.reader.provenance()}

    def check(self, which: Sequence[int] | None = None) -> None:
        """Notice images that were replaced, changed or removed since.

        Parameters
        ----------
        which
            Numbers of them; all by default.

        Raises
        ------
        DatasetError
            Naming the first of them.
        """
        for number in range(len(self.data)) if which is None else which:
            item = self.data.items[number]
            now = _stamp(self.data, item)
            if now != self.found[number]:
                what = "is gone" if now is None else "has changed"
                raise DatasetError(
                    f"{printable(item)}: expected images that stay as they are while they are read, this one {what}; "
                    "put it back, or begin anew with the images as they are (in another folder, or with force, --force)"
                )


def fingerprint(data: Dataset) -> dict[str, Any]:
    """Recognise the same images again; see `Stamps.fingerprint`."""
    return Stamps(data).fingerprint()


def _stamp(data: Dataset, item: str) -> tuple[int, int] | None:
    if data.root is None:
        return None
    path = data.root / item
    try:
        # A fault of the machine ends the work: without its size and time an image would not be known again.
        with named(printable(path)):
            found = patiently(path.stat)
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns
