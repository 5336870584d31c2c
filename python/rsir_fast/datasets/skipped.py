"""What was left out because it could not be read, or shows nothing."""

from __future__ import annotations

from typing import NamedTuple

from rsir_fast.errors import ImageError

__all__ = ["EmptyImageError", "Skipped", "Unread", "unread"]


class Skipped(NamedTuple):
    """An image, or a folder of images, that could not be read, and why."""

    item: str
    reason: str


class Unread(NamedTuple):
    """An image of a data set that has no row, by its number, and why.

    Attributes
    ----------
    number : int
    reason : str
    empty : bool
        Whether it shows nothing, which is no fault.
    """

    number: int
    reason: str
    empty: bool = False


def unread(number: int, error: ImageError) -> Unread:
    """Return what is told of an image, by its number, that raised an error."""
    return Unread(number, str(error), isinstance(error, EmptyImageError))


class EmptyImageError(ImageError):
    """An image shows nothing: most of its pixels have no data."""
