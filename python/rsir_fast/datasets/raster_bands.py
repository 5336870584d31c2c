"""The bands of a raster that make a picture, and where they have data."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsir_fast.datasets.bands import chosen_bands
from rsir_fast.datasets.samples import Samples
from rsir_fast.datasets.windows import Window
from rsir_fast.errors import ImageError

__all__ = ["BandReader", "samples_of_raster"]


class BandReader:
    """Reads bands of a window.

    Parameters
    ----------
    dataset
        Of rasterio.
    window
        None: the whole raster.
    together
        Whether all bands are read at once, whichever are asked for.

    Attributes
    ----------
    seen : dict
        Number of a band, from 1, to its samples [H, W]: all that were read.
    """

    def __init__(self, dataset: Any, window: Window | None = None, *, together: bool = False) -> None:
        self.dataset, self.window = dataset, window
        self.seen: dict[int, NDArray[Any]] = {}
        self._part = None if window is None else tuple((some.start, some.stop) for some in window.pixels)
        self._together = together
        self._every: NDArray[Any] | None = None

    def read(self, bands: list[int]) -> NDArray[Any]:
        """Return samples [bands, H, W] of some, from 1."""
        if not self._together:
            return self._read(bands)
        if self._every is None:
            self._every = self._read(list(range(1, self.dataset.count + 1)))
        first, end = bands[0] - 1, bands[0] - 1 + len(bands)
        in_a_row = bands == list(range(first + 1, end + 1))
        return self._every[first:end] if in_a_row else self._every[[band - 1 for band in bands]]

    def _read(self, bands: list[int]) -> NDArray[Any]:
        found: NDArray[Any] = self.dataset.read(bands, window=self._part)
        self.seen.update(zip(bands, found, strict=True))
        return found

    def masks(self, bands: list[int]) -> NDArray[np.bool_]:
        """Return where GDAL says that there are data, bool [bands, H, W]."""
        return np.asarray(self.dataset.read_masks(bands, window=self._part) > 0)


def samples_of_raster(reader: BandReader, driver: str, bands: tuple[int, ...] | None) -> Samples:
    """Read the bands that make a picture, of a window or of the whole raster; see `read_raster`."""
    dataset = reader.dataset
    meanings = [meaning.name for meaning in dataset.colorinterp]
    structure = dataset.tags(ns="IMAGE_STRUCTURE")
    inverted = structure.get("MINISWHITE") == "YES"
    if meanings == ["palette"] or (inverted and dataset.count == 1 and dataset.dtypes[0] == "uint8"):
        return _coloured(reader, bands)
    alpha = meanings.index("alpha") + 1 if meanings.count("alpha") == 1 else None
    chosen = chosen_bands(meanings, alpha, bands)
    if alpha in chosen:
        alpha = None  # who names it takes it for data, as the near infrared under a wrong name often is
    types = {dataset.dtypes[band - 1] for band in chosen}
    if any(kind.startswith("complex") for kind in types):
        raise ImageError(
            f"has samples of {types.pop()}: expected real ones; write amplitudes, or real parts, into the file"
        )
    distinct = list(dict.fromkeys(chosen))
    values = reader.read(distinct)
    valid = _valid(reader, distinct, values)
    opacity = None
    if alpha is not None:
        (cover,) = reader.read([alpha])
        shown = (cover > 0)[None]
        valid = shown if valid is None else valid & shown
        if driver == "PNG":
            opacity = (cover / np.float32(np.iinfo(cover.dtype).max)).astype(np.float32)
    bits = _bits(dataset, distinct)
    if inverted:
        values = _negative(values, bits)
    if distinct != list(chosen):
        order = [distinct.index(band) for band in chosen]
        values, valid = values[order], valid[order] if valid is not None and len(valid) > 1 else valid
    return Samples(values, valid, opacity, bits)


def _valid(reader: BandReader, bands: list[int], values: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Return where there are data, bool [bands, H, W], by GDAL_NODATA, mask and NaN; None: everywhere."""
    dataset = reader.dataset
    flags = {flag.name for band in bands for flag in dataset.mask_flag_enums[band - 1]}
    valid = None
    if flags == {"nodata"} and values.dtype.kind in "iu" and values.dtype.itemsize <= 4:
        missing = [dataset.nodatavals[band - 1] for band in bands]
        info = np.iinfo(values.dtype)
        if all(info.min <= one <= info.max and one == int(one) for one in missing):  # else GDAL says what it means
            valid = values != np.array(missing, values.dtype)[:, None, None]
            return None if valid.all() else valid
    if flags - {"all_valid"} and "alpha" not in flags:
        valid = reader.masks(bands)
    if np.issubdtype(values.dtype, np.floating):
        missing = np.isnan(values)
        if missing.any():
            valid = ~missing if valid is None else valid & ~missing
    return valid


def _bits(dataset: Any, bands: list[int]) -> int | None:
    """Return the bits of a sample where the file has fewer than its type, as a sensor of 12 bits in 16."""
    if not np.issubdtype(np.dtype(dataset.dtypes[bands[0] - 1]), np.unsignedinteger):
        return None
    stated = {dataset.tags(band, ns="IMAGE_STRUCTURE").get("NBITS") for band in bands}
    bits = stated.pop() if len(stated) == 1 else None
    return None if bits is None else int(bits)


def _negative(values: NDArray[Any], bits: int | None) -> NDArray[Any]:
    """Return samples whose 0 is black, of those whose 0 is white."""
    if not np.issubdtype(values.dtype, np.unsignedinteger):
        raise ImageError(
            f"has samples of {values.dtype} whose 0 is white: expected unsigned integers; write it with 0 as black"
        )
    white = np.iinfo(values.dtype).max if bits is None else 2**bits - 1
    return np.asarray(values.dtype.type(white) - values)


def _coloured(reader: BandReader, bands: tuple[int, ...] | None) -> Samples:
    """Read a palette as its colours."""
    table = reader.dataset.colormap(1)
    entries = np.zeros((max(table) + 1, 4), np.uint8)
    for index, colour in table.items():
        entries[index] = colour
    (index,) = reader.read([1])
    if index.size and int(index.max()) >= len(entries):
        raise ImageError(f"damaged image (palette of {len(entries)} colours, sample of {int(index.max())})")
    chosen = chosen_bands(["red", "green", "blue"], None, bands)
    layer = entries[index]
    masks = _valid(reader, [1], index[None])
    shown = (layer[:, :, 3] > 0)[None]
    valid = shown if masks is None else masks & shown
    return Samples(layer[:, :, [band - 1 for band in chosen]].transpose(2, 0, 1), None if valid.all() else valid)
