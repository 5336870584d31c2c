"""Whether a decoder that failed may have failed for want of memory, which most of them do not tell from damage.

OpenJPEG says "system limits", libwebp "could not create decoder object", libjpeg "broken data stream".
"""

from __future__ import annotations

import struct

from rsir_fast.base.memory import is_available
from rsir_fast.datasets.limits import MEMORY, Cost
from rsir_fast.datasets.source import Source

__all__ = ["Doubt"]

_ROOM = 64 << 20
"""What a decoder may take beside the image: tables, threads, the libraries themselves."""


class Doubt:
    """Asks, once a decoder has failed, for the memory that decoding takes.

    Parameters
    ----------
    source
        The file; None where others read whatever they read.
    """

    def __init__(self, source: Source | None = None) -> None:
        self._source = source
        self._needed = 0

    def admitted(self, cost: Cost) -> None:
        """Note what is decoded: this image, and those that other threads are at."""
        self._needed = max(cost.memory, MEMORY.used)

    def settle(self) -> None:
        """Raise MemoryError if there is not the memory, so that the failure proves nothing of the file."""
        # Others may have given back what they held since the failure, or taken more: the larger counts.
        opening = 0 if self._source is None else _canvas(self._source) + 2 * self._source.size
        needed = max(self._needed, MEMORY.used, opening)
        if not is_available(needed + _ROOM):
            raise MemoryError


def _canvas(source: Source) -> int:
    """Return the bytes that libwebp takes when it opens a file, before anything is known of it."""
    head = source.again().read(30)
    if head[:4] != b"RIFF" or head[8:12] != b"WEBP" or len(head) < 30:
        return 0
    if head[12:16] == b"VP8X":
        width, height = (1 + int.from_bytes(head[at : at + 3], "little") for at in (24, 27))
    elif head[12:16] == b"VP8L":
        (bits,) = struct.unpack_from("<I", head, 21)
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    else:
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", head, 26))
    return 3 * 4 * width * height
