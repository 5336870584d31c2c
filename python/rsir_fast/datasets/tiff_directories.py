"""The chain of a TIFF file's directories, one a page."""

from __future__ import annotations

import struct

from rsir_fast.datasets.source import Source
from rsir_fast.errors import ImageError

__all__ = ["refuse_many_pages"]

MAX_PAGES = 10_000
"""More than GDAL, which goes through all of them, should have to."""


def refuse_many_pages(source: Source) -> None:
    """Raise `ImageError`, without the file's name, if a TIFF file has more than 10,000 pages.

    Parameters
    ----------
    source
        Its place is moved.
    """
    source.seek(0)
    head = source.read(16)
    order = "<" if head[:2] == b"II" else ">"
    try:
        big = struct.unpack_from(f"{order}H", head, 2)[0] == 43
        number, size, pointer = (f"{order}Q", 20, f"{order}Q") if big else (f"{order}H", 12, f"{order}I")
        (place,) = struct.unpack_from(pointer, head, 8 if big else 4)
        seen: set[int] = set()
        while place and place not in seen:
            if len(seen) == MAX_PAGES:
                raise ImageError(f"expected at most {MAX_PAGES} pages in a TIFF file, found more; split it")
            seen.add(place)
            source.seek(place)
            (count,) = struct.unpack(number, source.read(struct.calcsize(number)))
            source.seek(place + struct.calcsize(number) + size * count)
            (place,) = struct.unpack(pointer, source.read(struct.calcsize(pointer)))
    except struct.error:
        return  # GDAL says what is wrong with it
