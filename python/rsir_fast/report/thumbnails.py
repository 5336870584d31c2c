"""Small pictures that live inside the HTML file."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass, field

from PIL import Image

from rsir_fast.errors import ImageError

__all__ = ["Thumbnail", "Thumbnails"]


@dataclass(frozen=True)
class Thumbnail:
    """One small picture, or the reason why there is none.

    Attributes
    ----------
    uri : str or None
        A ``data:`` URI of a JPEG; None if the image could not be read.
    problem : str
        Why there is no picture; empty if there is one.
    """

    uri: str | None
    problem: str = ""


@dataclass
class Thumbnails:
    """Makes every thumbnail once, however often its item is shown.

    Parameters
    ----------
    load_image : callable, optional
        Item index -> PIL image, as ``Dataset.load_image``; without it no pictures are shown.
    size : int
        Side of the square into which a picture is fitted, in pixels.
    quality : int
        JPEG quality, 1 to 95.

    Examples
    --------
    >>> thumbnails = Thumbnails(lambda item: Image.new("RGB", (256, 128), "green"), size=64)
    >>> thumbnails(7).uri[:23]
    'data:image/jpeg;base64,'
    >>> thumbnails(7) is thumbnails(7)
    True
    """

    load_image: Callable[[int], Image.Image] | None
    size: int = 112
    quality: int = 82
    _made: dict[int, Thumbnail] = field(default_factory=dict, repr=False)

    def __call__(self, item: int) -> Thumbnail:
        """Return the thumbnail of an item; an image that cannot be read gives one with a reason and no picture."""
        if item not in self._made:
            self._made[item] = self._make(item)
        return self._made[item]

    def _make(self, item: int) -> Thumbnail:
        if self.load_image is None:
            return Thumbnail(None, "no pictures were given")
        try:
            image = self.load_image(item).convert("RGB")
        except ImageError as error:
            return Thumbnail(None, str(error))
        image.thumbnail((self.size, self.size), Image.Resampling.LANCZOS)
        target = io.BytesIO()
        image.save(target, "JPEG", quality=self.quality, optimize=True)
        return Thumbnail("data:image/jpeg;base64," + base64.b64encode(target.getvalue()).decode("ascii"))
