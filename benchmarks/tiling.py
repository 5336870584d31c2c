"""`make bench-tiling`: tiles of rasters, beside a loop of rasterio over the same windows and bands.

Each way lives in a process of its own, and they take their turns one after another; the pixels of all are asserted to
be those of the loop. `--data` names folders of real rasters, `--large` adds 36,000 x 18,000, some minutes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parts import begin, log
from run import finish, parser, warn_if_busy
from tiling_ways import ALONE, LOOP, THREADS, TILE, UNCHECKED, Raster, Way

SIDE, LARGE = 4096, (36_000, 18_000)
TILED = {"tiled": True, "blockxsize": 256, "blockysize": 256, "interleave": "pixel"}
STRIPED = {"tiled": False, "blockysize": 16, "interleave": "pixel"}
EVERY = (LOOP, ALONE, UNCHECKED, THREADS)


@dataclass(frozen=True)
class Case:
    """A raster: made on the spot, or a file."""

    name: str
    width: int = SIDE
    height: int = SIDE
    dtype: str = "uint8"
    profile: dict[str, Any] = field(default_factory=dict)
    file: Path | None = None
    ways: tuple[str, ...] = EVERY
    rounds: int | None = None
    """Turns, if not so many as are asked for."""


def every_case(chosen: Any) -> Iterator[Case]:
    side = 600 if chosen.small else SIDE
    of_side = partial(Case, width=side, height=side)
    for compress in ("deflate", "lzw", "zstd"):
        for predictor in (1, 2):
            profile = {"compress": compress, "predictor": predictor}
            yield of_side(f"uint8, {compress}, predictor {predictor}, tiled", profile={**TILED, **profile})
    yield of_side("uint8, uncompressed, tiled", profile=TILED)
    yield of_side("uint8, JPEG, tiled", profile={**TILED, "compress": "jpeg", "photometric": "ycbcr"})
    for predictor in (1, 2):
        profile = {"compress": "deflate", "predictor": predictor}
        yield of_side(f"uint8, deflate, predictor {predictor}, striped", profile={**STRIPED, **profile})
        yield of_side(f"uint16, deflate, predictor {predictor}, tiled", dtype="uint16", profile={**TILED, **profile})
    yield of_side("uint8, deflate, band by band, tiled", profile={**TILED, "compress": "deflate", "interleave": "band"})
    yield of_side("uint16, uncompressed, tiled", dtype="uint16", profile=TILED)
    for folder in chosen.data:
        files = sorted(Path(folder).glob("*.tif"))[: 1 if chosen.small else 2]
        yield from (Case(f"{file.parent.name}/{file.name}", file=file) for file in files)
    if chosen.large:
        width, height = (1200, 900) if chosen.small else LARGE
        profile = {**TILED, "compress": "deflate", "BIGTIFF": "IF_SAFER", "ZLEVEL": 1}
        name = f"uint8, deflate, tiled, {width:,} x {height:,}"
        yield Case(name, width, height, profile=profile, ways=(LOOP, ALONE, THREADS), rounds=1)


def picture(case: Case) -> NDArray[Any]:
    """Return samples [3, H, W] that compress as photographs do, 4,096 a side at most."""
    width, height = min(case.width, SIDE), min(case.height, SIDE)
    y, x = np.mgrid[:height, :width].astype(np.float32) / 64
    most = 255 if case.dtype == "uint8" else 4095
    rng = np.random.default_rng(0)
    made = np.empty((3, height, width), case.dtype)
    for band in range(3):
        slope = 0.5 + 0.35 * np.sin(x + band) * np.cos(y)
        made[band] = (slope + rng.uniform(-0.03, 0.03, slope.shape)) * most
    return made


def written(case: Case, folder: Path) -> Raster:
    """Write the raster of a case; a larger one than 4,096 a side repeats."""
    import rasterio
    from rasterio.transform import Affine
    from rasterio.windows import Window

    scale = None if case.dtype == "uint8" else "0:4095"
    if case.file is not None:
        return Raster(str(case.file), scale)
    samples = picture(case)
    path = folder / "raster.tif"
    size = {"width": case.width, "height": case.height, "count": 3, "dtype": case.dtype}
    place = {"crs": "EPSG:32633", "transform": Affine(10, 0, 500_000, 0, -10, 5_300_000)}
    with rasterio.open(path, "w", driver="GTiff", **size, **place, **case.profile) as file:
        for row in range(0, case.height, SIDE):
            for column in range(0, case.width, SIDE):
                width, height = min(SIDE, case.width - column), min(SIDE, case.height - row)
                file.write(samples[:, :height, :width], window=Window(column, row, width, height))
    return Raster(str(path), scale)


def measure(case: Case, every_way: dict[str, Way], rounds: int) -> dict[str, Any]:
    """Return the times of every way, and the share of the loop's speed that each has."""
    log(case.name)
    ways = [every_way[name] for name in case.ways]
    with tempfile.TemporaryDirectory() as folder:
        raster = written(case, Path(folder))
        expected = ways[0].turn(raster, digests=True)
        for way in ways[1:]:
            assert way.turn(raster, digests=True) == expected, f"{case.name}: {way.name}: other pixels than rasterio's"
        turns = [{way.name: way.turn(raster) for way in ways} for _ in range(case.rounds or rounds)]
    rows = {}
    for name in case.ways:
        each = [found[name] for found in turns]
        row = {key: median(one[key] for one in each) for key in ("seconds", "cpu")}
        for key in ("seconds", "cpu"):
            row[f"{key}_share"] = median(found[LOOP][key] / found[name][key] for found in turns)
        rows[name] = {**row, "peak_mib": max(one["peak_mib"] for one in each)}
    tiles = turns[0][LOOP]["tiles"]
    return {"name": case.name, "tiles": tiles, "megapixels": tiles * TILE**2 / 1e6, "pixels": "asserted", "ways": rows}


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--data", nargs="*", default=[], help="folders of GeoTIFF files")
    options.add_argument("--only", default="", help="only rasters whose name contains this, such as 'deflate'")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--large", action="store_true", help="36,000 x 18,000, too: 2 GB of disk")
    chosen = options.parse_args()
    warn_if_busy()
    rounds = 1 if chosen.small else chosen.rounds
    result, out, parts = begin("tiling", chosen, rounds=rounds)
    cases = [case for case in every_case(chosen) if chosen.only in case.name]
    if not cases:
        options.error(
            f"--only {chosen.only!r}: expected part of a name of: {', '.join(case.name for case in every_case(chosen))}"
        )
    ways = {name: Way(name) for name in EVERY}
    rows = [parts.measured(case.name, partial(measure, case, ways, rounds)) for case in cases]
    for way in ways.values():
        way.close()
    finish(result | {"tile": TILE, "rounds": rounds, "rasters": rows}, out, parts)


if __name__ == "__main__":
    main()
