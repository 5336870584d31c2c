"""Rasters for tests, made by rasterio."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.transform import Affine

__all__ = ["NORTH_UP", "scene", "write_raster"]

NORTH_UP = Affine(10, 0, 500_000, 0, -10, 5_300_000)
UTM = "EPSG:32633"


def scene(height: int, width: int, bands: int = 3, dtype: str = "uint8", seed: int = 0) -> np.ndarray:
    """Return a picture [bands, H, W], smooth with noise, over the whole range of small integers."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / 64
    slope = 0.5 + 0.35 * np.sin(x + np.arange(bands)[:, None, None]) * np.cos(y)
    made = (slope + rng.uniform(-0.1, 0.1, (bands, height, width))) * (255 if dtype == "uint8" else 4000)
    return made.astype(dtype)


def write_raster(path: Path, data: np.ndarray, *, crs: Any = UTM, transform: Any = NORTH_UP, **profile: Any) -> Path:
    """Write a GeoTIFF in blocks of 256 x 256, deflated, unless told otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    known = {"tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "deflate", **profile}
    tags = known.pop("tags", {})
    size = {"width": data.shape[2], "height": data.shape[1], "count": len(data), "dtype": data.dtype}
    with rasterio.open(path, "w", driver="GTiff", crs=crs, transform=transform, **size, **known) as file:
        file.write(data)
        file.update_tags(**tags)
    return path
