"""Every layout of raster file, made and read: equal to what rasterio reads, or refused with a sentence.

``python tests/odd_rasters.py [FOLDER]`` makes them all (in a temporary folder by default), reads each by rasterio and
by rsir_fast, and prints what differs. `documented` states the rules of docs/formats.md once more, in plain NumPy.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning

from odd_layouts import Layout, layouts
from rsir_fast.datasets.images import read_image
from rsir_fast.datasets.raster import read_raster
from rsir_fast.datasets.reader import Reader
from rsir_fast.datasets.source import opened
from rsir_fast.errors import ImageError

__all__ = ["check", "documented"]


def documented(layout: Layout, raw: np.ndarray) -> np.ndarray:
    """Make RGB of 8 bits, uint8 [H, W, 3], of all samples of a file, [bands, H, W], as docs/formats.md says."""
    if layout.colours is not None:
        raw = layout.colours[raw[0]].transpose(2, 0, 1)
    taken = raw[[band - 1 for band in layout.takes]]
    valid = np.broadcast_to(np.True_ if layout.valid is None else layout.valid(raw), taken.shape) & ~np.isnan(taken)
    if layout.white_is_zero:
        taken = (2 ** (layout.bits or 8 * taken.dtype.itemsize) - 1 - taken.astype(object)).astype(taken.dtype)
    known = taken[valid & np.isfinite(taken)]
    if layout.scale is not None:
        kind, _, rest = layout.scale.partition(":")
        if kind == "percentile":
            low, high = np.percentile(known.astype(np.float64), [float(part) for part in rest.split(",")])
        else:
            low, high = (known.min(), known.max()) if kind == "minmax" else (float(kind), float(rest))
        made = _between(taken, low, high)
    elif taken.dtype.kind == "f":
        made = _between(taken, known.min(), known.max())
    elif layout.bits is not None and layout.bits < 8:
        made = np.rint(taken / (2**layout.bits - 1) * 255)
    elif taken.dtype == np.uint8:
        made = taken
    else:
        bits = layout.bits or max(8, int(known.max()).bit_length())
        made = np.array([max(int(value), 0) // 2 ** (bits - 8) for value in taken.ravel()]).reshape(taken.shape)
    made = np.where(valid, made, 0)
    if layout.opacity is not None:
        made = np.rint(made * layout.opacity(raw))
    rgb = np.repeat(made, 3, axis=0) if len(made) == 1 else made
    return upright(rgb.transpose(1, 2, 0).astype(np.uint8), layout.orientation)


def _between(samples: np.ndarray, low: Any, high: Any) -> np.ndarray:
    low, high = np.float64(low), np.float64(high)
    with np.errstate(invalid="ignore"):
        clipped = np.clip(np.nan_to_num(samples.astype(np.float64), nan=low, posinf=high, neginf=low), low, high)
    return np.rint((clipped - low) * (255 / (high - low)))


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turn as TIFF 6.0 says: where row 0 and column 0 of the file lie in the image."""
    rows_down, columns_right, swapped = {
        1: (True, True, False),
        2: (True, False, False),
        3: (False, False, False),
        4: (False, True, False),
        5: (True, True, True),
        6: (True, False, True),
        7: (False, False, True),
        8: (False, True, True),
    }[orientation]
    turned = pixels.swapaxes(0, 1) if swapped else pixels
    return turned[:: 1 if rows_down else -1, :: 1 if columns_right else -1]


DRIVERS = {".tif": "GTiff", ".jp2": "JP2OpenJPEG", ".j2k": "JP2OpenJPEG"}


def check(layout: Layout, folder: Path) -> str:
    """Make a file and read it; return "equal" or "refused".

    Raises
    ------
    AssertionError
        If the pixels are others than rasterio's, or the file was read or refused without a reason to.
    """
    path = folder / f"{layout.name}{layout.suffix}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        layout.write(path)
        with rasterio.open(path) as file:
            raw = file.read()
    reader = Reader.parse(layout.bands, layout.scale)
    if layout.refused is not None:
        try:
            read_image(path, reader)
        except ImageError as error:
            sentence = str(error)
            assert layout.refused in sentence, f"{layout.name}: expected {layout.refused!r} in {sentence!r}"
            assert sentence.startswith(f"{path}: ")
            assert "\n" not in sentence
            return "refused"
        raise AssertionError(f"{layout.name}: read, expected to be refused: {layout.refused}")
    found = np.asarray(read_image(path, reader))
    expected = documented(layout, raw)
    np.testing.assert_array_equal(found, expected, err_msg=layout.name)
    stored = layout.colours is None and not layout.white_is_zero and layout.bits != 1
    if stored and layout.suffix in DRIVERS:
        with opened(path) as source:
            samples, _ = read_raster(source, DRIVERS[layout.suffix], reader.bands, lambda *_: None)
        taken = raw[[band - 1 for band in layout.takes]]
        assert samples.values.dtype == taken.dtype
        np.testing.assert_array_equal(samples.values, taken, err_msg=layout.name)
    assert found.max() > 0, "a file without a picture shows nothing"
    return "equal"


def main(folder: Path) -> int:
    """Check all layouts; return how many fail."""
    outcomes: Counter[str] = Counter()
    for layout in layouts():
        try:
            outcome = check(layout, folder)
        except Exception as error:
            outcome = "WRONG"
            print(f"WRONG    {layout.name}: {str(error).strip()[:300]}")
        else:
            print(f"{outcome:8} {layout.name}")
        outcomes[outcome] += 1
    print(
        f"{outcomes.total()} layouts: {outcomes['equal']} equal, {outcomes['refused']} refused, "
        f"{outcomes['WRONG']} wrong"
    )
    return outcomes["WRONG"]


if __name__ == "__main__":
    if len(sys.argv) > 1:
        Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
        sys.exit(main(Path(sys.argv[1])) > 0)
    with tempfile.TemporaryDirectory() as made:
        sys.exit(main(Path(made)) > 0)
