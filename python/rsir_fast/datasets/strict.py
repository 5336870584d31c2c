"""The process-wide switches of the decoders, held at one value while any thread decodes."""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Iterator

from PIL import Image, ImageFile

__all__ = ["strict_decoders"]


class _Held:
    """Makes a setting with the first thread that needs it, and undoes it with the last.

    A counter, not a lock around the decoding, so that threads still decode side by side. One for all switches: settings
    that are not undone in reverse order would undo each other.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._set = contextlib.ExitStack()

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            if self._users == 0:
                self._set.enter_context(_strict())
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if self._users == 0:
                    self._set.close()


@contextlib.contextmanager
def _strict() -> Iterator[None]:
    saved = ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        # Of tags nobody reads, and that an image without a place has no place.
        warnings.filterwarnings("ignore", module=r"PIL\.")
        warnings.filterwarnings("ignore", message="Dataset has no geotransform")
        # Pillow would turn a damaged file into a half-grey image without a word, and refuse whole satellite scenes.
        ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS = False, None
        try:
            yield
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS = saved


strict_decoders = _Held()
