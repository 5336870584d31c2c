"""CSQ (Yuan et al. 2020): each class has a binary centre far from the others, and its images' codes are drawn to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from rsir_fast.encoders.hash_network import HashHead
from rsir_fast.hashing.methods.base import Batch, LossTerms, Method, log_cosh

__all__ = ["CSQ", "hash_centres"]

DRAWS = 100
"""Sets of random centres to choose from."""


@dataclass(frozen=True)
class CSQ(Method):
    """The loss of CSQ: cross-entropy of each bit with that of the class's centre, and a distance from binary.

    With ``h_i = (tanh(u_i) + 1) / 2`` and c_i in {0, 1}^b the centre of the image's class::

        L = mean over images and bits of -[c log h + (1 - c) log(1 - h)]  +  weight log cosh(|2 h - 1| - 1)

    Parameters
    ----------
    weight : float, at least 0
        Of the distance from binary: 0.0001, as in public implementations.

    Notes
    -----
    L. Yuan, T. Wang, X. Zhang, F. E. H. Tay, Z. Jie, W. Liu, J. Feng, "Central similarity quantization for efficient
    image and video retrieval", CVPR 2020: central similarity L_C, quantization L_Q, and algorithm 1, see
    `hash_centres`. The centres, as +1 and -1, are the classifier's constant weights: an image's label is that of the
    nearest one. O(|B| b).

    Examples
    --------
    >>> u, labels = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]), torch.tensor([0, 1])
    >>> terms = CSQ()(Batch(u, torch.zeros(2, 2), labels, u, labels, class_vectors=u))
    >>> [round(float(term), 4) for term in terms]
    [0.1269, 0.1269, 0.0, 0.0]
    """

    name: ClassVar[str] = "csq"
    title: ClassVar[str] = "CSQ"
    compares: ClassVar[Literal["bank", "batch", "classes"]] = "classes"
    labels: ClassVar[bool] = True

    weight: float = 1e-4

    def __post_init__(self) -> None:
        self.check(weight=0)

    def prepare(self, head: HashHead, seed: int) -> None:
        """Make the centres, drawn with the seed, the classifier's constant weights."""
        centres = hash_centres(head.classifier.out_features, head.bits, seed)
        with torch.no_grad():
            head.classifier.requires_grad_(False).weight.copy_(torch.from_numpy(centres))
            head.classifier.bias.zero_()

    def __call__(self, batch: Batch) -> LossTerms:
        """Compute the loss of a batch, or of a part of one."""
        u, _, labels, *_ = batch.wide()
        if batch.class_vectors is None:
            raise ValueError("class_vectors: expected the centres of the classes, got none")
        centres = batch.class_vectors.detach().to(u.dtype)[labels]
        values = batch.images * u.shape[1]
        # (tanh(u) + 1) / 2 is the sigmoid of 2 u.
        similarity = functional.binary_cross_entropy_with_logits(2 * u, (centres + 1) / 2, reduction="sum")
        quantization = self.weight * log_cosh(torch.tanh(u).abs() - 1).sum()
        return LossTerms.of(similarity / values, quantization / values)


def hash_centres(classes: int, bits: int, seed: int = 0) -> NDArray[np.float32]:
    """Draw a centre for each class, far from one another.

    Where `bits` is a power of two and there are at most 2 `bits` classes: rows of Sylvester's Hadamard matrix, and if
    they do not suffice their negatives, which differ in half of the bits or in all. Else random bits: of 100 sets the
    one whose two nearest centres are farthest apart, the first of several.

    Parameters
    ----------
    classes : int, at least 2
    bits : int
    seed : int
        Which row is whose, or of the random bits; the same centres with every NumPy.

    Returns
    -------
    array, float32 [classes, bits]
        +1 and -1.

    Notes
    -----
    Yuan et al. 2020, algorithm 1, which draws once. O(bits^2), or O(100 classes^2 bits).

    Examples
    --------
    >>> centres = hash_centres(5, 8)
    >>> sorted(set((centres @ centres.T).flatten().tolist()))
    [0.0, 8.0]
    """
    draw = np.random.RandomState(seed % 2**32)  # its stream is frozen; that of default_rng may change with NumPy
    if bits & (bits - 1) == 0 and classes <= 2 * bits:
        rows = np.ones((1, 1), np.float32)
        while len(rows) < bits:
            rows = np.block([[rows, rows], [rows, -rows]])
        if classes > bits:
            rows = np.concatenate([rows, -rows])
        return rows[draw.permutation(len(rows))[:classes]]
    best: NDArray[np.float32] | None = None
    nearest = np.inf
    for _ in range(DRAWS):
        centres = np.where(draw.random_sample((classes, bits)) < 0.5, np.float32(1), np.float32(-1))
        product = float((centres @ centres.T)[~np.eye(classes, dtype=bool)].max())  # bits - 2 times their distance
        if product < nearest:
            best, nearest = centres, product
    assert best is not None
    return best
