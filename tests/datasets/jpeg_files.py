"""JPEG files by many encoders, and ways to damage them."""

from __future__ import annotations

import io
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

from rsir_fast.datasets.jpeg_markers import read_markers


def scene(seed: int, size: int = 256) -> Image.Image:
    """Return a picture with the mixture of smooth and busy parts that aerial images have."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] / size
    smooth = [np.sin(rng.uniform(2, 9) * x + rng.uniform(2, 9) * y + c) * 60 + 120 for c in range(3)]
    busy = rng.normal(0, 1, (size, size, 1)) * (10 + 30 * (np.sin(9 * x) > 0.3)[..., None])
    return Image.fromarray(np.clip(np.stack(smooth, 2) + busy, 0, 255).astype(np.uint8))


def pillow(image: Image.Image, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


def tool(image: Image.Image | bytes, *command: str) -> bytes:
    """Encode or transform with a program that reads and writes its standard streams."""
    if isinstance(image, Image.Image):
        file = io.BytesIO()
        image.save(file, "PPM")
        image = file.getvalue()
    return subprocess.run(command, input=image, stdout=subprocess.PIPE, check=True).stdout


def gdal(image: Image.Image, **options) -> bytes:
    from rasterio.io import MemoryFile

    with MemoryFile() as memory:
        kind = {"driver": "JPEG", "width": image.width, "height": image.height, "count": 3, "dtype": "uint8"}
        with memory.open(**kind, **options) as file:
            file.write(np.asarray(image).transpose(2, 0, 1))
        return bytes(memory.getbuffer())


PILLOW = {
    "baseline": {"quality": 75},
    "full colour": {"quality": 92, "subsampling": 0},
    "optimised": {"quality": 85, "optimize": True},
    "progressive": {"quality": 85, "progressive": True},
    "restarts": {"quality": 80, "restart_marker_blocks": 4},
    "grey": {"quality": 80},
    "cmyk": {"quality": 80},
}


def coded(kind: str, image: Image.Image) -> bytes:
    """Encode by one of the `PILLOW` kinds."""
    mode = {"grey": "L", "cmyk": "CMYK"}.get(kind, "RGB")
    return pillow(image.convert(mode), **PILLOW[kind])


def encodings(image: Image.Image) -> Iterator[tuple[str, bytes]]:
    """Yield an image as every encoder at hand writes it, with its name."""
    import cv2
    import torch
    from torchvision.io import encode_jpeg

    for quality in (1, 50, 90, 100):
        for subsampling in (0, 1, 2):
            for more in ({}, {"optimize": True}, {"progressive": True}, {"restart_marker_rows": 1}):
                options = {"quality": quality, "subsampling": subsampling, **more}
                yield f"pillow {options}", pillow(image, **options)
    for mode in ("L", "CMYK"):
        for more in ({}, {"optimize": True}, {"progressive": True}):
            yield f"pillow {mode} {more}", pillow(image.convert(mode), **more)
    yield "pillow RGB", pillow(image, keep_rgb=True)
    pixels = np.asarray(image)
    for factor in (0x411111, 0x221111, 0x211111, 0x121111, 0x111111):
        for progressive in (0, 1):
            options = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, factor, cv2.IMWRITE_JPEG_PROGRESSIVE, progressive]
            options += [cv2.IMWRITE_JPEG_OPTIMIZE, progressive, cv2.IMWRITE_JPEG_RST_INTERVAL, 2]
            yield f"opencv {options}", cv2.imencode(".jpg", pixels, options)[1].tobytes()
    tensor = torch.from_numpy(pixels.transpose(2, 0, 1).copy())
    yield "torchvision", encode_jpeg(tensor, 80).numpy().tobytes()
    for progressive in ("NO", "YES"):
        yield f"gdal {progressive}", gdal(image, quality=85, progressive=progressive)
    if shutil.which("cjpeg") and shutil.which("jpegtran"):
        for options in ("-arithmetic", "-arithmetic -progressive", "-sample 4x1", "-sample 4x2", "-sample 1x2"):
            made = tool(image, "cjpeg", *options.split())
            yield f"cjpeg {options}", made
            for more in ("-progressive", "-optimize -rotate 90", "-restart 1B", "-grayscale -arithmetic"):
                yield f"cjpeg {options}, jpegtran {more}", tool(made, "jpegtran", *more.split())


def _zeros(content: bytes, at: int, count: int) -> bytes:
    return content[:at] + bytes(count) + content[at + count :]


def _pages(content: bytes, start: int, size: int) -> list[int]:
    return [at for at in range(0, len(content), size) if at >= start and at + size < len(content) - 2]


def damages(content: bytes, rng: random.Random, times: int = 4) -> Iterator[tuple[str, bytes]]:
    """Yield damaged copies of a file, each with the kind of damage."""
    markers = read_markers(content)
    assert markers is not None
    start, size = markers.scans[0].start, len(content)
    for part in range(5, 100, 5):
        yield "cut", content[: size * part // 100]
    for count in (*range(1, 10), 20, 50, 100, 200):
        yield "cut at the end", content[:-count]
    for part in range(5, 100, 10):
        yield "cut, with an end marker", content[: size * part // 100] + b"\xff\xd9"
    for _ in range(times):
        at = rng.randrange(start, size - 70)
        yield "zeros to the end", _zeros(content, at, size - at)
        yield "64 zeros", _zeros(content, at, 64)
        yield "zeros", _zeros(content, at, rng.randrange(64, min(1500, size - at - 2) + 1))
        for page in (512, 4096):
            if places := _pages(content, start, page):
                yield f"a page of {page} zeros", _zeros(content, rng.choice(places), page)
        if len(places := _pages(content, start, 512)) > 1:
            one, two = sorted(rng.sample(places, 2))
            page, other = content[one : one + 512], content[two : two + 512]
            yield "a page twice", content[:one] + page + content[one:]
            yield "a page lost", content[:one] + content[one + 512 :]
            yield "a page of garbage", content[:one] + rng.randbytes(512) + content[one + 512 :]
            yield "pages swapped", content[:one] + other + content[one + 512 : two] + page + content[two + 512 :]


Change = Callable[[bytes], bytes]


def after_start(*parts: bytes) -> Change:
    """Insert segments after the start marker."""
    return lambda content: content[:2] + b"".join(parts) + content[2:]


def _segment(code: int, body: bytes) -> bytes:
    return bytes([0xFF, code]) + (len(body) + 2).to_bytes(2, "big") + body


ODD_BUT_GOOD: dict[str, Change] = {
    "data after the end": lambda content: content + b"camera" * 99,
    "zeros after the end": lambda content: content + bytes(4096),
    "a second image after the end": lambda content: content + content,
    "half an image after the end": lambda content: content + content[: len(content) // 2],
    "filler before a marker": lambda content: content[:2] + b"\xff\xff\xff" + content[2:],
    "filler before the end marker": lambda content: content[:-2] + b"\xff\xff" + content[-2:],
    "a comment with an end marker": after_start(_segment(0xFE, b"\xff\xd9" * 9)),
    "zeros in a comment": after_start(_segment(0xFE, bytes(9999))),
    "unknown segments": after_start(*(_segment(0xE0 | n, b"?" * 50) for n in range(3, 13))),
    "JFIF of the future": lambda content: content.replace(b"JFIF\0\1\1", b"JFIF\0\7\7", 1),
    "unknown Adobe transform": after_start(_segment(0xEE, b"Adobe\0\x64\0\0\0\0\7")),
    "scan parameters of zero": lambda content: content.replace(b"\x00\x3f\x00", b"\0\0\0", 1),
}
"""Good files that libjpeg may warn of, or that a careless search for markers may take for damaged."""
