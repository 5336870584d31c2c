"""The markers of a JPEG file: what its headers promise, without decoding anything."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from rsir_fast.errors import ImageError

__all__ = ["Code", "Component", "JpegMarkers", "Scan", "Segment", "read_markers", "zero_codes"]

MAX_SEGMENTS = 10_000
"""More segments than any camera writes; a few bytes each, millions of them would keep a reader busy for minutes."""

# In entropy-coded data 0xFF is followed by a zero, by a restart marker, or by 0xFF as filler.
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]", re.DOTALL)
_START, _END, _TEMPORARY = 0xD8, 0xD9, 0x01
_HUFFMAN, _QUANTISATION, _SCAN = 0xC4, 0xDB, 0xDA
_FRAMES = frozenset(range(0xC0, 0xD0)) - {_HUFFMAN, 0xC8, 0xCC}
_ARITHMETIC_FROM = 0xC9


class Segment(NamedTuple):
    """A marker with its parameters: ``content[start:end]``, the marker's two bytes and its length included."""

    code: int
    start: int
    end: int


class Code(NamedTuple):
    """What a row of zero bits means in a Huffman table: always its first symbol."""

    length: int
    symbol: int


class Component(NamedTuple):
    """A colour channel: its sampling factors and the number of its quantisation table."""

    horizontal: int
    vertical: int
    table: int


@dataclass(frozen=True)
class Scan:
    """One pass over some of the coefficients.

    Attributes
    ----------
    components
        Numbers of the channels.
    first, last
        Coefficients 0 to 63, the last one included.
    low
        The lowest bit that is known after this scan; 0 is all of them.
    start, end
        Where the entropy-coded data lie.
    tables
        For each channel the numbers of its Huffman tables, four bits for DC and four for AC.
    """

    components: tuple[int, ...]
    first: int
    last: int
    low: int
    start: int
    end: int
    tables: tuple[int, ...]


@dataclass
class JpegMarkers:
    """What the markers of a JPEG file say.

    Attributes
    ----------
    frame
        The code of the frame's marker, 0xC0 for baseline.
    width, height
        In pixels.
    components
        The channels.
    scans
        All scans, in order.
    segments
        All segments, in order.
    ended
        Whether the end marker is there.
    """

    frame: int = 0
    width: int = 0
    height: int = 0
    components: tuple[Component, ...] = ()
    scans: list[Scan] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    ended: bool = False

    @property
    def progressive(self) -> bool:
        """Whether coefficients come in several passes."""
        return self.frame & 3 == 2

    @property
    def arithmetic(self) -> bool:
        """Whether the data are arithmetic-coded; else they are Huffman-coded."""
        return self.frame >= _ARITHMETIC_FROM


def read_markers(content: bytes) -> JpegMarkers | None:
    """Read the markers of a JPEG file, up to its end marker; what follows that is not part of the image.

    Parameters
    ----------
    content
        The whole file.

    Returns
    -------
    JpegMarkers or None
        None if they make no sense; the decoder will say what is wrong.

    Raises
    ------
    ImageError
        If there are more than 10,000 segments.

    Examples
    --------
    >>> import io
    >>> from PIL import Image
    >>> file = io.BytesIO()
    >>> Image.new("RGB", (40, 30)).save(file, "JPEG", progressive=True)
    >>> markers = read_markers(file.getvalue())
    >>> markers.width, markers.height, len(markers.components), len(markers.scans), markers.ended
    (40, 30, 3, 10, True)
    """
    found = JpegMarkers()
    names: list[int] = []
    try:
        for segment in _segments(content):
            if segment.code == _END:
                found.ended = True
                break
            found.segments.append(segment)
            if len(found.segments) > MAX_SEGMENTS:
                raise ImageError(f"expected at most {MAX_SEGMENTS} segments in a JPEG file, found more; write it anew")
            if segment.code in _FRAMES and not found.frame:
                found.frame, names = segment.code, _frame(found, content[segment.start + 4 : segment.end])
            elif segment.code == _SCAN:
                found.scans.append(_scan(content, segment, names))
    except ImageError:
        raise
    except (IndexError, ValueError):
        return None
    return found if found.frame else None


def _segments(content: bytes) -> Iterator[Segment]:
    at = 2
    while marker := _MARKER.search(content, at):
        code = content[marker.start() + 1]
        at = marker.end()
        if code == _START:
            raise ValueError("a start marker within")
        if code not in (_TEMPORARY, _END):
            at += int.from_bytes(content[at : at + 2], "big")
        yield Segment(code, marker.start(), at)


def _frame(found: JpegMarkers, body: bytes) -> list[int]:
    found.height, found.width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
    parts = [body[at : at + 3] for at in range(6, 6 + 3 * body[5], 3)]
    found.components = tuple(Component(part[1] >> 4, part[1] & 15, part[2]) for part in parts)
    return [part[0] for part in parts]


def _huffman(body: bytes) -> Iterator[tuple[int, Code]]:
    at = 0
    while at < len(body):
        counts = body[at + 1 : at + 17]
        length = next((n for n, count in enumerate(counts, 1) if count), 0)
        if length:
            yield body[at], Code(length, body[at + 17])
        at += 17 + sum(counts)


def _quantisation(body: bytes) -> Iterator[tuple[int, int]]:
    at = 0
    while at < len(body):
        size = 2 if body[at] >> 4 else 1
        yield body[at] & 15, int.from_bytes(body[at + 1 : at + 1 + size], "big")
        at += 1 + 64 * size


def _scan(content: bytes, segment: Segment, names: list[int]) -> Scan:
    body = content[segment.start + 4 : segment.end]
    count = body[0]
    following = _MARKER.search(content, segment.end)
    return Scan(
        components=tuple([names.index(name) for name in body[1 : 1 + 2 * count : 2]]),
        first=body[1 + 2 * count],
        last=body[2 + 2 * count],
        low=body[3 + 2 * count] & 15,
        start=segment.end,
        end=following.start() if following else len(content),
        tables=tuple(body[2 : 2 + 2 * count : 2]),
    )


def zero_codes(content: bytes, markers: JpegMarkers, scan: Scan) -> list[tuple[Code, Code, int]]:
    """Return for each channel of a scan what a row of zero bits means, for DC and for AC, and the step of DC.

    Raises
    ------
    KeyError, IndexError
        If the file lacks the tables.
    """
    codes: dict[int, Code] = {}
    steps: dict[int, int] = {}
    for segment in markers.segments:
        if segment.start >= scan.start:
            break
        body = content[segment.start + 4 : segment.end]
        if segment.code == _HUFFMAN:
            codes.update(_huffman(body))
        elif segment.code == _QUANTISATION:
            steps.update(_quantisation(body))
    return [
        (codes[tables >> 4], codes[0x10 | (tables & 15)], steps[markers.components[channel].table])
        for channel, tables in zip(scan.components, scan.tables, strict=True)
    ]
