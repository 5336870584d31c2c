"""GreedyHash (Su et al. 2018): classification by the codes themselves, the sign's gradient passed straight through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch.nn import functional

from rsir_fast.hashing.methods.base import Batch, LossTerms, Method

__all__ = ["GreedyHash"]


@dataclass(frozen=True)
class GreedyHash(Method):
    """The loss of GreedyHash: cross-entropy of a linear classifier on sign(u), and a cubic distance from binary.

    The gradient of the classifier is passed through the sign to u as it is::

        L = mean over images of cross-entropy(W sign(u_i) + c, y_i)  +  alpha mean over images and bits of ||u| - 1|^3

    Parameters
    ----------
    alpha : float, at least 0
        Weight of the distance from binary, ``alpha / (|B| b)`` times a sum: 0.1 in the authors' release for CIFAR-10.

    Notes
    -----
    S. Su, C. Zhang, K. Han, Y. Tian, "Greedy hash: towards fast optimization for accurate hash coding in CNN", NeurIPS
    2018, section 3 (the hash coding layer; the penalty ``||H - sgn(H)||_p^p`` with p = 3). The classifier has a bias
    here, none in the release. Where u is 0 the code's bit is 0, so the classifier sees -1. O(|B| (b + K)).

    Examples
    --------
    >>> import torch
    >>> u, labels = torch.tensor([[2.0, -1.0], [-1.0, 1.0]]), torch.tensor([0, 1])
    >>> terms = GreedyHash()(Batch(u, torch.zeros(2, 2), labels, u, labels))
    >>> [round(float(term), 4) for term in terms]
    [0.7181, 0.0, 0.025, 0.6931]
    """

    name: ClassVar[str] = "greedyhash"
    title: ClassVar[str] = "GreedyHash"
    compares: ClassVar[Literal["bank", "batch", "classes"]] = "classes"
    labels: ClassVar[bool] = True
    classifies: ClassVar[Literal["values", "codes"]] = "codes"

    alpha: float = 0.1

    def __post_init__(self) -> None:
        self.check(alpha=0)

    def __call__(self, batch: Batch) -> LossTerms:
        """Compute the loss of a batch, or of a part of one."""
        u, logits, labels, *_ = batch.wide()
        label = functional.cross_entropy(logits, labels, reduction="sum") / batch.images
        cubes = (u.abs() - 1).abs().pow(3)
        return LossTerms.of(None, self.alpha * cubes.sum() / (batch.images * u.shape[1]), label)
