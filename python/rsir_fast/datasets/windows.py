"""What an item is: a file or a window of a raster, how it is called, and where on Earth it lies."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

__all__ = ["Picked", "Place", "Placed", "Places", "Window", "item_name", "split_name"]

T = TypeVar("T")

_OF = re.compile(r"(?P<source>.*)#xywh=(?P<numbers>\d{1,10},\d{1,10},[1-9]\d{0,9},[1-9]\d{0,9})", re.DOTALL)


class Window(NamedTuple):
    """Pixels of a raster, counted from the upper left corner.

    Attributes
    ----------
    column, row : int
        The first.
    width, height : int
        How many.

    Examples
    --------
    >>> Window.parse("512,0,256,256").right
    768
    """

    column: int
    row: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """Column after the last."""
        return self.column + self.width

    @property
    def bottom(self) -> int:
        """Row after the last."""
        return self.row + self.height

    @property
    def pixels(self) -> tuple[slice, slice]:
        """Rows and columns, as an array is indexed."""
        return slice(self.row, self.bottom), slice(self.column, self.right)

    def common(self, other: Window) -> Window:
        """Return the pixels that are in another one, too; there are some."""
        left, top = max(self.column, other.column), max(self.row, other.row)
        return Window(left, top, min(self.right, other.right) - left, min(self.bottom, other.bottom) - top)

    def within(self, other: Window) -> Window:
        """Return the same pixels, counted from the upper left corner of another one.

        Examples
        --------
        >>> Window(512, 256, 64, 64).within(Window(500, 250, 100, 100))
        Window(column=12, row=6, width=64, height=64)
        """
        return Window(self.column - other.column, self.row - other.row, self.width, self.height)

    @classmethod
    def parse(cls, text: str) -> Window:
        """Understand ``COLUMN,ROW,WIDTH,HEIGHT``.

        Raises
        ------
        ValueError
            For anything else, saying what is expected.
        """
        found = _OF.fullmatch(f"#xywh={text.replace(' ', '')}")
        if found is None:
            raise ValueError(
                f"window: expected COLUMN,ROW,WIDTH,HEIGHT in pixels from the upper left, such as 512,0,256,256, "
                f"got {text!r}"
            )
        return cls(*map(int, found["numbers"].split(",")))

    def __str__(self) -> str:
        return ",".join(map(str, self))


@dataclass(frozen=True)
class Place:
    """Where the pixels of a raster lie.

    Attributes
    ----------
    crs : str
        As an authority's code (``EPSG:32633``) where it has one, else WKT.
    transform : tuple of float
        From (column, row) to (x, y): ``a, b, c, d, e, f`` with x = a column + b row + c and y = d column + e row + f.
    """

    crs: str
    transform: tuple[float, float, float, float, float, float]


@dataclass(frozen=True)
class Placed:
    """What an item of a data set is, and where on Earth.

    Attributes
    ----------
    source : str
        Its file: a POSIX path relative to the root of the data set, or a whole one.
    window : Window or None
        Of a raster; None: the whole file.
    place : Place or None
        Of the raster; None where it has no georeference.
    bounds : tuple of float or None
        West, south, east, north in degrees (WGS 84); west > east crosses the antimeridian.
    time : int or None
        When it was taken, microseconds since 1970 (UTC).
    columns : tuple of (str, value)
        What else is told of it, by name.
    """

    source: str
    window: Window | None = None
    place: Place | None = None
    bounds: tuple[float, float, float, float] | None = None
    time: int | None = None
    columns: tuple[tuple[str, str | int | float | bool | None], ...] = ()


class Places(ABC):
    """What the items of a data set are, each told when it is asked for: there may be millions."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def at(self, number: int) -> tuple[str, Window | None]:
        """Return file and window of an item."""

    @abstractmethod
    def placed(self, number: int) -> Placed:
        """Return all that is known of an item."""

    @staticmethod
    def of(placed: Iterable[Placed]) -> Places:
        """Return those of a few items."""
        return _ListedPlaces(list(placed))

    def picked(self, numbers: NDArray[np.int64]) -> Places:
        """Return some of them, in this order."""
        return _PickedPlaces(self, numbers)


class _ListedPlaces(Places):
    def __init__(self, placed: list[Placed]) -> None:
        self._placed = placed

    def __len__(self) -> int:
        return len(self._placed)

    def at(self, number: int) -> tuple[str, Window | None]:
        return self._placed[number].source, self._placed[number].window

    def placed(self, number: int) -> Placed:
        return self._placed[number]


class _PickedPlaces(Places):
    def __init__(self, of: Places, numbers: NDArray[np.int64]) -> None:
        self._of, self._numbers = of, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def at(self, number: int) -> tuple[str, Window | None]:
        return self._of.at(int(self._numbers[number]))

    def placed(self, number: int) -> Placed:
        return self._of.placed(int(self._numbers[number]))


class Picked(Sequence[T]):
    """Some of a sequence, by their numbers, each made when it is asked for.

    Examples
    --------
    >>> list(Picked("abc", np.array([2, 0])))
    ['c', 'a']
    """

    def __init__(self, of: Sequence[T], numbers: NDArray[np.int64]) -> None:
        self._of, self._numbers = of, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, which: int) -> T: ...

    @overload
    def __getitem__(self, which: slice) -> Picked[T]: ...

    def __getitem__(self, which: int | slice) -> T | Picked[T]:
        if isinstance(which, slice):
            return Picked(self._of, self._numbers[which])
        return self._of[int(self._numbers[which])]


def item_name(source: str, window: Window | None) -> str:
    """Return what an item is called: its file, and of a part of it the pixels, as in a W3C media fragment.

    Examples
    --------
    >>> item_name("scenes/a.tif", Window(512, 0, 256, 256)), item_name("b.jpg", None)
    ('scenes/a.tif#xywh=512,0,256,256', 'b.jpg')
    """
    return source if window is None else f"{source}#xywh={window}"


def split_name(name: str) -> tuple[str, Window | None]:
    """Return file and window of an item's name.

    Examples
    --------
    >>> split_name("a.tif#xywh=0,0,64,64")
    ('a.tif', Window(column=0, row=0, width=64, height=64))
    """
    found = _OF.fullmatch(name) if "#xywh=" in name else None
    return (name, None) if found is None else (found["source"], Window.parse(found["numbers"]))
