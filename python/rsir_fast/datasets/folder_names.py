"""What folders are called that are no classes: parts of a split, wrappers around the images, masks beside them."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from rsir_fast.datasets.known import fold, words

__all__ = ["is_part", "is_training_part", "is_validation_part", "is_wrapper", "masks_among"]

_REST = r"(set|data|split|part|images|image|imgs|img|jpg)?\d*"
_TRAINING = re.compile(rf"(train|training|trn){_REST}")
_VALIDATION = re.compile(rf"(val|valid|validation|dev){_REST}")
_OTHER_PARTS = re.compile(rf"(test|testing|tst|eval|evaluation|holdout|query|queries|gallery|database|trainval){_REST}")
_WRAPPERS = words(
    "image images img imgs data dataset datasets jpg jpgs jpeg jpegs jpegimages rgb rgbimages png pngs tif tiff tiffs "
    "picture pictures photo photos scenes tiles patches imagery originals"
)
_MASKS = words(
    "masks labels annotation annotations annot annots groundtruth groundtruths gt gts segmentations segmentation "
    "segmentationclass segmentationobject segmentationmask segmentationmasks labelimages labelimgs "
    "semanticlabels maskimages annotatedimages"
)
_MASKS_BESIDE_IMAGES = words("mask label seg segs target targets")


def is_training_part(name: str) -> bool:
    """Whether a folder is one of training images by its name: ``train``, ``Training``, ``train2017``."""
    return _TRAINING.fullmatch(fold(name)) is not None


def is_validation_part(name: str) -> bool:
    """Whether a folder is one of validation images by its name: ``val``, ``validation``, ``val2017``."""
    return _VALIDATION.fullmatch(fold(name)) is not None


def is_part(name: str) -> bool:
    """Whether a folder is a part of a split by its name.

    Examples
    --------
    >>> [name for name in ("train", "Test_set", "val2017", "query", "trainstation") if is_part(name)]
    ['train', 'Test_set', 'val2017', 'query']
    """
    return is_training_part(name) or is_validation_part(name) or _OTHER_PARTS.fullmatch(fold(name)) is not None


def is_wrapper(name: str) -> bool:
    """Whether a folder is called after what it holds, images, and not after a class.

    Examples
    --------
    >>> is_wrapper("Images"), is_wrapper("forest")
    (True, False)
    """
    return fold(name) in _WRAPPERS


def masks_among(folders: Sequence[str], images: Collection[str]) -> list[str]:
    """Return those of a folder's subfolders that hold masks or labels of the images, by their names.

    Parameters
    ----------
    folders, images
        Names of the subfolders and of the image files beside one another. A name that may well be a class (``mask``)
        counts only beside a folder ``images``, or alone beside image files.

    Examples
    --------
    >>> masks_among(["forest", "masks", "river"], []), masks_among(["mask", "no_mask"], []), masks_among(["mask"], "1")
    (['masks'], [], ['mask'])
    """
    beside = any(map(is_wrapper, folders)) or (len(folders) == 1 and len(images) > 0)
    return [name for name in folders if fold(name) in _MASKS or (beside and fold(name) in _MASKS_BESIDE_IMAGES)]
