"""Data sets that already exist in Python: torchvision's ImageFolder, torch map-style data sets, plain lists."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rsir_fast.base.faults import is_machine_fault
from rsir_fast.base.text import printable
from rsir_fast.datasets.dataset import Dataset
from rsir_fast.datasets.doubt import Doubt
from rsir_fast.datasets.images import IMAGE_SUFFIXES
from rsir_fast.datasets.pictures import to_rgb
from rsir_fast.datasets.samples import to_eight_bits
from rsir_fast.datasets.strict import strict_decoders
from rsir_fast.errors import DatasetError, ImageError

__all__ = ["image_from", "wrap_dataset"]

_ITEM = "item-{:06d}"

R = TypeVar("R")


def wrap_dataset(source: Any, *, name: str | None = None) -> Dataset:
    """Make a `Dataset` of an object with ``__len__`` and ``__getitem__``.

    An ImageFolder (``samples`` of paths and labels, ``classes``, ``root``) becomes a data set of paths in its own
    order; its transform is not applied, because the backbone brings its own preprocessing (a note says so).
    Items of other data sets are read one at a time, even by several threads.
    Anything else is read through ``source[i]``, which gives an image or a tuple that starts with one
    (see `image_from`).
    Its labels are ``targets``, ``labels`` or the second part of ``samples``, where one of them is there; otherwise, if
    ``source[0]`` is (image, integer), they come from one pass over all items, which decodes each image once.

    Parameters
    ----------
    source
        The data set. Random transforms make results differ from run to run; leave them out.
    name
        Name of the data set; by default the name of the folder, or of the class of `source`.

    Returns
    -------
    Dataset
        In the order of `source`.

    Raises
    ------
    DatasetError
        If `source` is no such object, or its labels do not fit.

    Examples
    --------
    >>> pairs = [(np.zeros((4, 4, 3), np.uint8), 7), (np.zeros((4, 4, 3), np.uint8), 9)]
    >>> data = wrap_dataset(pairs, name="pairs")
    >>> data.items, data.classes, data.labels.tolist()
    (('item-000000', 'item-000001'), ('7', '9'), [0, 1])
    """
    if not (hasattr(source, "__len__") and hasattr(source, "__getitem__")) or isinstance(source, (bytes, dict)):
        raise DatasetError(
            f"expected a folder or a data set with __len__ and __getitem__, got {type(source).__name__}; "
            "turn an iterable into a list of images first"
        )
    if _is_torch_subset(source) and _is_image_folder(source.dataset):
        return wrap_dataset(source.dataset, name=name).subset(np.asarray(source.indices, dtype=np.int64))
    if _is_image_folder(source):
        return _from_paths(source, name)
    items = tuple(_ITEM.format(i) for i in range(len(source)))
    title = name or type(source).__name__
    labels, classes = _labels_of(source, title)
    return Dataset(title, None, items, labels, classes, loader=_MapLoader(source, title))


def image_from(value: Any) -> Image.Image:
    """Convert what a data set hands out to an RGB image.

    Parameters
    ----------
    value
        A PIL image of any mode; an array [H, W], [H, W, 1], [H, W, 3] or [H, W, 4]; a torch tensor [C, H, W] or [H, W]
        with C = 1, 3 or 4. uint8 is taken as it is and wider integers follow `to_eight_bits`. Floats in [0, 1] (what
        torchvision's ToTensor makes) are multiplied by 255 and rounded, which gives back ToTensor's input exactly.

    Returns
    -------
    PIL.Image.Image
        Mode RGB.

    Raises
    ------
    ImageError
        If the shape is no image's, or floats lie outside [0, 1], as they do after Normalize.

    Examples
    --------
    >>> image_from(np.full((2, 3, 3), 0.2)).getpixel((0, 0))
    (51, 51, 51)
    """
    if isinstance(value, Image.Image):
        return to_rgb(value)
    is_tensor = hasattr(value, "detach")
    array = np.asarray(value.detach().cpu() if is_tensor else value)
    if is_tensor and array.ndim == 3:
        array = array.transpose(1, 2, 0)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))) or 0 in array.shape:
        expected = "a tensor [3, H, W]" if is_tensor else "an image or an array [H, W, 3]"
        raise ImageError(f"expected {expected}, got {type(value).__name__} of shape {np.shape(value)}")
    if np.issubdtype(array.dtype, np.floating):
        if not (array.min() >= 0 and array.max() <= 1):
            raise ImageError(
                f"expected floats in [0, 1], got {array.min():g} to {array.max():g}; leave Normalize out of the data "
                "set's transform (the backbone normalises), or hand out uint8"
            )
        array = np.rint(array * 255.0).astype(np.uint8)
    elif not (np.issubdtype(array.dtype, np.integer) or array.dtype == np.bool_):
        raise ImageError(f"expected an image of numbers, got {type(value).__name__} of {array.dtype}")
    return to_rgb(Image.fromarray(np.ascontiguousarray(to_eight_bits(array))))


def _samples_from(value: Any) -> NDArray[Any]:
    """Return samples [h, w, bands] of an array [h, w, bands] or [h, w], or of a tensor [bands, h, w] or [h, w]."""
    is_tensor = hasattr(value, "detach")
    array = np.asarray(value.detach().cpu() if is_tensor else value)
    if array.ndim == 2:
        return array[:, :, None]
    return array.transpose(1, 2, 0) if is_tensor and array.ndim == 3 else array


class _MapLoader:
    """Reads one item at a time: torch's data sets are written for processes and promise nothing to threads."""

    def __init__(self, source: Any, title: str) -> None:
        self.source, self.title = source, title
        self._turn = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.source, self.title)  # a lock does not travel to other processes

    def __call__(self, item: str) -> Image.Image:
        return self._made(item, image_from)

    def samples(self, item: str) -> NDArray[Any]:
        """Return the samples of an item, [h, w, bands], as they are."""
        return self._made(item, _samples_from)

    def _made(self, item: str, work: Callable[[Any], R]) -> R:
        try:
            with self._turn, strict_decoders():
                value = self.source[int(item.removeprefix("item-"))]
                return work(value[0] if isinstance(value, (tuple, list)) else value)
        except ImageError as error:
            reason = str(error)
        # Foreign code may raise anything; extraction must be able to list the item and go on.
        except Exception as error:
            if is_machine_fault(error):
                raise
            reason = f"{type(error).__name__}: {printable(error)}"
        Doubt().settle()
        raise ImageError(f"{item} of {self.title}: {reason}")


