"""The layouts of `odd_rasters`: how each file is written, and what its samples mean."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from PIL import Image
from rasterio.enums import ColorInterp
from rasterio.shutil import copy as gdal_copy

from plain_tiff import MINISBLACK, MINISWHITE, RGB, YCBCR, Page, write_tiff

__all__ = ["Layout", "layouts"]

HEIGHT, WIDTH = 37, 52
TOO_FEW = "has 2 bands: expected 1, 3 or 4 beside alpha"


@dataclass(frozen=True)
class Layout:
    """A file, and what is to be made of it.

    Attributes
    ----------
    name, suffix
        Of the file.
    write
        Writes it.
    takes
        Bands that become grey, or red, green and blue.
    valid
        Of all samples [bands, H, W]: where the taken ones are data.
    opacity
        Of all samples: by how much they cover the black.
    bits
        That the file says a sample has.
    colours
        Of a palette: uint8 [entries, 4].
    white_is_zero
        And black the largest sample.
    orientation
        Applied to the picture.
    bands, scale
        Asked for.
    refused
        Part of the sentence, if the file is to be refused.
    """

    name: str
    write: Callable[[Path], None]
    takes: tuple[int, ...] = (1, 2, 3)
    suffix: str = ".tif"
    valid: Callable[[np.ndarray], Any] | None = None
    opacity: Callable[[np.ndarray], Any] | None = None
    bits: int | None = None
    colours: np.ndarray | None = None
    white_is_zero: bool = False
    orientation: int = 1
    bands: str | None = None
    scale: str | None = None
    refused: str | None = None


def samples(dtype: str, count: int, high: int | None = None) -> np.ndarray:
    """Return a picture, [count, H, W]: a slope with noise, negative and fractional where that is possible."""
    kind = np.dtype(dtype)
    rng = np.random.default_rng([count, *dtype.encode()])
    high = high or {"i": 120, "u": 250}.get(kind.kind, 250) * (40 if kind.itemsize > 1 and kind.kind != "f" else 1)
    slope = np.linspace(high * 0.2, high * 0.9, HEIGHT * WIDTH).reshape(1, HEIGHT, WIDTH)
    made = slope * np.linspace(1, 0.6, count)[:, None, None] + rng.uniform(-0.09, 0.09, (count, HEIGHT, WIDTH)) * high
    if kind.kind in "ifc":
        made[:, :5, :9] *= -1
    return made.astype(kind) if kind.kind in "fc" else np.rint(made).astype(kind)


def gdal(data: np.ndarray, driver: str = "GTiff", after: Callable[[Any], None] | None = None, **profile: Any) -> Any:
    """Return what writes samples by GDAL, and then does more with the open file."""

    def write(path: Path) -> None:
        size = {"width": data.shape[2], "height": data.shape[1], "count": len(data), "dtype": data.dtype}
        with rasterio.open(path, "w", driver=driver, **size, **profile) as file:
            if after is not None:
                after(file)
            file.write(data)

    return write


def tiff(*pages: Page, **options: Any) -> Callable[[Path], None]:
    """Return what writes a TIFF by hand."""
    return lambda path: write_tiff(path, *pages, **options)


def pixels(data: np.ndarray) -> np.ndarray:
    """[bands, H, W] as [H, W, bands]."""
    return data.transpose(1, 2, 0)


def of_types() -> Iterator[Layout]:
    """Sample type x number of bands."""
    for dtype in ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"):
        for count, takes in ((1, (1,)), (3, (1, 2, 3)), (4, (1, 2, 3))):
            yield Layout(f"{dtype} x {count}", gdal(samples(dtype, count), photometric="minisblack"), takes)
    for dtype in ("uint8", "uint16", "float32"):
        yield Layout(f"{dtype} x 2", gdal(samples(dtype, 2)), refused=TOO_FEW)
        for count in (5, 13):
            sentence = f"has {count} bands: expected 1, 3 or 4 beside alpha; name three"
            yield Layout(f"{dtype} x {count}", gdal(samples(dtype, count)), refused=sentence)
        yield Layout(f"{dtype} x 13, 4,3,2", gdal(samples(dtype, 13)), (4, 3, 2), bands="4,3,2")
        yield Layout(f"{dtype} x 5, band 5", gdal(samples(dtype, 5)), (5,), bands="5")
    yield Layout("uint16 x 2, 1,2,2", gdal(samples("uint16", 2)), (1, 2, 2), bands="1,2,2")
    yield Layout("five bands called RGB", gdal(samples("uint8", 5), photometric="rgb"), refused="has 5 bands")
    yield Layout("band 9 of 4", gdal(samples("uint8", 4)), bands="9,1,1", refused="has 4 bands, not the band 9")
    for dtype in ("complex64", "complex128", "complex_int16"):
        data = samples("complex64", 1)
        file = gdal(data.astype(dtype)) if dtype != "complex_int16" else tiff(Page(pixels(data)))
        yield Layout(dtype, file, refused="expected real ones")
    for scale in ("10:90", "-50:300.5", "minmax", "percentile:2,98"):
        for dtype in ("uint8", "uint16", "int16", "float32"):
            yield Layout(f"{dtype}, {scale}".replace(":", " "), gdal(samples(dtype, 3)), scale=scale)


def of_storage() -> Iterator[Layout]:
    """Compression x planar x tiles, predictors, BigTIFF, byte order."""
    for compress in ("none", "deflate", "lzw", "zstd", "lzma", "packbits", "lerc", "lerc_deflate"):
        for interleave in ("pixel", "band"):
            for tiled in (False, True):
                profile = {"compress": compress, "interleave": interleave}
                profile |= {"tiled": True, "blockxsize": 16, "blockysize": 16} if tiled else {"blockysize": 5}
                name = f"uint16 {compress} {interleave} {'tiles' if tiled else 'strips'}"
                yield Layout(name, gdal(samples("uint16", 3), **profile))
    for dtype, predictor in (("uint8", 2), ("uint16", 2), ("int32", 2), ("float32", 3), ("float64", 3), ("float32", 2)):
        file = gdal(samples(dtype, 3), compress="deflate", predictor=predictor)
        yield Layout(f"{dtype} predictor {predictor}", file)
    for photometric in ("ycbcr", "rgb"):
        for tiled in (False, True):
            file = gdal(samples("uint8", 3), compress="jpeg", photometric=photometric, tiled=tiled)
            yield Layout(f"jpeg in tiff {photometric} {tiled}", file)
    yield Layout("jpeg in tiff grey", gdal(samples("uint8", 1), compress="jpeg"), (1,))
    yield Layout("webp in tiff", gdal(samples("uint8", 3), compress="webp", webp_lossless=True))
    yield Layout("bigtiff", gdal(samples("uint16", 3), bigtiff="yes"))
    for big in (False, True):
        for order in "<>":
            for planar in (False, True):
                for tile in (None, 16):
                    page = Page(pixels(samples("uint16", 3)), RGB, planar=planar, tile=tile)
                    name = f"by hand {big} {'II' if order == '<' else 'MM'} {planar} {tile}"
                    yield Layout(name, tiff(page, big=big, order=order))


def of_bits() -> Iterator[Layout]:
    """Bits of a sample, white as zero, palettes."""
    for bits in (1, 2, 4, 7, 10, 12, 14):
        dtype = "uint8" if bits <= 8 else "uint16"
        for count in (1, 3):
            data = samples(dtype, count, 2**bits - 1)
            takes = (1,) if count == 1 else (1, 2, 3)
            yield Layout(f"{bits} bits x {count}", gdal(data, nbits=bits), takes, bits=bits)
    yield Layout("float of 16 bits", gdal(samples("float32", 3), nbits=16))
    for bits in (1, 2, 4, 8, 16):
        data = samples("uint8" if bits <= 8 else "uint16", 1, 2**bits - 1)
        stated = bits if bits != 16 else None
        file = gdal(data, nbits=bits, photometric="miniswhite")
        yield Layout(f"{bits} bits, white is 0", file, (1,), bits=stated, white_is_zero=True)
    page = Page(pixels(samples("float32", 1)), MINISWHITE)
    yield Layout("float, white is 0", tiff(page), refused="whose 0 is white")
    for bits in (1, 2, 4, 8):
        colours = np.random.default_rng(bits).integers(0, 256, (2**bits, 4), dtype=np.uint8)
        colours[:, 3] = 255
        data = np.random.default_rng(1).integers(0, 2**bits, (1, HEIGHT, WIDTH), dtype=np.uint8)

        def paint(file: Any, colours: np.ndarray = colours) -> None:
            file.write_colormap(1, {number: tuple(map(int, colour)) for number, colour in enumerate(colours)})

        options: dict[str, Any] = {"nbits": bits, "photometric": "palette", "after": paint}
        yield Layout(f"palette of {bits} bits", gdal(data, **options), colours=colours)
        if bits > 2:
            clear = colours.copy()
            clear[3] = 0
            file = gdal(data, nodata=3, **options)
            yield Layout(f"palette of {bits} bits, no data", file, colours=clear)
        yield Layout(f"palette of {bits} bits, blue", gdal(data, **options), (3,), colours=colours, bands="3")
    colours = np.full((65536, 4), 255, np.uint8)
    colours[:, 0], colours[:, 1] = np.arange(65536) // 256, np.arange(65536) % 256

    def paint_all(file: Any) -> None:
        file.write_colormap(1, {number: tuple(map(int, colour)) for number, colour in enumerate(colours)})

    file = gdal(samples("uint16", 1), photometric="palette", after=paint_all)
    yield Layout("palette of 16 bits", file, colours=colours)


def where(alpha: int) -> Callable[[np.ndarray], np.ndarray]:
    """Say that there are data where a band is above 0."""
    return lambda raw: raw[alpha - 1] > 0


def of_alpha() -> Iterator[Layout]:
    """Transparency, and what is none."""
    for dtype in ("uint8", "uint16"):
        rgba, grey = samples(dtype, 4), samples(dtype, 2)
        rgba[3, :9], grey[1, :, :9] = 0, 0
        for kind, extra in (("associated", 1), ("unassociated", 2)):
            yield Layout(f"{dtype} rgb, {kind}", tiff(Page(pixels(rgba), RGB, (extra,))), valid=where(4))
            file = tiff(Page(pixels(grey), MINISBLACK, (extra,)))
            yield Layout(f"{dtype} grey, {kind}", file, (1,), valid=where(2))
        yield Layout(f"{dtype} rgb, near infrared", tiff(Page(pixels(rgba), RGB, (0,))))
        yield Layout(f"{dtype} grey, another", tiff(Page(pixels(grey), MINISBLACK, (0,))), refused=TOO_FEW)
        nir_alpha = np.concatenate([samples(dtype, 4), rgba[3:]])
        yield Layout(f"{dtype} rgb, infrared, alpha", tiff(Page(pixels(nir_alpha), RGB, (0, 2))), valid=where(5))
        yield Layout(f"{dtype} alpha named", tiff(Page(pixels(rgba), RGB, (2,))), (4, 1, 2), bands="4,1,2")

    def blue_first(file: Any) -> None:
        file.colorinterp = [ColorInterp.blue, ColorInterp.green, ColorInterp.red, ColorInterp.undefined]

    file = gdal(samples("uint16", 4), photometric="minisblack", after=blue_first)
    yield Layout("blue, green, red, infrared", file, (3, 2, 1))
    for name, count in (("cmyk", 4), ("cielab", 3)):
        yield Layout(name, gdal(samples("uint8", count), photometric=name), valid=where(4))
    yield Layout("ycbcr", tiff(Page(pixels(samples("uint8", 3)), YCBCR)))


def of_nodata() -> Iterator[Layout]:
    """GDAL_NODATA, masks, NaN, sparse files."""
    for dtype, nodata in (("uint8", 0), ("uint8", 255), ("uint16", 65535), ("uint16", 0), ("int16", -9999)):
        for count, takes in ((1, (1,)), (3, (1, 2, 3))):
            data = samples(dtype, count)
            data[:, 20:, :10], data[-1, 30:] = nodata, nodata
            file = gdal(data, nodata=nodata)
            yield Layout(f"{dtype} no data {nodata} x {count}", file, takes, valid=lambda raw, v=nodata: raw != v)
    for nodata in (np.nan, -9999.0, float(np.finfo(np.float32).min), np.inf):
        data = samples("float32", 3)
        data[:, 20:, :10], data[1, 30:] = nodata, nodata
        file = gdal(data, nodata=nodata)
        yield Layout(f"float32 no data {nodata}", file, valid=lambda raw, v=nodata: ~np.isnan(raw) & (raw != v))
    data = samples("float32", 1)
    data[0, 3], data[0, 4], data[0, 5] = np.nan, np.inf, -np.inf
    yield Layout("nan and infinite", gdal(data), (1,))
    yield Layout("nan and infinite, minmax", gdal(data), (1,), scale="minmax")
    yield Layout("uint16 no data, percentiles", gdal(samples("uint16", 3), nodata=1000), scale="percentile:5,95",
                 valid=lambda raw: raw != 1000)  # fmt: skip
    shown = np.random.default_rng(0).integers(0, 2, (HEIGHT, WIDTH)).astype(bool)
    for dtype in ("uint8", "uint16", "float32"):
        masked = gdal(samples(dtype, 3), after=lambda file: file.write_mask(shown))
        yield Layout(f"{dtype} mask inside", inside(masked), valid=lambda raw: shown[None])
    for dtype in ("uint8", "uint16", "float32"):
        for count, takes in ((1, (1,)), (3, (1, 2, 3))):
            for planar in (False, True):
                page = Page(pixels(samples(dtype, count)), tile=16, absent=(1, 5, 6), planar=planar)
                yield Layout(f"{dtype} x {count} sparse {planar}", tiff(page), takes)
    page = Page(pixels(samples("uint16", 3)), absent=(0, 2), nodata="7")
    yield Layout("sparse strips with no data", tiff(page), valid=lambda raw: raw != 7)


def inside(write: Callable[[Path], None]) -> Callable[[Path], None]:
    """Have GDAL keep the mask within the file."""

    def written(path: Path) -> None:
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
            write(path)

    return written


def of_pages() -> Iterator[Layout]:
    """Pages, overviews, orientation, metadata."""
    one, small = pixels(samples("uint8", 3)), pixels(samples("uint8", 3))[::2, ::2]
    yield Layout("two pages", tiff(Page(one, RGB), Page(small, RGB)))
    yield Layout("an overview first", tiff(Page(small, RGB, reduced=True), Page(one, RGB)))
    yield Layout("an overview", tiff(Page(one, RGB), Page(small, RGB, reduced=True)))

    def overviews(path: Path) -> None:
        gdal(samples("uint16", 3), tiled=True, blockxsize=16, blockysize=16)(path)
        with rasterio.open(path, "r+") as file:
            file.build_overviews([2, 4])

    yield Layout("overviews of GDAL", overviews)

    def cog(path: Path) -> None:
        gdal(samples("uint16", 3))(path.with_suffix(".source.tif"))
        gdal_copy(path.with_suffix(".source.tif"), path, driver="COG", blocksize=128)

    yield Layout("COG", cog)
    for orientation in range(1, 9):
        for dtype in ("uint8", "uint16"):
            page = Page(pixels(samples(dtype, 3)), RGB, orientation=orientation)
            yield Layout(
                f"{dtype} orientation {orientation}", tiff(page, big=dtype == "uint16"), orientation=orientation
            )

    def scales(file: Any) -> None:
        file.scales, file.offsets = (0.0001,) * 3, (5.0,) * 3

    yield Layout("scale and offset", gdal(samples("uint16", 3), after=scales))
    place = rasterio.Affine(10, 0, 500000, 0, -10, 4600000)
    yield Layout("with a place", gdal(samples("uint16", 3), crs="EPSG:32633", transform=place))


def saved(image: Image.Image, **options: Any) -> Callable[[Path], None]:
    """Return what saves an image by Pillow."""
    return lambda path: image.save(path, **options)


def of_png() -> Iterator[Layout]:
    """PNG and WebP."""
    for dtype in ("uint8", "uint16"):
        most = np.iinfo(dtype).max
        for count, takes in ((1, (1,)), (2, (1,)), (3, (1, 2, 3)), (4, (1, 2, 3))):
            data = samples(dtype, count)
            if count % 2 == 0:
                data[-1, :9] = 0
                cover = {"valid": where(count), "opacity": lambda raw, m=most: (raw[-1] / np.float32(m)).astype("f4")}
            file = gdal(data, "PNG")
            yield Layout(f"png {dtype} x {count}", file, takes, ".png", **(cover if count % 2 == 0 else {}))
    for mode in ("1", "L", "P", "RGB"):
        image = Image.fromarray(pixels(samples("uint8", 3))).convert(mode)
        colours = np.array(image.convert("P").getpalette("RGBA"), np.uint8).reshape(-1, 4) if mode == "P" else None
        bits = 1 if mode == "1" else None
        takes = (1, 2, 3) if mode in ("P", "RGB") else (1,)
        for name, options in (("", {}), (" optimised", {"optimize": True})):
            yield Layout(f"png {mode}{name}", saved(image, **options), takes, ".png", bits=bits, colours=colours)
    key = int(samples("uint16", 1)[0, 5, 6])
    file = gdal(samples("uint16", 1), "PNG", nodata=key)
    yield Layout("png uint16 x 1, a value transparent", file, (1,), ".png", valid=lambda raw: raw != key)
    colour = samples("uint16", 3)[:, 5, 6]

    def with_key(path: Path) -> None:
        gdal(samples("uint16", 3), "PNG")(path)
        whole = path.read_bytes()
        chunk = b"tRNS" + colour.astype(">u2").tobytes()
        at = whole.index(b"IDAT") - 4
        path.write_bytes(whole[:at] + struct.pack(">I", 6) + chunk + struct.pack(">I", zlib.crc32(chunk)) + whole[at:])

    yield Layout("png uint16 x 3, a colour transparent", with_key, suffix=".png",
                 valid=lambda raw: (raw != colour[:, None, None]).any(axis=0, keepdims=True))  # fmt: skip
    exif = Image.Exif()
    for orientation in (3, 6, 8):
        exif[0x0112] = orientation
        image = Image.fromarray(pixels(samples("uint8", 3)))
        yield Layout(
            f"png turned {orientation}", saved(image, exif=exif.tobytes()), suffix=".png", orientation=orientation
        )
        file = saved(image, exif=exif.tobytes(), lossless=True)
        yield Layout(f"webp turned {orientation}", file, suffix=".webp", orientation=orientation)
    rgba = samples("uint8", 4)
    rgba[3, :9] = 0
    yield Layout("webp", saved(Image.fromarray(pixels(rgba[:3])), lossless=True), suffix=".webp")
    yield Layout("webp lossy", saved(Image.fromarray(pixels(rgba[:3])), quality=80), suffix=".webp")
    yield Layout("webp rgba", saved(Image.fromarray(pixels(rgba)), lossless=True, exact=True), suffix=".webp",
                 valid=where(4), opacity=lambda raw: (raw[3] / np.float32(255)).astype("f4"))  # fmt: skip


def of_jpeg2000() -> Iterator[Layout]:
    """JPEG2000, lossless."""
    for dtype, bits in (("uint8", None), ("uint16", None), ("uint16", 12), ("uint16", 10), ("int16", None)):
        for count, takes in ((1, (1,)), (3, (1, 2, 3)), (4, (1, 2, 3))):
            data = samples(dtype, count, None if bits is None else 2**bits - 1)
            profile = {"quality": 100, "reversible": True, **({} if bits is None else {"nbits": bits})}
            for suffix in (".jp2", ".j2k"):
                file = gdal(data, "JP2OpenJPEG", codec=suffix[1:].upper(), **profile)
                yield Layout(f"jpeg2000 {dtype} {bits} x {count}", file, takes, suffix, bits=bits)
    profile = {"quality": 100, "reversible": True}
    large = samples("uint16", 3).repeat(5, axis=1).repeat(5, axis=2)
    tiles = gdal(large, "JP2OpenJPEG", blockxsize=64, blockysize=64, **profile)
    yield Layout("jpeg2000 tiles", tiles, suffix=".jp2")
    five = gdal(samples("uint16", 5), "JP2OpenJPEG", **profile)
    yield Layout("jpeg2000 x 5", five, suffix=".jp2", refused="has 5 bands")
    yield Layout("jpeg2000 x 5, 4,3,2", five, (4, 3, 2), ".jp2", bands="4,3,2")
    alpha = samples("uint8", 4)
    alpha[3, :9] = 0
    file = gdal(alpha, "JP2OpenJPEG", **{"1BIT_ALPHA": "NO", "ALPHA": "YES"}, **profile)
    yield Layout("jpeg2000 alpha", file, suffix=".jp2", valid=where(4))


def layouts() -> Iterator[Layout]:
    """Yield all of them."""
    for part in (of_types, of_storage, of_bits, of_alpha, of_nodata, of_pages, of_png, of_jpeg2000):
        yield from part()
