"""What a network is pre-trained on: images by class, cut to squares while the network works on those before."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import distributed

from rsir_fast.base.text import listed
from rsir_fast.datasets import Dataset, open_dataset, stratified_split
from rsir_fast.datasets.folder_names import is_training_part, is_validation_part
from rsir_fast.datasets.places import locate
from rsir_fast.datasets.scan import Tree
from rsir_fast.errors import DatasetError, ImageError, NoImageReadError, TrainingError
from rsir_fast.extraction.loader import in_groups
from rsir_fast.training import own_rank

__all__ = ["CENTRE", "Crop", "TrainingImages", "channel_means", "cut", "cutter", "open_images"]

MAX_ASPECT = 64
MEAN_IMAGES = 10_000
"""Images that the mean is taken of, at most: of so many it is off by less than one of 255."""

Crop = tuple[float, float, bool]
"""Place of a square in the room it has, across and down, from 0 to 1; and whether it is mirrored."""

CENTRE: Crop = (0.5, 0.5, False)
AT_ONCE = 64


@dataclass(frozen=True)
class TrainingImages:
    """Images to train on and to validate on, of the same classes.

    Attributes
    ----------
    train, validation : Dataset
    """

    train: Dataset
    validation: Dataset

    def describe(self) -> dict[str, Any]:
        """Return names, numbers and a digest of the images, JSON-able."""
        return {
            "dataset": self.train.name,
            "images": {"train": len(self.train), "validation": len(self.validation)},
            "items_sha256": {"train": _digest(self.train), "validation": _digest(self.validation)},
            **self.train.reader.provenance(),
        }


def open_images(
    dataset: Any,
    validation: Any = None,
    *,
    seed: int = 0,
    bands: str | Sequence[int] | None = None,
    scale: str | None = None,
) -> TrainingImages:
    """Open the images of a pre-training.

    Parameters
    ----------
    dataset : path, Dataset, ImageFolder or torch map-style data set
        With classes, whatever `rsir_fast.datasets.open_dataset` takes. Or a folder with folders ``train`` and ``val``
        (``training``, ``validation``, ...), each with class folders, as ImageNet is kept; other parts are left out.
    validation : optional
        As `dataset`, of the same classes. Default: ``val``, or a fifth of every class, drawn with `seed`.
    seed : int
    bands, scale : optional
        As for `rsir_fast.datasets.open_dataset`; of both.

    Raises
    ------
    DatasetError
        If there are no classes, or the validation images have others.
    TrainingError
        If there is only one class, or there are no validation images.
    """
    parts = _parts(dataset)
    if parts is None:
        data = open_dataset(dataset, bands=bands, scale=scale)
    else:
        validation = parts.validation if validation is None else validation
        data = open_dataset(parts.train, bands=bands, scale=scale)
        name = os.path.basename(os.path.abspath(dataset)) or data.name
        data = replace(data, name=name, notes=(*data.notes, *parts.notes))
    data.require_labels()
    if validation is None:
        train, held = stratified_split(data, seed=seed).apply(data)
    else:
        train, held = data, _of_the_same_classes(open_dataset(validation, bands=bands, scale=scale), data.classes)
    present = int((train.class_counts() > 0).sum())
    if present < 2:
        raise TrainingError(f"{data.name}: expected training images of two classes or more, found {present}")
    if not len(held):
        raise TrainingError(f"{data.name}: expected two images of a class or more, one to validate with; add images")
    return TrainingImages(train, held)


class _Parts(NamedTuple):
    """Folders of a data set that is kept in parts."""

    train: Path
    validation: Path | None
    notes: tuple[str, ...]


def _parts(dataset: Any) -> _Parts | None:
    if not isinstance(dataset, (str, os.PathLike)) or not os.path.isdir(dataset):
        return None
    parts = locate(Tree(Path(dataset))).parts
    training = [name for name in parts if is_training_part(name)]
    validation = [name for name in parts if is_validation_part(name)]
    if len(training) != 1 or len(validation) > 1:
        return None
    rest = [name for name in parts if name not in (*training, *validation)]
    notes = (f"parts that are neither trained on nor validated with were left out: {listed(rest)}",) if rest else ()
    train, *held = (Path(dataset) / parts[name].folder for name in (*training, *validation))
    return _Parts(train, held[0] if held else None, notes)


def _of_the_same_classes(validation: Dataset, classes: tuple[str, ...]) -> Dataset:
    labels = validation.require_labels()
    unknown = [name for name in validation.classes if name not in classes]
    if unknown:
        raise DatasetError(
            f"{validation.name}: expected validation images of the classes trained on, found {len(unknown)} others, "
            f"first {unknown[0]}; sort them into class folders of the same names"
        )
    number = np.array([classes.index(name) for name in validation.classes], dtype=np.int64)
    return replace(validation, labels=number[labels], classes=classes)


def _digest(data: Dataset) -> str:
    digest = hashlib.sha256()
    for item in data.items:
        digest.update(item.encode("utf-8", "surrogatepass") + b"\0")
    return digest.hexdigest()


def cut(image: Image.Image, size: int, short_side: int, crop: Crop = CENTRE) -> NDArray[np.uint8]:
    """Resize an image to a short side and cut a square out, in one step: only what is cut out is computed.

    Parameters
    ----------
    image : PIL.Image.Image
        RGB.
    size : int
        Side of the square.
    short_side : int
        At least `size`. The resize is bilinear and antialiased.
    crop : (float, float, bool)
        Place of the square in the room it has, across and down, 0 to 1; True: mirrored left to right.

    Returns
    -------
    ndarray, uint8 [3, size, size]

    Raises
    ------
    ImageError
        If one side is more than 64 times the other.

    Examples
    --------
    >>> cut(Image.new("RGB", (640, 480), (1, 2, 3)), 224, 256)[:, 0, 0].tolist()
    [1, 2, 3]
    """
    width, height = image.size
    short = min(width, height)
    if max(width, height) > MAX_ASPECT * short:
        raise ImageError(f"expected sides within a ratio of {MAX_ASPECT}:1, found {width} x {height}; leave it out")
    across, down, mirrored = crop
    boxes = []
    for length, place in ((width, across), (height, down)):
        resized = round(length * short_side / short)
        first = min(int(place * (resized - size + 1)), resized - size)
        boxes.append((first * length / resized, min((first + size) * length / resized, length)))
    (left, right), (top, bottom) = boxes
    square = image.resize((size, size), Image.Resampling.BILINEAR, box=(left, top, right, bottom))
    pixels = np.asarray(square, dtype=np.uint8).transpose(2, 0, 1)
    return np.ascontiguousarray(pixels[:, :, ::-1] if mirrored else pixels)


def cutter(
    data: Dataset, size: int, short_side: int, crop: Callable[[int], Crop] = lambda _: CENTRE
) -> Callable[[int], NDArray[np.uint8]]:
    """Return a function that loads image `number` and cuts it as ``crop(number)`` says.

    Its errors name the image.
    """

    def load(number: int) -> NDArray[np.uint8]:
        def cropped(image: Image.Image) -> NDArray[np.uint8]:
            try:
                return cut(image, size, short_side, crop(number))
            except ImageError as error:
                raise ImageError(f"{data.items[number]}: {error}") from None

        return data.made_of(number, cropped)

    return load


def channel_means(data: Dataset, size: int, short_side: int, workers: int) -> tuple[float, float, float]:
    """Return the mean of R, G and B over the centre squares of at most 10,000 images, evenly spread.

    Each process takes its share. Sums are whole numbers, so that the means do not depend on processes or threads.

    Raises
    ------
    NoImageReadError
        If no image can be read.
    """
    rank, processes = own_rank()
    chosen = np.linspace(0, len(data) - 1, min(len(data), MEAN_IMAGES)).round().astype(np.int64).tolist()
    mine = chosen[rank::processes]
    sums = torch.zeros(4, dtype=torch.int64)
    groups = [mine[first : first + AT_ONCE] for first in range(0, len(mine), AT_ONCE)]
    skipped: list[tuple[str, str]] = []
    for batch in in_groups(cutter(data, size, short_side), groups, (3, size, size), workers):
        skipped += [(data.items[each.number], each.reason) for each in batch.skipped]
        sums[:3] += batch.images.sum((0, 2, 3), dtype=torch.int64)
        sums[3] += len(batch.images) * size * size
    if processes > 1:
        distributed.all_reduce(sums)
    red, green, blue, pixels = sums.tolist()
    if not pixels:
        raise NoImageReadError(data.name, skipped)
    return red / pixels, green / pixels, blue / pixels
