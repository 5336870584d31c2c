"""The label that a model gives an image, as a code: what a hash table of seen classes has to be read beside."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rsir_fast.ops import pack_codes

__all__ = ["LabelCodes", "label_codes"]


class LabelCodes(NamedTuple):
    """Codes of classes.

    Attributes
    ----------
    codes : array, uint8 [n, ceil(bits / 8)]
    bits : int
        ceil(log2 K), at least 1: the least that can tell K classes apart.
    """

    codes: NDArray[np.uint8]
    bits: int


def label_codes(labels: NDArray[np.integer], classes: int) -> LabelCodes:
    """Write the number of each label in binary: ceil(log2 K) bits, Hamming distance 0 within a class alone.

    Where training and test images are of the same classes, no hash function can carry more of a class than these bits
    of a good classifier do (Sablayrolles et al. 2017). Ranked by Hamming distance, images of the same label come first,
    all tied; behind them the order is that of the class numbers' digits, which means nothing.

    Parameters
    ----------
    labels : array, int [n]
        Class numbers, 0 to `classes` - 1: predicted ones.
    classes : int
        K, at least 1.

    Returns
    -------
    LabelCodes

    Raises
    ------
    ValueError
        If a label is out of range, or there is no class.

    Notes
    -----
    O(n log K). A. Sablayrolles, M. Douze, N. Usunier, H. Jegou, "How should we evaluate supervised hashing?", ICASSP
    2017, arXiv:1609.06753.

    Examples
    --------
    >>> label_codes(np.array([0, 5, 20]), 21)
    LabelCodes(codes=array([[ 0],
           [ 5],
           [20]], dtype=uint8), bits=5)
    """
    if classes < 1:
        raise ValueError(f"classes: expected at least 1, got {classes}")
    if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(f"labels: expected 0 to {classes - 1}, got {labels.min()} to {labels.max()}")
    bits = max(1, (classes - 1).bit_length())
    digits = labels[:, None] >> np.arange(bits) & 1
    return LabelCodes(pack_codes(digits.astype(np.float32)), bits)
