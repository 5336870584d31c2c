"""Rasters that stay open while windows of them are read, by several threads; each block is decoded once.

Windows come row by row. What is decoded for one stays until the row is done, as its neighbours need the same blocks.
"""

from __future__ import annotations

import atexit
import contextlib
import contextvars
import os
import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rsir_fast.base.objects import is_object, look_again
from rsir_fast.base.text import printable
from rsir_fast.datasets.cells import Cell, Cells, limits_of_parts, memory_of_parts
from rsir_fast.datasets.images import decoding
from rsir_fast.datasets.limits import Cost, LimitError, current_limits
from rsir_fast.datasets.pictures import upright
from rsir_fast.datasets.raster import gdal, heard_out, tiff_orientation
from rsir_fast.datasets.raster_bands import BandReader, samples_of_raster
from rsir_fast.datasets.raster_header import driver_of
from rsir_fast.datasets.raster_scale import Brightness, brightness_of, is_stated
from rsir_fast.datasets.reader import Reader
from rsir_fast.datasets.samples import Samples
from rsir_fast.datasets.skipped import EmptyImageError
from rsir_fast.datasets.source import Source, opened
from rsir_fast.datasets.tiff_damage import refuse_damaged_blocks
from rsir_fast.datasets.tiff_directories import read_blocks
from rsir_fast.datasets.tiff_sums import unproven
from rsir_fast.datasets.windows import Window
from rsir_fast.errors import ImageError, MachineError

__all__ = ["read_window"]

_IDLE = 8
"""Rasters that stay open after a window was read; more are open only while they are read."""

_SAMPLE = 8
"""Bytes of a sample at most."""

_PIXEL = 5
"""Bytes of one that is decoded: four of Pillow's, and whether it has data."""

_BANDS = 16
"""Of more bands not all are read for the sum of a block."""

T = TypeVar("T")


def read_window(path: Path, window: Window, reader: Reader, nodata_max: float = 1.0) -> Image.Image:
    """Read a window of a raster as RGB: the pixels that `rsir_fast.datasets.read_image` gives of the whole file.

    A scale that depends on samples (``minmax``, percentiles, the default of more than 8 bits) is that of the whole
    raster, which is read once more for it.

    Parameters
    ----------
    path
        Of a TIFF or JPEG2000 file.
    window
        Inside of it.
    reader
        Bands and scale.
    nodata_max
        Share of the pixels, 0 to 1, that may have no data in any band.

    Returns
    -------
    PIL.Image.Image
        Mode RGB. Of a file that is not georeferenced turned as its orientation says.

    Raises
    ------
    ImageError, MachineError
        As `rsir_fast.datasets.read_image`; EmptyImageError if more pixels than `nodata_max` have no data.
    """
    with _RASTERS.used(path, reader) as raster:
        part = raster.read(window)
    missing = 0 if part.missing is None else int(np.count_nonzero(part.missing))
    share = missing / (window.width * window.height)
    if share > nodata_max:
        raise EmptyImageError(f"{share:.0%} of its pixels have no data")
    return upright(part.image, raster.orientation)


class _Part(NamedTuple):
    """Some pixels: RGB, and bool [h, w] where no band has data; None: nowhere."""

    image: Image.Image
    missing: NDArray[np.bool_] | None

    @property
    def nbytes(self) -> int:
        return 4 * self.image.width * self.image.height + (0 if self.missing is None else self.missing.nbytes)

    @staticmethod
    def of_planes(planes: NDArray[np.uint8], missing: NDArray[np.bool_] | None) -> _Part:
        """Return pixels of one band or three: uint8 [1 or 3, h, w]."""
        grey = [Image.fromarray(plane) for plane in planes]
        return _Part(Image.merge("RGB", grey if len(grey) == 3 else 3 * grey), missing)


