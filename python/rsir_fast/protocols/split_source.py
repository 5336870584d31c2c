"""Where a split came from, as the rules of a result state it."""

from __future__ import annotations

from rsir_fast.datasets import Split
from rsir_fast.protocols.protocol import SplitSource

__all__ = ["split_source"]


def split_source(split: Split, file: str | None = None) -> SplitSource:
    """State where a split came from.

    Parameters
    ----------
    split : Split
    file : str, optional
        Name of the file that it was read from: one may hold a split of whole classes or of few images, whatever seed it
        names.

    Returns
    -------
    SplitSource

    Examples
    --------
    >>> split_source(Split("demo", ("a/1", "a/2", "a/3"), ("a/4",), seed=2)).content()
    {'kind': 'drawn', 'train': 0.75, 'seeds': (2,)}
    """
    share = round(len(split.train) / (len(split.train) + len(split.test)), 4)
    if split.seed is None or file is not None:
        return SplitSource(kind="given", train=share, file=file)
    return SplitSource(kind="drawn", train=share, seeds=(split.seed,))
