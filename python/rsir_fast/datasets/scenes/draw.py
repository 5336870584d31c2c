"""The list of scene classes, and one picture of any of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
from PIL import Image

from rsir_fast.datasets.scenes import built, nature, sport, transport
from rsir_fast.datasets.scenes.canvas import Canvas
from rsir_fast.errors import DatasetError

__all__ = ["SCENE_CLASSES", "draw_scene"]

# The order decides what `classes=n` takes: the first ones differ most.
_PAINTERS: dict[str, Callable[[Canvas], None]] = {
    painter.__name__: painter
    for painter in (
        nature.farmland,
        nature.forest,
        built.dense_residential,
        built.harbor,
        transport.runway,
        sport.baseball_diamond,
        nature.beach,
        built.storage_tanks,
        built.parking_lot,
        transport.freeway,
        nature.river,
        sport.tennis_court,
        transport.airplane,
        nature.chaparral,
        sport.golf_course,
        transport.intersection,
        built.solar_farm,
        nature.lake,
        built.sparse_residential,
        nature.circular_farmland,
        nature.desert,
    )
}

SCENE_CLASSES: tuple[str, ...] = tuple(_PAINTERS)
"""Names of all classes that can be drawn."""


def draw_scene(name: str, index: int, *, size: int = 256, seed: int = 0) -> Image.Image:
    """Draw one scene.

    Parameters
    ----------
    name
        One of `SCENE_CLASSES`.
    index
        Which of the endless row of pictures of this class; each is drawn from its own random stream.
    size
        Side in pixels, 32 to 2048.
    seed
        Another seed, another world.

    Returns
    -------
    PIL.Image.Image
        RGB, size x size; the same pixels for the same arguments with the same versions of NumPy and Pillow.

    Raises
    ------
    DatasetError
        If the class is unknown or the size out of range.

    Examples
    --------
    >>> draw_scene("harbor", 0, size=64).size
    (64, 64)
    """
    if name not in _PAINTERS:
        raise DatasetError(f"unknown scene class {name!r}; choose from {', '.join(SCENE_CLASSES)}")
    if not 32 <= size <= 2048:
        raise DatasetError(f"expected a size of 32 to 2048 pixels, got {size}")
    digest = hashlib.sha256(f"{seed}/{name}/{index}".encode()).digest()
    canvas = Canvas(np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "little"))), size)
    _PAINTERS[name](canvas)
    return canvas.finish()