class _Raster:
    """One raster, open.

    Parameters
    ----------
    path, reader
        As for `read_window`.
    """

    def __init__(self, path: Path, reader: Reader) -> None:
        self._path, self._reader = path, reader
        self._held = contextlib.ExitStack()
        self._free: list[_Handle] = []
        self._changed = threading.Condition()
        self._cells: OrderedDict[Cell, _Part] = OrderedDict()
        self.nbytes = 0  # of what is decoded
        self._busy: set[Cell] = set()
        self._scaling = threading.Lock()
        self._brightness: Brightness | None = None
        self.users = 0
        self._source = self._held.enter_context(opened(path))
        try:
            self._driver = self._safely(lambda _: driver_of(self._source))
            self.layout, self.orientation = self._safely(self._look)
            self._blocks = read_blocks(self._source.again()) if self._driver == "GTiff" else None
        except BaseException:
            self.close()
            raise

    def _look(self, _: Any) -> tuple[Cells, int]:
        with gdal(), self._handle() as dataset:
            placed = dataset.crs is not None or not dataset.transform.is_identity or bool(dataset.gcps[0])
            turned = self._driver == "GTiff" and not placed
            return Cells.of(dataset), tiff_orientation(self._source.again()) if turned else 1

    def close(self) -> None:
        """Close the file."""
        with contextlib.suppress(MachineError):  # it was raised where it was met
            for handle in self._free:
                handle.close()
            self._held.close()

    def forget(self) -> None:
        """Let go of what is decoded."""
        with self._changed:
            self._cells.clear()
            self.nbytes = 0

    def read(self, window: Window) -> _Part:
        """Return the pixels of a window."""
        width, height = self.layout.raster_width, self.layout.raster_height
        if window.right > width or window.bottom > height:
            raise ImageError(f"{printable(self._path)}: the window {window} is not inside of {width} x {height} pixels")
        most = self.layout.of_rows(window.height)
        if most * _PIXEL * self.layout.width * self.layout.height > memory_of_parts():
            return self._decoded(window)  # blocks at its edges are decoded for its neighbours again
        try:
            return self._assembled(window, most)
        except LimitError:
            raise
        except ImageError:
            return self._decoded(window)  # what is damaged may be beside it

    def _assembled(self, window: Window, most: int) -> _Part:
        """Return the pixels of a window from those of cells."""
        image = Image.new("RGB", (window.width, window.height))
        missing: NDArray[np.bool_] | None = None
        for cell in self.layout.touching(window):
            part, place = self._cell(cell, most), self.layout.window(cell)
            image.paste(part.image, place.within(window)[:2])
            if part.missing is not None:
                missing = np.zeros((window.height, window.width), bool) if missing is None else missing
                common = window.common(place)
                missing[common.within(window).pixels] = part.missing[common.within(place).pixels]
        return _Part(image, missing)

    def _cell(self, cell: Cell, most: int) -> _Part:
        """Return a cell; while another thread decodes it, decode one of those that come next."""
        while True:
            with self._changed:
                found = self._cells.get(cell)
                if found is not None:
                    self._cells.move_to_end(cell)
                    return found
                taken = self._next_free(cell)
                if taken is None:
                    self._changed.wait()
                    continue
                self._busy.add(taken)
            made: _Part | None = None
            try:
                made = self._decoded(self.layout.window(taken))
            except ImageError:
                if taken == cell:
                    raise  # else whoever needs it will meet the same
            finally:
                with self._changed:
                    self._busy.remove(taken)
                    if made is not None:
                        self._cells[taken] = made
                        self.nbytes += made.nbytes
                        while len(self._cells) > most:
                            self.nbytes -= self._cells.popitem(last=False)[1].nbytes
                    self._changed.notify_all()
            if taken == cell and made is not None:
                return made

    def _next_free(self, cell: Cell) -> Cell | None:
        """Return a cell, or if it is being decoded the next one of its row that is not."""
        for column in range(cell[1], self.layout.columns):
            one = cell[0], column
            if one not in self._busy and one not in self._cells:
                return one
        return None

    def _decoded(self, window: Window) -> _Part:
        made = self._safely(lambda admit: self._part(window, admit))
        if made is None:
            self._find_brightness()
            made = self._safely(lambda admit: self._part(window, admit))
        assert made is not None
        return made

    def _part(self, window: Window, admit: Callable[[Cost], None]) -> _Part | None:
        """Return some pixels; None if a look at all of the raster has to come first."""
        samples = self._samples(window, admit)
        if self._brightness is None:
            if not is_stated(samples, self._reader.scale):
                return None
            self._brightness = Brightness(self._reader.scale)
        missing = None if samples.valid is None else np.asarray(~samples.valid.any(axis=0))
        missing = missing if missing is not None and missing.any() else None
        return _Part.of_planes(self._brightness.planes(samples), missing)

    def _find_brightness(self) -> None:
        def parts() -> Iterator[Samples]:
            for cell in self.layout:
                yield self._safely(partial(self._samples, self.layout.window(cell)))

        with self._scaling:
            if self._brightness is None:
                memory = memory_of_parts()
                try:
                    self._brightness = brightness_of(parts(), self._reader.scale, memory)
                except LimitError as error:
                    raise LimitError(f"{printable(self._path)}: {error}") from None

    def _samples(self, window: Window, admit: Callable[[Cost], None]) -> Samples:
        with gdal() as complaints, self._handle() as dataset:
            blocks, every = self._blocks, tuple(range(1, dataset.count + 1))
            together = blocks is not None and blocks.has_one_sum and self._has_room(dataset, every, window)
            summed = together or (blocks is not None and blocks.is_summed and blocks.is_planar)
            admit(self.layout.cost(dataset, every if together else self._reader.bands, self._source.size, window))
            if not summed:
                self._refuse_damage(dataset, window)
            reader = BandReader(dataset, window, together=together)
            samples = heard_out(complaints, lambda: samples_of_raster(reader, self._driver, self._reader.bands))
            if summed:
                self._refuse_damage(dataset, window, reader.seen)
            return samples

    def _has_room(self, dataset: Any, bands: tuple[int, ...], window: Window) -> bool:
        """Whether all bands may be read, for their sum, where some are asked for."""
        cost = self.layout.cost(dataset, bands, self._source.size, window)
        return len(bands) <= _BANDS and limits_of_parts(current_limits()).shortage(cost) is None

    def _refuse_damage(self, dataset: Any, window: Window, seen: Mapping[int, NDArray[Any]] | None = None) -> None:
        """Check the blocks of a window; those whose sum is that of the samples that were seen need no second look."""
        if self._blocks is not None:
            which = self._blocks.of(window, self._reader.bands)
            pixels = dataset.width * dataset.height
            most = len(which) * self._blocks.width * self._blocks.height * _SAMPLE * dataset.count
            if seen is not None:
                which = unproven(self._source.again(), self._blocks, which, window, seen)
            refuse_damaged_blocks(self._source.again(), self._blocks, which, pixels, most)

    def _safely(self, decode: Callable[[Callable[[Cost], None]], T]) -> T:
        with self._source.watched(self._path):
            return decoding(self._path, self._source, limits_of_parts(current_limits()), decode)

    @contextlib.contextmanager
    def _handle(self) -> Iterator[Any]:
        """Lend a dataset of rasterio, which one thread at a time may use; inside of `gdal`."""
        with self._changed:
            handle = self._free.pop() if self._free else None
        if handle is None:
            handle = _Handle(self._source, self._driver)
        try:
            yield handle.dataset
        except BaseException:
            handle.close()  # it would tell of the same error again
            raise
        with self._changed:
            self._free.append(handle)


