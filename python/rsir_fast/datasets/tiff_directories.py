"""The directories of a TIFF file, one a page, and what the first says of where its data lie."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rsir_fast.datasets.source import Source
from rsir_fast.datasets.windows import Window
from rsir_fast.errors import ImageError

__all__ = ["Blocks", "read_blocks", "refuse_many_pages"]

MAX_PAGES = 10_000
"""More than GDAL, which goes through all of them, should have to."""

_JPEG, _DEFLATE = 7, (8, 32946)
_COMPRESSION, _STRIPS, _TILES, _TABLES = 259, (273, 279), (324, 325), 347
_WIDTH, _HEIGHT, _STRIP_HEIGHT, _TILE_WIDTH, _TILE_HEIGHT, _PLANES, _PREDICTOR = 256, 257, 278, 322, 323, 284, 317
_SHAPE = (_WIDTH, _HEIGHT, _STRIP_HEIGHT, _TILE_WIDTH, _TILE_HEIGHT, _PLANES, _PREDICTOR)
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
    width, height
        Of a strip or tile, in pixels.
    across, down
        How many there are beside and below each other.
    is_planar
        Whether each band has its own, band after band.
    predictor
        2: samples are written as differences from their left neighbour, by its number in TIFF; 1: as they are.
    order
        Of the bytes of a sample: ``<`` or ``>``.
    """

    compression: int
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    tables: bytes
    width: int
    height: int
    across: int
    down: int
    is_planar: bool
    predictor: int
    order: Literal["<", ">"]

    @property
    def is_jpeg(self) -> bool:
        """Whether the data are those of JPEG files."""
        return self.compression == _JPEG

    @property
    def is_deflated(self) -> bool:
        """Whether the data end with a sum of what was deflated."""
        return self.compression in _DEFLATE

    @property
    def is_summed(self) -> bool:
        """Whether it is the sum of samples, or of differences of neighbours."""
        return self.is_deflated and self.predictor in (1, 2)

    @property
    def has_one_sum(self) -> bool:
        """Whether that is the sum of all bands."""
        return self.is_summed and not self.is_planar

    def window(self, number: int) -> Window:
        """Return the pixels of a strip or tile, with those beyond the image."""
        row, column = divmod(number % (self.across * self.down), self.across)
        return Window(column * self.width, row * self.height, self.width, self.height)

    def of(self, window: Window, bands: Sequence[int] | None) -> NDArray[np.int64]:
        """Return the numbers, from 0, of those that hold pixels of a window, in some bands (from 1) or in all."""
        rows = np.arange(window.row // self.height, -(-window.bottom // self.height))
        columns = np.arange(window.column // self.width, -(-window.right // self.width))
        of_plane = (rows[:, None] * self.across + columns).ravel()
        planes = len(self.offsets) // (self.across * self.down)
        chosen = [band - 1 for band in bands or range(1, planes + 1)] if self.is_planar else [0]
        found: NDArray[np.int64] = np.concatenate([plane * self.across * self.down + of_plane for plane in chosen])
        return found


class _Layout:
    """How numbers are written: the order of bytes, and the width of pointers."""

    def __init__(self, head: bytes) -> None:
        self.order: Literal["<", ">"] = "<" if head[:2] == b"II" else ">"
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
            if number in (_COMPRESSION, *_STRIPS, *_TILES, _TABLES, *_SHAPE) and kind in _TYPES:
                tags[number] = _values(source, layout, entries[at + 4 : at + layout.entry], _TYPES[kind])
        where = next((pair for pair in (_TILES, _STRIPS) if pair[0] in tags and pair[1] in tags), None)
        if where is None or len(tags.get(_COMPRESSION, ())) != 1:
            return None
        offsets, sizes = (tags[number].astype(np.int64) for number in where)
        tables = tags.get(_TABLES, np.zeros(0, np.uint8)).astype(np.uint8).tobytes()
        shape = {number: int(tags[number][0]) for number in _SHAPE if number in tags}
        image = shape[_WIDTH], shape[_HEIGHT]
        width, height = image[0], min(shape.get(_STRIP_HEIGHT, image[1]), image[1])
        if where == _TILES:
            width, height = shape[_TILE_WIDTH], shape[_TILE_HEIGHT]
        across, down, is_planar = -(-image[0] // width), -(-image[1] // height), shape.get(_PLANES) == 2
        fits = len(offsets) == len(sizes) and (len(offsets) == across * down or (is_planar and across * down > 0))
        if not fits or len(offsets) % (across * down):
            return None
        compression, predictor = int(tags[_COMPRESSION][0]), shape.get(_PREDICTOR, 1)
        return Blocks(
            compression, offsets, sizes, tables, width, height, across, down, is_planar, predictor, layout.order
        )
    except (struct.error, OverflowError, ValueError, KeyError, IndexError, ZeroDivisionError):
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
