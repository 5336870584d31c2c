"""One door to every kind of data set."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from rsir_fast.datasets.dataset import Dataset
from rsir_fast.datasets.download import download_ucmerced
from rsir_fast.datasets.known import find_by_name
from rsir_fast.datasets.layouts import open_folder
from rsir_fast.datasets.wrap import wrap_dataset

__all__ = ["open_dataset"]


def open_dataset(
    source: str | os.PathLike[str] | Dataset | Any,
    *,
    name: str | None = None,
    all_items: bool = False,
    download: bool = False,
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

    Returns
    -------
    Dataset

    Raises
    ------
    DatasetError
        If there is no such data set; says what was expected, what was found, and the fix.

    Examples
    --------
    >>> from rsir_fast.datasets import open_dataset
    >>> open_dataset("no/such/folder")
    Traceback (most recent call last):
    ...
    rsir_fast.errors.DatasetError: no folder at no/such/folder: expected FOLDER/CLASS/image.jpg, or images directly ...
    """
    if isinstance(source, Dataset):
        return source if name is None else replace(source, name=name)
    if not isinstance(source, (str, os.PathLike)):
        return wrap_dataset(source, name=name)
    folder = Path(source)
    if download and not folder.exists():
        known = find_by_name(folder.name)
        if known is not None and known.name == "UCMerced_LandUse":
            download_ucmerced(folder)
    return open_folder(folder, name=name, all_items=all_items)