def _is_torch_subset(source: Any) -> bool:
    module = sys.modules.get("torch.utils.data")  # present if `source` comes from there; imported by no one else here
    return module is not None and type(source) is module.Subset


def _is_image_folder(source: Any) -> bool:
    samples = getattr(source, "samples", None)
    return (
        isinstance(samples, list)
        and hasattr(source, "classes")
        and isinstance(getattr(source, "root", None), (str, os.PathLike))
        and getattr(getattr(source, "loader", None), "__name__", "default_loader") == "default_loader"
        and len(samples) == len(source) > 0
        and all(os.path.splitext(os.fspath(path))[1].lower() in IMAGE_SUFFIXES for path, _ in samples)
    )


def _from_paths(source: Any, name: str | None) -> Dataset:
    paths = [os.path.abspath(path) for path, _ in source.samples]
    root = Path(os.path.abspath(source.root))
    if any(not path.startswith(f"{root}{os.sep}") for path in paths):
        root = Path(os.path.commonpath([os.path.dirname(path) for path in paths]))
    given = getattr(source, "transform", None) or getattr(source, "transforms", None)
    notes = ("the transform of the wrapped data set is not applied; the backbone preprocesses",) if given else ()
    return Dataset(
        name=name or root.name or "dataset",
        root=root,
        items=tuple(Path(path).relative_to(root).as_posix() for path in paths),
        labels=np.array([label for _, label in source.samples], dtype=np.int64),
        classes=tuple(map(str, source.classes)),
        notes=notes,
    )


def _label_attribute(source: Any) -> Any:
    if _is_torch_subset(source):
        labels = _label_attribute(source.dataset)
        return None if labels is None else np.asarray(labels)[np.asarray(source.indices, dtype=np.int64)]
    values = next((v for v in (getattr(source, key, None) for key in ("targets", "labels")) if v is not None), None)
    if values is None and getattr(source, "samples", None) is not None:
        values = [label for _, label in source.samples]
    return values


def _labels_of(source: Any, title: str) -> tuple[NDArray[np.int64] | None, tuple[str, ...]]:
    values = _label_attribute(source)
    if values is None and len(source) and _is_labelled(source[0]):
        values = [source[i][1] for i in range(len(source))]
    if values is None:
        return None, ()
    labels = np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)
    if labels.shape != (len(source),) or not (labels.size == 0 or np.issubdtype(labels.dtype, np.integer)):
        raise DatasetError(
            f"{title}: expected {len(source)} integer labels, one per item, got {labels.dtype} of shape "
            f"{labels.shape}; give the data set an attribute `targets` with class indices"
        )
    named = source.dataset if _is_torch_subset(source) else source
    classes: Sequence[Any] | None = getattr(named, "classes", None)
    if classes is not None:
        return labels.astype(np.int64), tuple(map(str, classes))
    present, indices = np.unique(labels, return_inverse=True)
    return indices.astype(np.int64), tuple(map(str, present.tolist()))


def _is_labelled(sample: Any) -> bool:
    if not isinstance(sample, (tuple, list)) or len(sample) < 2:
        return False
    label = np.asarray(sample[1].detach().cpu() if hasattr(sample[1], "detach") else sample[1])
    return label.ndim == 0 and np.issubdtype(label.dtype, np.integer)
