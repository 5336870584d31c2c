"""TIFF files written by hand: layouts that no library cares to write."""

from __future__ import annotations

import struct
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

__all__ = ["MINISBLACK", "MINISWHITE", "RGB", "YCBCR", "Page", "write_tiff"]

MINISWHITE, MINISBLACK, RGB, YCBCR = 0, 1, 2, 6
_SHORT, _LONG, _LONG8, _ASCII = 3, 4, 16, 2
_SIZES = {_ASCII: 1, _SHORT: 2, _LONG: 4, _LONG8: 8}
_FORMATS = {"u": 1, "i": 2, "f": 3, "c": 6}


@dataclass(frozen=True)
class Page:
    """One image of a TIFF file, uncompressed.

    Attributes
    ----------
    samples
        [H, W, bands].
    photometric
        What the bands mean.
    extra
        Meaning of each band beyond those: 0 unspecified, 1 associated alpha, 2 unassociated alpha.
    planar
        Bands one after the other.
    tile
        Side of a tile, a multiple of 16; None: strips of 7 rows.
    absent
        Numbers of the tiles or strips left out of a sparse file.
    orientation
        1 to 8; None: the tag is not there.
    nodata
        GDAL_NODATA.
    reduced
        A smaller version of another page (an overview), not a page of its own.
    """

    samples: np.ndarray
    photometric: int = MINISBLACK
    extra: Sequence[int] = ()
    planar: bool = False
    tile: int | None = None
    absent: Collection[int] = ()
    orientation: int | None = None
    nodata: str | None = None
    reduced: bool = False

    def blocks(self, order: str) -> list[bytes]:
        """Tiles, padded with 7, or strips."""
        height, width, _ = self.samples.shape
        layers = list(self.samples.transpose(2, 0, 1)[..., None]) if self.planar else [self.samples]
        found = []
        for layer in layers:
            if self.tile is None:
                found += [layer[row : row + 7] for row in range(0, height, 7)]
                continue
            side = self.tile
            padding = ((0, -height % side), (0, -width % side), (0, 0))
            padded = np.pad(layer, padding, constant_values=7)
            for row in range(0, height, side):
                found += [padded[row : row + side, column : column + side] for column in range(0, width, side)]
        kind = self.samples.dtype.newbyteorder(order)
        return [block.astype(kind).tobytes() for block in found]


def write_tiff(path: Path, *pages: Page, big: bool = False, order: str = "<") -> None:
    """Write a file, little-endian ("<") or big-endian (">"), classic or BigTIFF."""
    mark = b"II" if order == "<" else b"MM"
    head = mark + struct.pack(f"{order}HHHQ", 43, 8, 0, 0) if big else mark + struct.pack(f"{order}HI", 42, 0)
    content = bytearray(head)
    place = len(head) - (8 if big else 4)
    pointer = f"{order}Q" if big else f"{order}I"
    for page in pages:
        offsets, counts = [], []
        for number, block in enumerate(page.blocks(order)):
            there = number not in page.absent
            offsets.append(len(content) if there else 0)
            counts.append(len(block) if there else 0)
            content += block if there else b""
        content += bytes(-len(content) % 8)
        directory, place_of_next = _directory(_tags(page, offsets, counts), len(content), big, order)
        struct.pack_into(pointer, content, place, len(content))
        place = len(content) + place_of_next
        content += directory
    path.write_bytes(content)


def _tags(page: Page, offsets: list[int], counts: list[int]) -> list[tuple[int, int, list[int] | bytes]]:
    height, width, bands = page.samples.shape
    kind = page.samples.dtype
    tags: list[tuple[int, int, list[int] | bytes]] = [
        (254, _LONG, [int(page.reduced)]),
        (256, _LONG, [width]),
        (257, _LONG, [height]),
        (258, _SHORT, [kind.itemsize * 8] * bands),
        (259, _SHORT, [1]),
        (262, _SHORT, [page.photometric]),
        (277, _SHORT, [bands]),
        (284, _SHORT, [2 if page.planar else 1]),
        (339, _SHORT, [_FORMATS[kind.kind]] * bands),
    ]
    if page.orientation is not None:
        tags.append((274, _SHORT, [page.orientation]))
    if page.extra:
        tags.append((338, _SHORT, list(page.extra)))
    if page.photometric == YCBCR:
        tags.append((530, _SHORT, [1, 1]))
    if page.nodata is not None:
        tags.append((42113, _ASCII, page.nodata.encode() + b"\0"))
    if page.tile is None:
        tags += [(273, _LONG, offsets), (278, _LONG, [7]), (279, _LONG, counts)]
    else:
        tags += [(322, _LONG, [page.tile]), (323, _LONG, [page.tile]), (324, _LONG, offsets), (325, _LONG, counts)]
    return sorted(tags, key=lambda tag: tag[0])


def _directory(tags: list[tuple[int, int, list[int] | bytes]], start: int, big: bool, order: str) -> tuple[bytes, int]:
    """Return a directory at a place in the file, and where in it the pointer to the next one is."""
    room = 8 if big else 4
    size = (8 + 20 * len(tags) + 8) if big else (2 + 12 * len(tags) + 4)
    entries, after = bytearray(struct.pack(f"{order}Q" if big else f"{order}H", len(tags))), bytearray()
    for tag, kind, values in tags:
        letter = {_SHORT: "H", _LONG: "I", _LONG8: "Q"}.get(kind)
        body = values if isinstance(values, bytes) else struct.pack(f"{order}{len(values)}{letter}", *values)
        entries += struct.pack(f"{order}HH", tag, kind)
        entries += struct.pack(f"{order}Q" if big else f"{order}I", len(body) // _SIZES[kind])
        if len(body) <= room:
            entries += body.ljust(room, b"\0")
        else:
            entries += struct.pack(f"{order}Q" if big else f"{order}I", start + size + len(after))
            after += body + bytes(-len(body) % 8)
    entries += bytes(8 if big else 4)
    return bytes(entries + after), size - (8 if big else 4)
