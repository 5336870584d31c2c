"""BMP, WebP, JPEG2000, and what is none of our formats."""

from __future__ import annotations

import io
import struct
import zipfile

import numpy as np
from PIL import Image

from bombs.png import png_grey
from bombs.registry import SIDE, bomb


def bmp(width: int, height: int, bits: int, compression: int, data: bytes) -> bytes:
    palette = bytes(1024) if bits <= 8 else b""
    start = 54 + len(palette)
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(data), 0, 0, 0, 0)
    return struct.pack("<2sIHHI", b"BM", start + len(data), 0, 0, start) + header + palette + data


@bomb
def bmp_run_length() -> bytes:
    return bmp(SIDE, SIDE, 8, 1, b"\0\1")


@bomb
def bmp_run_length_of_deltas() -> bytes:
    return bmp(8192, 8192, 8, 1, b"\0\2\xff\xff" * 40 + b"\0\1")


@bomb
def bmp_without_data() -> bytes:
    return bmp(2**31 - 1, 2**31 - 1, 24, 0, b"")


@bomb
def webp_lossless() -> bytes:
    small = io.BytesIO()
    Image.new("RGB", (16, 16)).save(small, "WEBP", lossless=True)
    content = bytearray(small.getvalue())
    at = content.index(b"VP8L") + 9
    bits = int.from_bytes(content[at : at + 4], "little")
    content[at : at + 4] = (bits & ~0xFFFFFFF | 16382 | 16382 << 14).to_bytes(4, "little")
    return bytes(content)


@bomb
def webp_of_many_frames() -> bytes:
    file = io.BytesIO()
    frames = [Image.new("RGB", (64, 64), (n, n, n)) for n in range(200)]
    frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    return file.getvalue()


def jpeg2000(side: int, **options) -> bytes:
    from rasterio.io import MemoryFile

    kind = {"driver": "JP2OpenJPEG", "width": side, "height": side, "count": 1, "dtype": "uint8"}
    with MemoryFile() as memory:
        with memory.open(**kind, **options) as file:
            file.write(np.zeros((1, side, side), np.uint8))
        return bytes(memory.getbuffer())


def jpeg2000_of(width: int, height: int, tile_width: int, tile_height: int) -> bytes:
    content = bytearray(jpeg2000(64))
    at = content.index(b"\xff\x51") + 6
    struct.pack_into(">IIIIIIII", content, at, width, height, 0, 0, tile_width, tile_height, 0, 0)
    return bytes(content)


@bomb
def jpeg2000_of_one_huge_tile() -> bytes:
    return jpeg2000_of(SIDE, SIDE, SIDE, SIDE)


@bomb
def jpeg2000_of_tiny_tiles() -> bytes:
    return jpeg2000_of(8192, 8192, 1, 1)


@bomb
def jpeg2000_of_four_billion_a_side() -> bytes:
    return jpeg2000_of(2**32 - 1, 2**32 - 1, 2**32 - 1, 2**32 - 1)


@bomb
def gif() -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0) + b"\x2c" + bytes(200)


@bomb
def icon() -> bytes:
    inner = png_grey()
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, 0, 0, 0, 0, 1, 32, len(inner), 22) + inner


@bomb
def apple_icon() -> bytes:
    inner = png_grey()
    return b"icns" + struct.pack(">I", len(inner) + 16) + b"ic10" + struct.pack(">I", len(inner) + 8) + inner


@bomb
def photoshop() -> bytes:
    return b"8BPS" + struct.pack(">H6xHIIHH", 1, 56, 30000, 30000, 8, 3) + bytes(100)


@bomb
def archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("a.png", bytes(2**24))
    return file.getvalue()


@bomb
def virtual_raster() -> bytes:
    return b'<VRTDataset rasterXSize="99999" rasterYSize="99999"><VRTRasterBand dataType="Byte" band="1"/></VRTDataset>'


@bomb
def vector_drawing() -> bytes:
    return b'<svg xmlns="http://www.w3.org/2000/svg" width="99999" height="99999"/>'


@bomb
def bmp_that_is_read() -> bytes:
    return bmp(5792, 5792, 8, 1, b"\0\2\xff\xff" * 40 + b"\0\1")


@bomb
def webp_that_is_read() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (5792, 5792)).save(file, "WEBP", lossless=True, method=0)
    return file.getvalue()


@bomb
def jpeg2000_that_is_read() -> bytes:
    return jpeg2000(4096)
