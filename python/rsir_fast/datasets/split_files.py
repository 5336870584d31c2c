"""Splits by a word: two shares that are drawn, a file of `Split.save`, or the plain lists of the field."""

from __future__ import annotations

import re
from pathlib import Path

from rsir_fast.base.durable import write_durably
from rsir_fast.base.looking import is_file
from rsir_fast.base.reading import reading
from rsir_fast.base.text import printable
from rsir_fast.datasets.dataset import Dataset
from rsir_fast.datasets.splits import Split, stratified_split
from rsir_fast.errors import DatasetError

__all__ = ["PRESETS", "preset_share", "save_split", "split_of"]

PRESETS = ("80/20", "50/50", "70/30", "20/80", "10/90")
"""Shares in per cent for training and testing that papers of the field take."""

LIST = ".txt"


def preset_share(word: str) -> float | None:
    """Return the share for training of two shares in per cent; None of what is no such word.

    Parameters
    ----------
    word : str
        Such as one of `PRESETS`: whole numbers from 1 on that add up to 100.

    Returns
    -------
    float or None

    Raises
    ------
    ValueError
        If the shares do not add up to 100, or stand beside another sign.

    Examples
    --------
    >>> preset_share("20/80"), preset_share("uc_merced/split.json")
    (0.2, None)
    >>> preset_share("80/10")
    Traceback (most recent call last):
    ...
    ValueError: split: expected shares in per cent that add up to 100, such as 80/20, got 80/10
    """
    found = re.fullmatch(r"(\d{1,3})([/:-])(\d{1,3})", word)
    if found is None:
        return None
    train, test = int(found[1]), int(found[3])
    whole = train + test == 100 and train and test
    if found[2] != "/":
        if whole and not is_file(Path(word)):
            raise ValueError(f"split: expected shares such as {train}/{test}, or a file, got {word}")
        return None
    if not whole:
        raise ValueError(f"split: expected shares in per cent that add up to 100, such as 80/20, got {word}")
    return train / 100


def split_of(word: str | Path, dataset: Dataset, seed: int = 0) -> Split:
    """Return the split that a word names.

    Parameters
    ----------
    word : str or path
        ``"80/20"`` and the like: drawn by `rsir_fast.stratified_split` with `seed`. A file that `Split.save` wrote. A
        ``.txt`` of items to train on, one a line; the items to test on are those of the file beside it of the same
        name with ``test`` in place of the last ``train``, or, where there is none, all others. An item is named by its
        path in the data set, or by its file name, with or without its ending, where only one item has it; what follows
        the last blank or comma, a label say, may stand behind it. Empty lines and those that begin with ``#`` count for
        nothing.
    dataset : Dataset
    seed : int
        Of a split that is drawn.

    Returns
    -------
    Split
        Of items of the data set; of lists in the order of the lists, or of the data set for all others.

    Raises
    ------
    DatasetError
        If a file is missing or damaged, names nothing to train on, or what is not in the data set, or twice.
    ValueError
        If shares do not add up to 100.

    Notes
    -----
    O(n) time.

    Examples
    --------
    >>> import numpy as np
    >>> data = Dataset("demo", Path("."), tuple(f"a/{i}.png" for i in range(5)), np.zeros(5, np.int64), ("a",))
    >>> len(split_of("80/20", data, seed=1).train)
    4
    """
    share = preset_share(str(word))
    if share is not None:
        return stratified_split(dataset, train=share, seed=seed)
    path = Path(word)
    found = _of_lists(path, dataset) if path.suffix == LIST else Split.load(path, dataset)
    if not found.train:
        raise DatasetError(f"{printable(str(path))}: names no images to train on; name another file")
    return found


def _of_lists(path: Path, dataset: Dataset) -> Split:
    train = _items(path, dataset)
    chosen = set(train)
    beside = _test_list(path)
    if beside is None or not is_file(beside):
        return Split(dataset.name, train, tuple(item for item in dataset.items if item not in chosen))
    test = _items(beside, dataset)
    both = next((item for item in test if item in chosen), None)
    if both is not None:
        raise DatasetError(
            f"{printable(str(beside))}: expected other images than those of {printable(path.name)}, found "
            f"{printable(both)} in both; take it out of one"
        )
    return Split(dataset.name, train, test)


def save_split(split: Split, path: str | Path) -> tuple[Path, ...]:
    """Write a split: as JSON, or as two plain lists, which `split_of` reads again.

    Parameters
    ----------
    split : Split
    path : str or path
        ``.txt``, with ``train`` in its name: two lists, the other with ``test`` in place of the last ``train``;
        otherwise one file as of `Split.save`.

    Returns
    -------
    tuple of Path
        What was written.

    Raises
    ------
    ValueError
        If a list has no ``train`` in its name.
    """
    path = Path(path)
    if path.suffix != LIST:
        split.save(path)
        return (path,)
    beside = _test_list(path)
    if beside is None:
        raise ValueError(f"split: expected a list with train in its name, such as train{LIST}, got {path.name}")
    for file, items in ((path, split.train), (beside, split.test)):
        write_durably(file, "".join(f"{item}\n" for item in items).encode("utf-8", "surrogateescape"))
    return (path, beside)


def _test_list(path: Path) -> Path | None:
    before, train, after = path.name.rpartition("train")
    return path.with_name(f"{before}test{after}") if train else None


def _items(path: Path, dataset: Dataset) -> tuple[str, ...]:
    """Return the items that a list names."""
    with reading(path, "a list of images, one a line", "name another file", DatasetError):
        lines = path.read_bytes().decode("utf-8", "surrogateescape").splitlines()
    by_name: dict[str, list[str]] = {}
    for item in dataset.items:
        file = item.rpartition("/")[2]
        for name in {item, file, file.rpartition(".")[0]}:
            by_name.setdefault(name, []).append(item)
    found: dict[str, int] = {}  # in the order of the lines
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        known = by_name.get(text) or by_name.get(re.sub(r"[\s,]+[^\s,]*$", "", text), [])
        if len(known) != 1:
            what = "one that several have" if known else "one that it does not have"
            raise DatasetError(
                f"{printable(str(path))}, line {number}: expected an image of {dataset.name}, found {what}: "
                f"{printable(text)}; name images by their paths in it"
            )
        first = found.setdefault(known[0], number)
        if first != number:
            raise DatasetError(
                f"{printable(str(path))}, line {number}: expected every image once, found {printable(known[0])} again, "
                f"as in line {first}; take it out of one"
            )
    return tuple(found)
