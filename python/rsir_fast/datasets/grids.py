"""The windows that cut a raster into tiles."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rsir_fast.datasets.raster_header import RasterHeader
from rsir_fast.datasets.tiling import MOST_PIXELS, Tiling
from rsir_fast.datasets.windows import Place, Window
from rsir_fast.errors import ImageError

__all__ = ["Grid", "grid_of", "metres_a_pixel", "pixels"]

_RADIUS, _FLATTENING = 6378137.0, 1 / 298.257223563  # of WGS 84


@dataclass(frozen=True)
class Grid:
    """Windows of a raster, row by row, each row from left to right.

    They begin every `stride` pixels; the last of a row, and the last row, are moved inwards to end where the raster
    ends, so that each window has its full size and nothing but pixels of the raster, and none is left out. A raster
    that is smaller than a window is one window itself.

    Attributes
    ----------
    raster_width, raster_height : int
        In pixels.
    width, height : int
        Of a window.
    across, down : int
        From a window to the next.

    Examples
    --------
    >>> grid = Grid(700, 256, 256, 256, 256, 256)
    >>> [str(grid.window(number)) for number in range(len(grid))]
    ['0,0,256,256', '256,0,256,256', '444,0,256,256']
    """

    raster_width: int
    raster_height: int
    width: int
    height: int
    across: int
    down: int

    @property
    def columns(self) -> int:
        """Windows a row."""
        return 1 + max(0, -(-(self.raster_width - self.width) // self.across))

    @property
    def rows(self) -> int:
        """Rows of windows."""
        return 1 + max(0, -(-(self.raster_height - self.height) // self.down))

    def __len__(self) -> int:
        return self.columns * self.rows

    def window(self, number: int) -> Window:
        """Return a window by its number, from 0."""
        row, column = divmod(number, self.columns)
        width, height = min(self.width, self.raster_width), min(self.height, self.raster_height)
        left, top = (
            min(column * self.across, self.raster_width - width),
            min(row * self.down, self.raster_height - height),
        )
        return Window(left, top, width, height)

    @property
    def left_out(self) -> int:
        """Pixels in no window: there are such only where the stride is longer than a window."""
        across = _covered(self.raster_width, self.width, self.across, self.columns)
        down = _covered(self.raster_height, self.height, self.down, self.rows)
        return self.raster_width * self.raster_height - across * down


def _covered(length: int, size: int, stride: int, count: int) -> int:
    """Return how much of a length `count` windows cover."""
    if count == 1:
        return min(size, length)
    last = length - size - (count - 2) * stride  # from the last but one to the last, which was moved
    return (count - 2) * min(size, stride) + min(size, last) + size


def pixels(metres: float, of_pixel: float) -> int:
    """Return how many pixels are nearest to a length, at least one.

    Examples
    --------
    >>> pixels(1280, 5.0), pixels(1, 30.0)
    (256, 1)
    """
    return max(1, math.floor(metres / of_pixel + 0.5))


def metres_a_pixel(place: Place, width: int, height: int) -> tuple[float, float] | None:
    """Return the length of a step along a row of a raster, and along a column.

    In a projected CRS by its own unit: of Web Mercator those are longer than on the ground. In degrees on the ellipsoid
    WGS 84 at the latitude phi of the raster's middle, with a = 6378137 m and e2 = 0.00669438:
    a degree of longitude is (pi / 180) a cos phi / sqrt(1 - e2 sin2 phi),
    a degree of latitude (pi / 180) a (1 - e2) / (1 - e2 sin2 phi)^1.5 metres.

    Returns
    -------
    tuple of float or None
        None where the CRS has neither metres nor degrees.

    Examples
    --------
    >>> metres_a_pixel(Place("EPSG:32633", (10.0, 0.0, 500000.0, 0.0, -10.0, 5300000.0)), 100, 100)
    (10.0, 10.0)
    >>> [round(step, 3) for step in metres_a_pixel(Place("EPSG:4326", (1e-3, 0.0, 15.0, 0.0, -1e-3, 60.5)), 1000, 1000)]
    [55.8, 111.412]
    """
    from rasterio.crs import CRS

    a, b, _, d, e, f = place.transform
    crs = CRS.from_user_input(place.crs)
    if crs.is_projected:
        x_unit = y_unit = float(crs.linear_units_factor[1])
    elif crs.is_geographic:
        phi = math.radians(f + d * width / 2 + e * height / 2)
        square = _FLATTENING * (2 - _FLATTENING)
        bent = 1 - square * math.sin(phi) ** 2
        x_unit = math.radians(1) * _RADIUS * math.cos(phi) / math.sqrt(bent)
        y_unit = math.radians(1) * _RADIUS * (1 - square) / bent**1.5
    else:
        return None
    along_row, along_column = math.hypot(a * x_unit, d * y_unit), math.hypot(b * x_unit, e * y_unit)
    return (along_row, along_column) if along_row > 0 and along_column > 0 else None


def grid_of(header: RasterHeader, tiling: Tiling) -> Grid:
    """Return the windows of a raster by a recipe.

    Raises
    ------
    ImageError
        If they are in metres and its CRS has none.
    """
    steps: tuple[float, float] | None = (1.0, 1.0)
    if tiling.unit == "m":
        steps = None if header.place is None else metres_a_pixel(header.place, header.width, header.height)
    if steps is None:
        why = header.unplaced or "a CRS of neither metres nor degrees"
        raise ImageError(f"expected a CRS for tiles in metres, found {why}; give it one, or name sizes in pixels")
    width, height, across, down = (
        min(pixels(length, step), MOST_PIXELS) for length in (tiling.size, tiling.stride) for step in steps
    )
    return Grid(header.width, header.height, width, height, across, down)
