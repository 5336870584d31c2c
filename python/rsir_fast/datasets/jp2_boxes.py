"""The boxes of a JPEG2000 file, looked at before GDAL goes through them: on some damaged ones it would never end."""

from __future__ import annotations

import struct

from rsir_fast.datasets.source import Source
from rsir_fast.errors import ImageError

__all__ = ["refuse_bad_boxes"]

MAX_BOXES = 10_000
"""More boxes than any file has; eight bytes each, millions of them would keep a reader busy."""

_OF_BOXES = (b"jp2h", b"asoc", b"res ", b"uinf")
_DEEPEST = 8
_CODESTREAM = b"\xff\x4f\xff\x51"


def refuse_bad_boxes(source: Source) -> None:
    """Raise `ImageError` if boxes do not fill the boxes they are in; a bare codestream has none.

    Parameters
    ----------
    source
        A JPEG2000 file, with a place of its own.

    Raises
    ------
    ImageError
        Without the file's name.
    """
    if source.read(4) != _CODESTREAM:
        _count_boxes(source, 0, source.size, 0, 0)


def _count_boxes(source: Source, at: int, end: int, depth: int, count: int) -> int:
    """Go through the boxes between two places; return how many there are up to there."""
    while end - at >= 8:
        source.seek(at)
        head = source.read(16)
        length, kind = struct.unpack(">I4s", head[:8])
        room = 8
        if length == 1 and len(head) == 16:
            (length,), room = struct.unpack(">Q", head[8:]), 16
        elif length == 0 and depth == 0:
            length = end - at  # the last box may leave it open
        count += 1
        if length < room or (depth and length > end - at) or depth > _DEEPEST or count > MAX_BOXES:
            name = kind.decode("latin-1")
            raise ImageError(
                f"damaged JPEG2000 file (box {name!r} at byte {at} has a length of {length}); copy the file again from "
                "where it came from"
            )
        if kind in _OF_BOXES:
            count = _count_boxes(source, at + room, min(at + length, end), depth + 1, count)
        at += length
    return count
