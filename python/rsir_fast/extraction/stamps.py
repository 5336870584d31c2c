"""The images of a data set, known again, and watched while a run reads them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from rsir_fast.base.faults import named, patiently
from rsir_fast.base.looking import size_and_change
from rsir_fast.base.text import printable
from rsir_fast.datasets import Dataset
from rsir_fast.errors import DatasetError

__all__ = ["Stamp", "Stamps", "fingerprint"]

Stamp = tuple[int, int] | None


class Stamps:
    """Size and time of change of every image file as they are now: of a raster once, however many tiles it has.

    Parameters
    ----------
    data
        The images; those in memory have no stamps, and never change.
    """

    def __init__(self, data: Dataset) -> None:
        self.data = data
        self._found: dict[str, Stamp] = {}
        for number in range(len(data)):
            source = data.source(number)
            if source not in self._found:
                self._found[source] = _stamp(data, source)

    def of(self, number: int) -> Stamp:
        """Return size, and time of change in nanoseconds, of the file of an image; None of what is no file."""
        return self._found[self.data.source(number)]

    def fingerprint(self) -> dict[str, Any]:
        """Recognise the same images again: names, labels, size and time of change of every file, how it is read."""
        digest = hashlib.sha256()
        for number, item in enumerate(self.data.items):
            label = None if self.data.labels is None else int(self.data.labels[number])
            digest.update(f"{item!r} {label} {self.of(number)}\n".encode())
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
        numbers = range(len(self.data)) if which is None else which
        for item in dict.fromkeys(self.data.source(number) for number in numbers):
            now = _stamp(self.data, item)
            if now != self._found[item]:
                what = "is gone" if now is None else "has changed"
                raise DatasetError(
                    f"{printable(item)}: expected images that stay as they are while they are read, this one {what}; "
                    "put it back, or begin anew with the images as they are (in another folder, or with force, --force)"
                )


def fingerprint(data: Dataset) -> dict[str, Any]:
    """Recognise the same images again; see `Stamps.fingerprint`."""
    return Stamps(data).fingerprint()


def _stamp(data: Dataset, item: str) -> Stamp:
    if data.root is None:
        return None
    path = data.root / item
    try:
        # A fault of the machine ends the work: without its size and time an image would not be known again.
        with named(printable(path)):
            return patiently(lambda: size_and_change(path))
    except OSError:
        return None
