"""The directories of a TIFF file, one a page, and what the first says of where its data lie."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsir_fast.datasets.source import Source
from rsir_fast.errors import ImageError

__all__ = ["Blocks", "read_blocks", "refuse_many_pages"]

MAX_PAGES = 10_000
"""More than GDAL, which goes through all of them, should have to."""

_COMPRESSION, _STRIPS, _TILES, _TABLES = 259, (273, 279), (324, 325), 347
_TYPES = {1: "u1", 3: "u2", 4: "u4", 7: "u1", 16: "u8"}


@dataclass(frozen=True)
class Blocks:
    """Where the data of a page lie.

    Attributes
    ----------
    compression
        By its number in TIFF.
    offsets, sizes
        Int64 [n], bytes in the file of each strip or tile; 0 of one that a sparse file leaves out.
    tables
        Of JPEG data, what all strips or tiles share; may be empty.
    """

    compression: int
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    tables: bytes


class _Layout:
    """How numbers are written: the order of bytes, and the width of pointers."""

    def __init__(self, head: bytes) -> None:
        self.order = "<" if head[:2] == b"II" else ">"
        big = struct.unpack_from(f"{self.order}H", head, 2)[0] == 43
        self.pointer, self.number, self.entry = ("Q", "Q", 20) if big else ("I", "H", 12)
        (self.first,) = struct.unpack_from(self.order + self.pointer, head, 8 if big else 4)

    def read(self, source: Source, kind: str) -> int:
        (value,) = struct.unpack(self.order + kind, source.read(struct.calcsize(f"={kind}")))
        return int(value)

    def directories(self, source: Source) -> Iterator[tuple[int, int]]:
        """Yield the place of each directory's entries and their number; of a ring, each once."""
        place, seen = self.first, set[int]()
        while place and place not in seen:
            seen.add(place)
            source.seek(place)
            count = self.read(source, self.number)
            yield source.tell(), count
            source.seek(place + struct.calcsize(f"={self.number}") + self.entry * count)
            place = self.read(source, self.pointer)


def refuse_many_pages(source: Source) -> None:
    """Raise `ImageError`, without the file's name, if a TIFF file has more than 10,000 pages.

    Parameters
    ----------
    source
        Its place is moved.
    """
    try:
        for number, _ in enumerate(_layout(source).directories(source)):
            if number == MAX_PAGES:
                raise ImageError(f"expected at most {MAX_PAGES} pages in a TIFF file, found more; split it")
    except (struct.error, OverflowError):
        return  # GDAL says what is wrong with it


def read_blocks(source: Source) -> Blocks | None:
    """Return where the data of the first page lie.

    Parameters
    ----------
    source
        Its place is moved.

    Returns
    -------
    Blocks or None
        None if the file does not say.
    """
    try:
        layout = _layout(source)
        start, count = next(layout.directories(source), (0, 0))
        source.seek(start)
        entries = source.read(layout.entry * min(count, 65535))
        tags = {}
        for at in range(0, len(entries) - layout.entry + 1, layout.entry):
            number, kind = struct.unpack_from(f"{layout.order}HH", entries, at)
            if number in (_COMPRESSION, *_STRIPS, *_TILES, _TABLES) and kind in _TYPES:
                tags[number] = _values(source, layout, entries[at + 4 : at + layout.entry], _TYPES[kind])
        where = next((pair for pair in (_TILES, _STRIPS) if pair[0] in tags and pair[1] in tags), None)
        if where is None or len(tags.get(_COMPRESSION, ())) != 1:
            return None
        offsets, sizes = (tags[number].astype(np.int64) for number in where)
        tables = tags.get(_TABLES, np.zeros(0, np.uint8)).astype(np.uint8).tobytes()
        return Blocks(int(tags[_COMPRESSION][0]), offsets, sizes, tables) if len(offsets) == len(sizes) else None
    except (struct.error, OverflowError, ValueError):
        return None


def _layout(source: Source) -> _Layout:
    source.seek(0)
    return _Layout(source.read(16))


def _values(source: Source, layout: _Layout, entry: bytes, kind: str) -> NDArray[np.integer]:
    """Read the values of a tag: in its entry if they fit, else where that says."""
    width = struct.calcsize(f"={layout.pointer}")
    (count,) = struct.unpack_from(layout.order + layout.pointer, entry)
    dtype = np.dtype(layout.order + kind)
    inside = entry[width:]
    if count * dtype.itemsize > len(inside):
        source.seek(struct.unpack(layout.order + layout.pointer, inside)[0])
        inside = source.read(count * dtype.itemsize)
    return np.frombuffer(inside[: count * dtype.itemsize], dtype)
