"""The recipe by which rasters become tiles."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from rsir_fast.datasets.dates import Dating

__all__ = ["MOST_PIXELS", "Tiling", "Unit"]

Unit = Literal["px", "m"]

MOST_PIXELS = 1 << 30
"""Of a side of a window, as of a raster's."""


@dataclass(frozen=True)
class Tiling:
    """Size and distance of the windows, and which of them count.

    Attributes
    ----------
    size, stride : float
        Of a window, and from one to the next.
    unit : {"px", "m"}
        Of both: pixels, or metres by the CRS of each raster.
    nodata_max : float
        Share of the pixels of a window, 0 to 1, that may have no data.
    date : str
        Pattern of file names that times come from, see `rsir_fast.datasets.dates.Dating`.

    Raises
    ------
    ValueError
        If one of them is out of range.

    Examples
    --------
    >>> Tiling(256, 256)
    Tiling(size=256, stride=256, unit='px', nodata_max=0.5, date='')
    """

    size: float
    stride: float
    unit: Unit = "px"
    nodata_max: float = 0.5
    date: str = ""

    def __post_init__(self) -> None:
        if self.unit not in ("px", "m"):
            raise ValueError(f"unit: expected px or m, got {self.unit!r}")
        for name, value in (("size", self.size), ("stride", self.stride)):
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
                raise ValueError(f"{name}: expected a number above 0, got {value!r}")
            if self.unit == "px":
                if value != int(value) or value > MOST_PIXELS:
                    raise ValueError(
                        f"{name}: expected whole pixels up to {MOST_PIXELS}, got {value}; for metres say so (unit='m')"
                    )
                object.__setattr__(self, name, int(value))
        if not 0 <= self.nodata_max <= 1:
            raise ValueError(f"nodata_max: expected a share from 0 to 1, got {self.nodata_max}")
        if self.date:
            Dating.parse(self.date)

    def __str__(self) -> str:
        date = f", dates by {self.date}" if self.date else ""
        return f"{self.size:g} {self.unit} every {self.stride:g}, at most {self.nodata_max:.0%} without data{date}"
