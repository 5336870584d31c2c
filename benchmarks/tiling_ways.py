"""The ways to read the tiles of a raster, each in a process of its own, for `tiling.py`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines import cores
from memory import mib, reset

TILE = 256
BANDS = (1, 2, 3)
LOOP, ALONE, UNCHECKED, THREADS = "rasterio", "ours, 1 thread", "ours, 1 thread, unchecked", "ours, all threads"

Kept = Callable[[NDArray[Any]], Any]


@dataclass(frozen=True)
class Raster:
    """A raster on disk: what is read of it."""

    path: str
    scale: str | None

    def tiles(self) -> Any:
        import rsir_fast as rf

        return rf.tiles(self.path, TILE, bands=BANDS, scale=self.scale, nodata_max=1.0)


def loop(raster: Raster, kept: Kept, windows: Iterable[Any]) -> list[Any]:
    """rasterio as its manual has it."""
    import rasterio

    with rasterio.open(raster.path) as dataset:
        return [kept(dataset.read(BANDS, window=window)) for window in windows]


def ours(data: Any, kept: Kept, workers: int) -> list[Any]:
    """Tiles as the loader takes them."""

    def tile(number: int) -> Any:
        return kept(data.load_image(number))

    if workers == 1:
        return [tile(number) for number in range(len(data))]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(tile, range(len(data))))


def turn(raster: Raster, way: str, digests: bool = False) -> dict[str, Any]:
    """Read all tiles once from a raster that is not open yet.

    Parameters
    ----------
    digests
        Return those of the tiles' pixels in place of the time.
    """
    from rsir_fast.datasets import open_rasters

    data = raster.tiles()
    if way == LOOP:
        windows = [_of_rasterio(data.placed(number).window) for number in range(len(data))]
        of_pixels = partial(_digest_of_samples, raster.scale)
        read = partial(loop, raster, windows=windows)
    else:
        of_pixels = _digest_of_image
        read = partial(ours, data, workers=cores() if way == THREADS else 1)
    if digests:
        return {"digests": read(kept=of_pixels)}
    open_rasters._RASTERS.close()
    reset()
    start, cpu = time.perf_counter(), time.process_time()
    with _unchecked(way == UNCHECKED):
        read(kept=_let_go)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    return {"tiles": len(data), "seconds": seconds, "cpu": cpu, "peak_mib": mib("VmHWM")}


class Way:
    """A process that takes turns."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._process = ProcessPoolExecutor(1, mp_context=get_context("spawn"))

    def turn(self, raster: Raster, digests: bool = False) -> dict[str, Any]:
        return self._process.submit(turn, raster, self.name, digests).result()

    def close(self) -> None:
        self._process.shutdown()


@contextmanager
def _unchecked(is_so: bool) -> Any:
    """Leave the check for damage out, which nobody but this program can."""
    from rsir_fast.datasets import open_rasters

    check = open_rasters._Raster._refuse_damage
    if is_so:
        open_rasters._Raster._refuse_damage = lambda *_: None  # type: ignore[method-assign]
    try:
        yield
    finally:
        open_rasters._Raster._refuse_damage = check  # type: ignore[method-assign]


def _of_rasterio(window: Any) -> Any:
    from rasterio.windows import Window

    return Window(*window)


def _let_go(_: Any) -> None:
    pass


def _digest_of_image(image: Any) -> int:
    return _digest(np.asarray(image))


def _digest_of_samples(scale: str | None, samples: NDArray[Any]) -> int:
    from rsir_fast.datasets.reader import Scale
    from rsir_fast.datasets.samples import to_eight_bits

    pixels = samples if scale is None else to_eight_bits(samples, scale=Scale.parse(scale))
    return _digest(pixels.transpose(1, 2, 0))


def _digest(pixels: NDArray[np.uint8]) -> int:
    import xxhash

    return xxhash.xxh3_64_intdigest(np.ascontiguousarray(pixels))
