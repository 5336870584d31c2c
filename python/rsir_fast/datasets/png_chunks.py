"""The chunks of a PNG file: whether all are there and as they were written."""

from __future__ import annotations

import zlib
from typing import NamedTuple

from rsir_fast.datasets.source import Source
from rsir_fast.errors import ImageError

__all__ = ["Chunk", "read_chunks", "refuse_damaged_png"]

_FEW_CHUNKS = 1000
_SMALL_CHUNK = 1024
"""Encoders write chunks of 4 KiB and more; millions of empty ones would keep a reader busy."""

_AT_ONCE = 1 << 20
_SIGNATURE = 8
_CRITICAL = (b"IHDR", b"PLTE", b"IDAT", b"IEND")


class Chunk(NamedTuple):
    """A chunk: its kind, where its data begin, and how many bytes they say they are."""

    kind: bytes
    start: int
    length: int


def read_chunks(source: Source) -> list[Chunk]:
    """Read the heads of all chunks up to the last one, whose kind is ``IEND``, or to the end of the file.

    Parameters
    ----------
    source
        Of a PNG file; its place is moved.

    Raises
    ------
    ImageError
        If there are far more than any encoder writes; the message does not name the file.
    """
    place, found = _SIGNATURE, list[Chunk]()
    most = _FEW_CHUNKS + source.size // _SMALL_CHUNK
    while len(found) < most:
        source.seek(place)
        head = source.read(8)
        if len(head) < 8:
            return found
        found.append(Chunk(head[4:], place + 8, int.from_bytes(head[:4], "big")))
        if found[-1].kind == b"IEND":
            return found
        place += 12 + found[-1].length
    raise ImageError(f"expected at most {most} chunks in a PNG file of this size, found more; write it anew")


def refuse_damaged_png(source: Source, chunks: list[Chunk]) -> None:
    """Check the sums of all chunks that make the picture, and that the last one is there.

    Decoders stop when they have all rows, so that they do not look at the sums of the last data, nor at what is
    missing behind.

    Parameters
    ----------
    source
        Of a PNG file; its place is moved.
    chunks
        All of it, by `read_chunks`.

    Raises
    ------
    ImageError
        Without the file's name.
    """
    damage = next(
        (f"a chunk {_name(chunk.kind)} is cut or changed" for chunk in chunks if _is_bad(source, chunk)), None
    )
    if damage is None and (not chunks or chunks[-1].kind != b"IEND"):
        damage = "the last chunk is missing"
    if damage is not None:
        raise ImageError(f"damaged PNG data ({damage}); copy the file again from where it came from")


def _is_bad(source: Source, chunk: Chunk) -> bool:
    if chunk.start + chunk.length + 4 > source.size:
        return True
    if chunk.kind not in _CRITICAL:
        return False
    source.seek(chunk.start)
    total, left = zlib.crc32(chunk.kind), chunk.length
    while left:
        part = source.read(min(left, _AT_ONCE))
        if not part:
            return True
        total = zlib.crc32(part, total)
        left -= len(part)
    return source.read(4) != total.to_bytes(4, "big")


def _name(kind: bytes) -> str:
    return kind.decode("ascii", "replace") if kind.isalnum() else "of no known kind"
