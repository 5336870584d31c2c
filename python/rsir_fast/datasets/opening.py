"""One door to every kind of data set."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from rsir_fast.base.looking import is_there
from rsir_fast.datasets.bands import MissingBandError
from rsir_fast.datasets.dataset import Dataset
from rsir_fast.datasets.download import download_ucmerced
from rsir_fast.datasets.known import find_by_name
from rsir_fast.datasets.layouts import open_folder
from rsir_fast.datasets.reader import Reader
from rsir_fast.datasets.wrap import wrap_dataset
from rsir_fast.errors import ImageError

__all__ = ["open_dataset"]


def open_dataset(
    source: str | os.PathLike[str] | Dataset | Any,
    *,
    name: str | None = None,
    all_items: bool = False,
    download: bool = False,
    bands: str | Sequence[int] | None = None,
    scale: str | None = None,
) -> Dataset:
    """Open a data set: a folder, a `Dataset`, an ImageFolder or any torch map-style data set.

    Parameters
    ----------
    source
        A path follows the rules of `rsir_fast.datasets.open_folder`, a `Dataset` comes back as it is, any other object
        follows those of `rsir_fast.datasets.wrap_dataset`.
    name
        Replaces the name found.
    all_items
        Take all images of WHU-RS19, not the first 50 of each class.
    download
        If `source` is a path with nothing there and its last part names UC Merced (``"data/UCMerced_LandUse"``),
        download it there first; see `rsir_fast.datasets.download_ucmerced`. No other data set can be downloaded.
    bands
        Bands of the files that become red, green and blue, or one that becomes grey, counted from 1: ``"4,3,2"`` or a
        sequence of integers. Default: see `rsir_fast.datasets.read_image`.
    scale
        To 8 bits: ``"0:3000"`` (samples of the file), ``"minmax"`` or ``"percentile:2,98"`` (of each image). Default:
        see `rsir_fast.datasets.read_image`.

    Returns
    -------
    Dataset
        Its `reader` has bands and scale, where they are given.

    Raises
    ------
    DatasetError
        If there is no such data set; says what was expected, what was found, and the fix. Also if bands or a scale are
        given for images in memory.
    ValueError
        If `bands` or `scale` cannot be understood, or no image has those bands.

    Examples
    --------
    >>> from rsir_fast.datasets import open_dataset
    >>> open_dataset("no/such/folder")
    Traceback (most recent call last):
    ...
    rsir_fast.errors.DatasetError: no folder at no/such/folder: expected FOLDER/CLASS/image.jpg, or images directly ...
    """
    reader = Reader.parse(bands, scale)
    data = _opened(source, name, all_items, download)
    if reader == Reader():
        return data
    data = replace(data, reader=reader)
    _check_bands(data)
    return data


def _opened(source: Any, name: str | None, all_items: bool, download: bool) -> Dataset:
    if isinstance(source, Dataset):
        return source if name is None else replace(source, name=name)
    if not isinstance(source, (str, os.PathLike)):
        return wrap_dataset(source, name=name)
    folder = Path(source)
    if download and not is_there(folder):
        known = find_by_name(folder.name)
        if known is not None and known.name == "UCMerced_LandUse":
            download_ucmerced(folder)
    return open_folder(folder, name=name, all_items=all_items)


def _check_bands(data: Dataset) -> None:
    """Raise ValueError if no image has the bands asked for: said before a run over all of them, not after."""
    if data.reader.bands is None:
        return
    lacking = None
    for number in range(len(data)):
        found = _lacks_bands(data, number)
        if found is False:
            return
        lacking = lacking or found
    if lacking is not None:
        raise ValueError(f"bands: expected bands that the images have; {lacking}")


def _lacks_bands(data: Dataset, number: int) -> MissingBandError | Literal[False] | None:
    """Return what is said of an image that has not the bands, False of one that has; None: it says nothing of them."""
    try:
        data.load_image(number)
    except MissingBandError as error:
        return error
    except ImageError:
        return None
    return False
