"""No bombs: images as they should be, whose memory is to be known beforehand."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image

from bombs.registry import BOMBS

SIZE = (1500, 2000)


def _pixels(*shape: int, dtype: str = "uint8") -> np.ndarray:
    values = np.random.default_rng(0).integers(0, 255, (*SIZE, *shape), dtype=np.uint8)
    return values.astype(dtype) * (257 if dtype == "uint16" else 1)


def _picture(mode: str, kind: str, **options: object) -> Callable[[], bytes]:
    def make() -> bytes:
        image = Image.fromarray(_pixels(3)).convert("RGB")
        if mode == "PA":
            image = image.convert("P")
            options["transparency"] = bytes(range(64))
        else:
            image = image.convert(mode)
            if mode == "RGBA":
                image.putalpha(Image.fromarray(_pixels()))
        file = io.BytesIO()
        image.save(file, kind, **options)
        return file.getvalue()

    return make


def _raster(bands: int, dtype: str, driver: str = "GTiff", **options: object) -> Callable[[], bytes]:
    def make() -> bytes:
        from rasterio.io import MemoryFile

        values = _pixels(bands, dtype=dtype).transpose(2, 0, 1)
        kind = {"driver": driver, "height": SIZE[0], "width": SIZE[1], "count": bands, "dtype": dtype}
        with MemoryFile() as memory:
            with memory.open(**kind, **options) as file:
                file.write(values)
            return bytes(memory.getbuffer())

    return make


exif = Image.Exif()
exif[0x0112] = 6

BOMBS |= {
    "plain_jpeg": _picture("RGB", "JPEG", quality=90),
    "plain_jpeg_turned": _picture("RGB", "JPEG", quality=90, exif=exif.tobytes()),
    "plain_jpeg_grey": _picture("L", "JPEG"),
    "plain_jpeg_progressive": _picture("RGB", "JPEG", progressive=True, subsampling=0),
    "plain_jpeg_cmyk_progressive": _picture("CMYK", "JPEG", progressive=True, subsampling=0),
    "plain_png": _picture("RGB", "PNG", compress_level=1),
    "plain_png_grey": _picture("L", "PNG", compress_level=1),
    "plain_png_rgba": _picture("RGBA", "PNG", compress_level=1),
    "plain_png_grey_and_alpha": _picture("LA", "PNG", compress_level=1),
    "plain_png_palette": _picture("PA", "PNG", compress_level=1),
    "plain_png_of_16_bits": _raster(3, "uint16", "PNG", ZLEVEL=1),
    "plain_bmp": _picture("RGB", "BMP"),
    "plain_webp": _picture("RGB", "WEBP", method=0),
    "plain_webp_rgba": _picture("RGBA", "WEBP", method=0),
    "plain_tiff": _raster(3, "uint8"),
    "plain_tiff_tiled": _raster(3, "uint8", tiled=True, compress="deflate", interleave="pixel"),
    "plain_tiff_of_16_bits": _raster(3, "uint16", compress="lzw"),
    "plain_tiff_of_floats": _raster(1, "float32", nodata=7),
    "plain_tiff_of_float64": _raster(3, "float64", nodata=7, interleave="pixel"),
    "plain_tiff_of_13_bands": _raster(4, "uint16", interleave="band"),
    "plain_jpeg2000": _raster(3, "uint8", "JP2OpenJPEG", QUALITY="10", RESOLUTIONS="3"),
}
