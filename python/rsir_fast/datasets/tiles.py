"""Rasters become a data set of tiles: windows of them, read when they are asked for; no file is written."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import overload

import numpy as np

from rsir_fast.base.shared import within
from rsir_fast.base.text import listed
from rsir_fast.datasets.dataset import Dataset
from rsir_fast.datasets.dates import Dating
from rsir_fast.datasets.footprints import Bounds, bounds_of, footprints
from rsir_fast.datasets.grids import Grid, grid_of
from rsir_fast.datasets.raster_files import find_rasters
from rsir_fast.datasets.raster_header import GCPS_ONLY, RPCS_ONLY, RasterHeader, read_header
from rsir_fast.datasets.reader import Reader
from rsir_fast.datasets.skipped import Skipped
from rsir_fast.datasets.tiling import Tiling, Unit
from rsir_fast.datasets.windows import Picked, Placed, Places, Window, item_name
from rsir_fast.errors import DatasetError, ImageError, NoImageReadError

__all__ = ["cut", "tiles"]

_AT_ONCE = 1024
"""Windows whose bounds are computed together."""

_MOST = 1 << 31
"""Tiles of a data set."""


def tiles(
    rasters: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    size: float,
    stride: float | None = None,
    unit: Unit = "px",
    bands: str | Sequence[int] | None = None,
    scale: str | None = None,
    *,
    nodata_max: float = 0.5,
    date: str | None = None,
    name: str | None = None,
) -> Dataset:
    """Cut rasters into tiles, each an item of a data set.

    Parameters
    ----------
    rasters : path, or several
        GeoTIFF (COG, BigTIFF) and JPEG2000 files, glob patterns (``scenes/*.tif``, ``scenes/**/*.tif``), and folders,
        which give all such files below them. A raster that is named twice counts once. ``s3://BUCKET/KEY``, in a store,
        is named likewise (extra ``cloud``; the environment says which store, and who asks).
    size : float
        Of a tile, each side.
    stride : float, optional
        From a tile to the next. Default: `size`, so that they touch. A longer one leaves pixels out, and says so.
    unit : {"px", "m"}
        Of both: pixels, or metres by the CRS of each raster, rounded to whole pixels
        (`rsir_fast.datasets.grids.metres_a_pixel` has the formula for degrees).
    bands, scale
        As for `rsir_fast.open_dataset`. A scale by samples (``minmax``, ``percentile:2,98``, the default of samples of
        more than 8 bits) is that **of the whole raster**, which is read once more for it; one in numbers
        (``0:3000``) makes all rasters comparable.
    nodata_max : float
        Share of a tile's pixels, 0 to 1, that may have no data in any band; with more it is left out as empty.
    date : str, optional
        When the rasters were taken: a date or time (``2024-05-01``), an interval, whose start counts, or a pattern of
        file names (``*_%Y%m%d*``, `rsir_fast.datasets.dates.Dating.parse`). Default: what their tags say
        (``ACQUISITIONDATETIME``, else ``TIFFTAG_DATETIME``).
    name : str, optional
        Of the data set. Default: of the folder around all rasters.

    Returns
    -------
    Dataset
        Raster by raster in natural order of their paths, each row by row from the upper left, called
        ``a.tif#xywh=COLUMN,ROW,WIDTH,HEIGHT``. The last tiles of a row, and the last row, are moved inwards to end with
        the raster, so that all have the same size, all pixels are in a tile, and none shows anything else; a raster
        smaller than a tile is one tile. ``placed(i)`` says where a tile lies. Rasters that cannot be used are listed in
        `unreadable`, all that is odd in `notes`.

    Raises
    ------
    DatasetError
        If there is no such file, or no raster among them.
    NoImageReadError
        If there are rasters, and none can be used.
    ValueError
        If a setting is out of range or cannot be understood, or the pattern of dates fits no name.

    Notes
    -----
    Only headers are read here. When tiles are read, by any number of threads, each block of a raster is decoded once;
    memory holds the blocks of a row of tiles. Nothing but the rasters themselves is read: no side files.

    Examples
    --------
    >>> from rsir_fast.datasets.tiles import tiles
    >>> tiles("no/such/*.tif", 256)
    Traceback (most recent call last):
    ...
    rsir_fast.errors.DatasetError: no/such/*.tif: expected rasters, found no such file; check the path or the pattern
    """
    reader = Reader.parse(bands, scale)
    dating = None if date is None else Dating.parse(date)
    tiling = Tiling(
        size, size if stride is None else stride, unit, nodata_max, "" if dating is None else dating.pattern
    )
    return cut(rasters, tiling, reader, dating, name=name)


def cut(
    rasters: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    tiling: Tiling,
    reader: Reader,
    dating: Dating | None = None,
    *,
    name: str | None = None,
) -> Dataset:
    """Cut rasters into tiles by a recipe; see `tiles`. Without `dating` by the pattern of the recipe, if it has one."""
    files = find_rasters(rasters)
    if dating is not None and all(dating.of_name(os.path.basename(source)) is None for source in files.sources):
        raise ValueError(
            f"date: expected file names with a date such as {dating.pattern}, got {listed(files.sources, 3)}; change "
            "the pattern, or leave it out"
        )
    dating = dating or (Dating.parse(tiling.date) if tiling.date else None)
    used: list[_Cut] = []
    unreadable: list[Skipped] = []
    for source in files.sources:
        time = None if dating is None else dating.of_name(os.path.basename(source))
        try:
            header = read_header(files.root / source, reader.bands)
            used.append(_Cut(source, header, grid_of(header, tiling), header.time if dating is None else time))
        except ImageError as error:
            unreadable.append(Skipped(source, within(str(error), files.root)))
    title = name or files.root.absolute().name or "rasters"
    if not used:
        raise NoImageReadError(title, unreadable)
    places = _Tiles(used)
    if len(places) > _MOST:
        raise DatasetError(f"{title}: expected at most {_MOST} tiles, got {len(places)}; take a larger size")
    notes = (*files.notes, *_notes(used, tiling, reader, dating))
    return Dataset(
        title, files.root, _Names(places), notes=notes, unreadable=tuple(unreadable), reader=reader, places=places,
        tiling=tiling,
    )  # fmt: skip


class _Cut:
    """A raster and its windows."""

    def __init__(self, source: str, header: RasterHeader, grid: Grid, time: int | None) -> None:
        self.source, self.header, self.grid, self.time = source, header, grid, time


class _Tiles(Places):
    def __init__(self, rasters: Sequence[_Cut]) -> None:
        self._rasters = rasters
        self._ends = np.cumsum([0, *(len(raster.grid) for raster in rasters)])
        self._last: tuple[tuple[int, int], list[Bounds | None]] = (-1, -1), []

    def __len__(self) -> int:
        return int(self._ends[-1])

    def at(self, number: int) -> tuple[str, Window]:
        raster, inside = self._found(number)
        return raster.source, raster.grid.window(inside)

    def placed(self, number: int) -> Placed:
        raster, inside = self._found(number)
        bounds = self._bounds(raster, inside)
        return Placed(raster.source, raster.grid.window(inside), raster.header.place, bounds, raster.time)

    def _found(self, number: int) -> tuple[_Cut, int]:
        """Return the raster of a tile, and its number in that."""
        at = range(len(self))[number]
        which = int(np.searchsorted(self._ends, at, side="right")) - 1
        return self._rasters[which], at - int(self._ends[which])

    def _bounds(self, raster: _Cut, number: int) -> Bounds | None:
        if raster.header.place is None:
            return None
        first = number // _AT_ONCE * _AT_ONCE
        key, found = self._last
        if key != (id(raster), first):
            some = range(first, min(first + _AT_ONCE, len(raster.grid)))
            outlines = footprints(raster.header.place, [raster.grid.window(each) for each in some])
            found = [None if outline is None else bounds_of(outline) for outline in outlines]
            self._last = (id(raster), first), found
        return found[number - first]


class _Names(Sequence[str]):
    """What each tile is called."""

    def __init__(self, tiles: _Tiles) -> None:
        self._tiles = tiles

    def __len__(self) -> int:
        return len(self._tiles)

    @overload
    def __getitem__(self, which: int) -> str: ...

    @overload
    def __getitem__(self, which: slice) -> Sequence[str]: ...

    def __getitem__(self, which: int | slice) -> str | Sequence[str]:
        if isinstance(which, slice):
            return Picked(self, np.arange(len(self))[which])
        return item_name(*self._tiles.at(which))


_PLACES = {GCPS_ONLY: "rio warp IN OUT --dst-crs EPSG:4326", RPCS_ONLY: "gdalwarp -rpc -t_srs EPSG:4326 IN OUT"}
"""Commands that make a raster with a transform."""


def _notes(used: Sequence[_Cut], tiling: Tiling, reader: Reader, dating: Dating | None) -> list[str]:
    """Say what is odd, in a sentence for all rasters that it is true of."""
    notes = []
    for why in dict.fromkeys(raster.header.unplaced for raster in used if raster.header.unplaced):
        of = [raster.source for raster in used if raster.header.unplaced == why]
        remedy = f" (`{_PLACES[why]}` places it)" if why in _PLACES else ""
        notes.append(f"{_counted(of)} {why}: tiles without bounds{remedy}: {listed(of, 3)}")
    nowhere = [raster.source for raster in used if raster.header.place is not None and _is_nowhere(raster)]
    if nowhere:
        notes.append(f"{_counted(nowhere)} a CRS without degrees: tiles without bounds: {listed(nowhere, 3)}")
    kinds = Counter(raster.header.dtype for raster in used)
    if len(kinds) > 1 and reader.scale is None:
        told = ", ".join(f"{kind} ({count})" for kind, count in kinds.most_common())
        notes.append(f"rasters of several types of samples: {told}; a scale in numbers makes them alike")
    gaps = sum(raster.grid.left_out for raster in used)
    if gaps:
        pixels = sum(raster.header.width * raster.header.height for raster in used)
        notes.append(f"{gaps / pixels:.0%} of the pixels are in no tile, as the stride is longer than the size")
    undated = [raster.source for raster in used if raster.time is None]
    if undated and dating is not None:
        notes.append(f"no date by {dating.pattern} in the names of {len(undated)} rasters: {listed(undated, 3)}")
    return notes


def _counted(sources: Sequence[str]) -> str:
    return "a raster has" if len(sources) == 1 else f"{len(sources)} rasters have"


def _is_nowhere(raster: _Cut) -> bool:
    assert raster.header.place is not None
    whole = Window(0, 0, raster.header.width, raster.header.height)
    return footprints(raster.header.place, [whole])[0] is None and all(
        outline is None
        for outline in footprints(
            raster.header.place, [raster.grid.window(0), raster.grid.window(len(raster.grid) // 2)]
        )
    )
