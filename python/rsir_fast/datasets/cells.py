"""The parts of a raster that are decoded at a time: whole blocks, several where they are small."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from rsir_fast.datasets.costs import raster_cost
from rsir_fast.datasets.limits import Cost, Limits, current_limits
from rsir_fast.datasets.windows import Window

__all__ = ["Cell", "Cells", "limits_of_parts", "memory_of_parts"]

_WIDTH, _HEIGHT, _PIXELS = 1024, 512, 1 << 20
"""What a cell has at least, and where its blocks are smaller at most."""

Cell = tuple[int, int]
"""Row and column of a cell among the others."""


@dataclass(frozen=True)
class Cells:
    """How a raster is cut along its blocks.

    Attributes
    ----------
    raster_width, raster_height : int
    width, height : int
        Of a cell, but for the last ones.

    Examples
    --------
    >>> cells = Cells(700, 600, 512, 256)
    >>> list(cells.touching(Window(500, 0, 100, 256))), cells.window((2, 1))
    ([(0, 0), (0, 1)], Window(column=512, row=512, width=188, height=88))
    """

    raster_width: int
    raster_height: int
    width: int
    height: int

    @classmethod
    def of(cls, dataset: Any) -> Cells:
        """Return those of a dataset of rasterio."""
        block_height, block_width = dataset.block_shapes[0]
        width, height = min(block_width, dataset.width), min(block_height, dataset.height)
        if width < dataset.width:
            width *= max(1, min(-(-_WIDTH // width), _PIXELS // (width * height)))
        height *= max(1, min(-(-_HEIGHT // height), _PIXELS // (width * height)))
        return cls(dataset.width, dataset.height, min(width, dataset.width), min(height, dataset.height))

    @property
    def columns(self) -> int:
        """Cells a row."""
        return -(-self.raster_width // self.width)

    def __iter__(self) -> Iterator[Cell]:
        rows = -(-self.raster_height // self.height)
        return ((row, column) for row in range(rows) for column in range(self.columns))

    def window(self, cell: Cell) -> Window:
        """Return the pixels of a cell."""
        top, left = cell[0] * self.height, cell[1] * self.width
        return Window(left, top, min(self.width, self.raster_width - left), min(self.height, self.raster_height - top))

    def touching(self, window: Window) -> Iterator[Cell]:
        """Yield the cells that hold pixels of a window."""
        for row in range(window.row // self.height, (window.bottom - 1) // self.height + 1):
            for column in range(window.column // self.width, (window.right - 1) // self.width + 1):
                yield row, column

    def of_rows(self, height: int) -> int:
        """Return how many cells a row of windows of some height may touch, and one row of cells more."""
        return self.columns * (2 + -(-max(0, height - 1) // self.height))

    def cost(self, dataset: Any, bands: tuple[int, ...] | None, file_bytes: int, part: Window | None = None) -> Cost:
        """Return what GDAL will take for a part of a raster, by default a cell."""
        size = (self.width, self.height) if part is None else (part.width, part.height)
        return raster_cost(dataset, bands, file_bytes, size)


def memory_of_parts() -> int:
    """Return the bytes for parts that are decoded already: half of those for images."""
    return max(1, current_limits().total_memory // 2)


def limits_of_parts(limits: Limits) -> Limits:
    """Return limits for a part of a raster that is being decoded: the other half of the memory."""
    return replace(limits, image_memory=max(1, limits.total_memory // 2))
