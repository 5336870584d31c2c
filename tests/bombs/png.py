"""PNG files that inflate."""

from __future__ import annotations

import struct
import zlib

from bombs.registry import SIDE, bomb


def zeros_deflated(count: int) -> bytes:
    """Compress zeros about a thousandfold without going through them."""
    block = zlib.compressobj(9, zlib.DEFLATED, -15)
    mega = block.compress(bytes(2**20)) + block.flush(zlib.Z_FULL_FLUSH)
    rest = zlib.compressobj(9, zlib.DEFLATED, -15)
    tail = rest.compress(bytes(count % 2**20)) + rest.flush()
    return b"\x78\xda" + mega * (count // 2**20) + tail + struct.pack(">I", (count % 65521) << 16 | 1)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(
    width: int, height: int, depth: int, colour: int, *more: bytes, interlaced: int = 0, data: bool = True
) -> bytes:
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced))
    row = 1 + (width * channels * depth + 7) // 8
    content = zeros_deflated(row * height * (2 if interlaced else 1)) if data else b""
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(more) + chunk(b"IDAT", content) + chunk(b"IEND", b"")


@bomb
def png_grey() -> bytes:
    return png(SIDE, SIDE, 8, 0)


@bomb
def png_rgba() -> bytes:
    return png(SIDE, SIDE, 8, 6)


@bomb
def png_rgba_of_16_bits() -> bytes:
    return png(SIDE, SIDE, 16, 6)


@bomb
def png_one_bit() -> bytes:
    return png(SIDE, SIDE, 1, 0)


@bomb
def png_palette() -> bytes:
    return png(SIDE, SIDE, 8, 3, chunk(b"PLTE", bytes(768)), chunk(b"tRNS", bytes(256)))


@bomb
def png_interlaced() -> bytes:
    return png(8192, 8192, 8, 2, interlaced=1)


@bomb
def png_of_two_billion_a_side() -> bytes:
    return png(2**31 - 1, 2**31 - 1, 8, 2, data=False)


@bomb
def png_long_row() -> bytes:
    return png(2**28, 1, 8, 0)


@bomb
def png_million_empty_chunks() -> bytes:
    return png(64, 64, 8, 2, chunk(b"IDAT", b"") * 1_000_000)


@bomb
def png_million_texts() -> bytes:
    return png(64, 64, 8, 2, chunk(b"tEXt", b"a\0b") * 1_000_000)


@bomb
def png_compressed_text() -> bytes:
    return png(64, 64, 8, 2, chunk(b"zTXt", b"a\0\0" + zeros_deflated(2**30)))


@bomb
def png_many_compressed_texts() -> bytes:
    return png(64, 64, 8, 2, chunk(b"zTXt", b"a\0\0" + zeros_deflated(2**20 - 9)) * 4000)


@bomb
def png_international_text() -> bytes:
    return png(64, 64, 8, 2, chunk(b"iTXt", b"a\0\1\0\0\0" + zeros_deflated(2**30)))


@bomb
def png_profile() -> bytes:
    return png(64, 64, 8, 2, chunk(b"iCCP", b"a\0\0" + zeros_deflated(2**30)))


@bomb
def png_animated() -> bytes:
    frame = struct.pack(">IIIIIHHBB", 0, 64, 64, 0, 0, 1, 1, 0, 0)
    frames = (chunk(b"fcTL", frame) + chunk(b"fdAT", bytes(4))) * 200_000
    return png(64, 64, 8, 2, chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0)), frames)


@bomb
def png_grey_that_is_read() -> bytes:
    return png(8192, 8192, 8, 0)


@bomb
def png_rgba_that_is_read() -> bytes:
    return png(5792, 5792, 8, 6)


@bomb
def png_rgba_of_16_bits_that_is_read() -> bytes:
    return png(2896, 2896, 16, 6)
