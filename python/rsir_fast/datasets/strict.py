"""The process-wide switches of the decoders, held at one value while any thread decodes."""

from __future__ import annotations

import contextlib
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from PIL import Image, ImageFile

__all__ = ["Held", "strict_decoders"]


class Held:
    """Makes a setting with the first thread that needs it, and undoes it with the last.

    A counter, not a lock around the decoding, so that threads still decode side by side. One for all switches that
    touch each other: settings that are not undone in reverse order would undo each other.

    Parameters
    ----------
    setting
        Makes a context within which it is made.
    """

    def __init__(self, setting: Callable[[], contextlib.AbstractContextManager[None]]) -> None:
        self._setting = setting
        self._lock = threading.Lock()
        self._users = 0
        self._set = contextlib.ExitStack()
        self._thread = threading.local()

    def here(self) -> bool:
        """Whether this thread decodes."""
        return bool(getattr(self._thread, "depth", 0))

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        """Hold the setting until the block ends."""
        with self._lock:
            if self._users == 0:
                self._set.enter_context(self._setting())
            self._users += 1
        self._thread.depth = getattr(self._thread, "depth", 0) + 1
        try:
            yield
        finally:
            self._thread.depth -= 1
            with self._lock:
                self._users -= 1
                if self._users == 0:
                    self._set.close()


@contextlib.contextmanager
def _strict() -> Iterator[None]:
    saved = ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS
    hooks = sys.excepthook, sys.unraisablehook
    with warnings.catch_warnings():
        # Of tags nobody reads, that an image without a place has no place, and what masks mean where there are two.
        warnings.filterwarnings("ignore", module=r"PIL\.")
        warnings.filterwarnings("ignore", message="Dataset has no geotransform")
        warnings.filterwarnings("ignore", message="The dataset's nodata attribute is shadowing the alpha band")
        # Pillow would turn a damaged file into a half-grey image without a word, and refuse whole satellite scenes.
        ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS = False, None
        sys.excepthook, sys.unraisablehook = _all_but_garbled(hooks[0]), _all_but_garbled(hooks[1])
        try:
            yield
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS = saved
            sys.excepthook, sys.unraisablehook = hooks


def _all_but_garbled(hook: Callable[..., Any]) -> Callable[..., None]:
    """Keep from stderr that rasterio fails to log what GDAL says of a damaged tag, quoting bytes that are no UTF-8."""

    def pass_on(first: Any, *more: Any) -> None:
        kind = getattr(first, "exc_type", first)
        if not (strict_decoders.here() and kind is UnicodeDecodeError):
            hook(first, *more)

    return pass_on


strict_decoders = Held(_strict)