class _Handle:
    """A dataset of rasterio, which one thread at a time may use."""

    def __init__(self, source: Source, driver: str) -> None:
        import rasterio

        # What reads through Python is known in the context that opened it: other threads have others.
        self._context = contextvars.copy_context()
        name = uuid.uuid4().hex
        opener = {"opener": lambda *_, **__: source.again()}
        self.dataset: Any = self._context.run(partial(rasterio.open, name, driver=driver, **opener))

    def close(self) -> None:
        self._context.run(self.dataset.close)


class _OpenRasters:
    """The rasters that windows were read of last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: OrderedDict[Any, _Raster] = OrderedDict()

    @contextlib.contextmanager
    def used(self, path: Path, reader: Reader) -> Iterator[_Raster]:
        """Lend a raster, the file as it is now."""
        key = (path, reader, _stamp(path))
        with self._lock:
            raster = self._open.get(key)
            if raster is None:
                self._tidy()
                raster = self._open[key] = _Raster(path, reader)
            self._open.move_to_end(key)
            raster.users += 1
        try:
            yield raster
        except MachineError:
            with self._lock:
                self._open.pop(key, None)  # to be opened again
            raise
        finally:
            with self._lock:
                raster.users -= 1
                if not raster.users and self._open.get(key) is not raster:
                    raster.close()

    def _tidy(self) -> None:
        """Make room for another."""
        idle = [key for key, raster in self._open.items() if not raster.users]
        for key in idle[: max(0, len(self._open) + 1 - _IDLE)]:
            self._open.pop(key).close()
        held, most = 0, memory_of_parts()
        for raster in reversed(self._open.values()):
            held += raster.nbytes
            if held > most:
                raster.forget()

    def close(self) -> None:
        """Close all that are not in use."""
        with self._lock:
            for key in [key for key, raster in self._open.items() if not raster.users]:
                self._open.pop(key).close()


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        if is_object(path):
            seen = look_again(path)
            return 0, seen.size, seen.changed_ns
        found = os.stat(path)
    except OSError:
        return None  # opening says why
    return found.st_ino, found.st_size, found.st_mtime_ns


_RASTERS = _OpenRasters()
atexit.register(_RASTERS.close)  # GDAL must not close what reads through Python when that is gone
