"""Write a data set of synthetic scenes to a folder."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rsir_fast.base.durable import LEFTOVER, remove, sweep, write_durably
from rsir_fast.base.looking import is_file, is_folder, refuse_no_folder
from rsir_fast.base.progress import OnProgress, Progress, is_stopped
from rsir_fast.base.reading import read_json, reading
from rsir_fast.base.text import printable, short
from rsir_fast.datasets.dataset import Dataset
from rsir_fast.datasets.scan import natural_key
from rsir_fast.datasets.scenes.draw import SCENE_CLASSES, draw_scene
from rsir_fast.errors import DatasetError

__all__ = ["generate_scenes"]

_MANIFEST = "scenes.json"
_REPLACING = "replacing former scenes"
_VERSION = 1
_QUALITY = 92


def generate_scenes(
    root: str | Path,
    *,
    classes: int | Sequence[str] | None = None,
    per_class: int = 20,
    size: int = 256,
    seed: int = 0,
    force: bool = False,
    progress: OnProgress | None = None,
) -> Dataset:
    """Make a data set of synthetic scenes: ``ROOT/CLASS/CLASS_000.jpg``.

    For demonstrations and tests where no data set is at hand; the classes look like what they are called, but figures
    measured on them say nothing about real images. Image `i` of a class is the same whatever `per_class` and `classes`
    are. Images already there (from the same size and seed) are kept, so an interrupted call is completed by the next.
    About 0.05 to 0.1 s per image of 256 x 256.

    Parameters
    ----------
    root
        Folder to write to: a new one, an empty one, or one that this function wrote.
    classes
        Names out of `SCENE_CLASSES`, or how many of them from its beginning; all by default.
    per_class
        Images of each class.
    size
        Side of the images in pixels.
    seed
        Another seed, another world.
    force
        Write into a folder that holds other things or other scenes; files of the same names are replaced, others stay.
    progress
        Called with a `rsir_fast.Progress` of the stage ``"draw"`` before every image and at the end; returning False
        cancels.

    Returns
    -------
    Dataset
        Of these images only, in natural order, named ``synthetic scenes``.

    Raises
    ------
    DatasetError
        If an argument is out of range, the folder holds something else, or `progress` cancelled.
    MachineError
        If the folder cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     data = generate_scenes(folder, classes=["forest", "beach"], per_class=1, size=64)
    >>> data.items
    ('beach/beach_000.jpg', 'forest/forest_000.jpg')
    """
    root = Path(root)
    names = _class_names(classes)
    if per_class < 1:
        raise DatasetError(f"expected at least 1 image per class, got per_class={per_class}")
    _claim(root, {"generator": "rsir_fast scenes", "version": _VERSION, "size": size, "seed": seed}, force)
    for name in names:
        sweep(root / name)
    items = [(name, index) for name in names for index in range(per_class)]
    for done, (name, index) in enumerate(items):
        if is_stopped(progress, Progress("draw", done, len(items))):
            raise DatasetError(f"cancelled after {done} of {len(items)} scenes; call again to continue")
        path = root / _path(name, index)
        if not is_file(path) or path.stat().st_size == 0:
            buffer = io.BytesIO()
            draw_scene(name, index, size=size, seed=seed).save(buffer, "JPEG", quality=_QUALITY, subsampling=0)
            write_durably(path, buffer.getvalue())
    is_stopped(progress, Progress("draw", len(items), len(items)))  # too late to stop
    return Dataset(
        name="synthetic scenes",
        root=root,
        items=tuple(_path(name, index) for name, index in items),
        labels=np.repeat(np.arange(len(names), dtype=np.int64), per_class),
        classes=names,
    )


def _path(name: str, index: int) -> str:
    return f"{name}/{name}_{index:03d}.jpg"


def _class_names(classes: int | Sequence[str] | None) -> tuple[str, ...]:
    if classes is None:
        classes = len(SCENE_CLASSES)
    if isinstance(classes, int):
        if not 1 <= classes <= len(SCENE_CLASSES):
            raise DatasetError(f"expected 1 to {len(SCENE_CLASSES)} classes, got {classes}")
        classes = SCENE_CLASSES[:classes]
    unknown = [name for name in classes if name not in SCENE_CLASSES]
    if unknown or not classes or len(set(classes)) != len(classes) or isinstance(classes, str):
        raise DatasetError(f"expected a list of distinct classes out of {', '.join(SCENE_CLASSES)}; got {classes!r}")
    return tuple(sorted(classes, key=natural_key))


def _claim(root: Path, wanted: dict[str, object], force: bool) -> None:
    """Make the folder this function's own, so that every scene in it is of the wanted seed and size."""
    manifest = root / _MANIFEST
    refuse_no_folder(root, "the scenes", DatasetError)
    found = _found(manifest)
    if found == wanted:
        return
    begun = isinstance(found, dict) and _REPLACING in found
    others = [name for name in os.listdir(root) if not LEFTOVER.fullmatch(name)] if is_folder(root) else []
    if not force and others and not begun:
        held = f"scenes made with {short(found, 200)}" if found else "other files"
        raise DatasetError(
            f"expected a new or empty folder at {printable(root)}, found {held}; "
            "choose another folder, or replace them with force (--force)"
        )
    # Interrupted in between, nothing old passes for new, and the folder is still known to be ours.
    write_durably(manifest, _written({_REPLACING: True, **wanted}))
    sweep(root)
    remove(*(path for name in SCENE_CLASSES for path in (root / name).glob(f"{name}_[0-9]*.jpg")))
    write_durably(manifest, _written(wanted))


def _found(manifest: Path) -> object:
    if not is_file(manifest):
        return None
    try:
        with reading(manifest, "the settings of synthetic scenes", "delete it", DatasetError):
            found: object = read_json(manifest)
            return found
    except DatasetError:
        return "damaged"


def _written(settings: dict[str, object]) -> bytes:
    return json.dumps(settings).encode("ascii") + b"\n"
