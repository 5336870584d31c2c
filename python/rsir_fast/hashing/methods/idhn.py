"""IDHN (Zhang et al. 2020) for single labels: the likelihood of pairs, by values of softsign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch.nn import functional

from rsir_fast.hashing.methods.base import Batch, LossTerms, Method, pair_likelihood, same_class

__all__ = ["IDHN"]


@dataclass(frozen=True)
class IDHN(Method):
    """The loss of IDHN over a batch and the memory bank of all training images, each of one class.

    IDHN is made for several labels an image: pairs whose label sets are equal or share nothing (hard similarity) have a
    likelihood, those that share some (soft similarity) a mean square error. Of single labels all pairs are hard and
    the second term is empty: IDHN reduces to DPSH's likelihood by other values, ``v = u / (1 + |u|)``, with another
    slope and another distance from binary. With ``Theta_ij = alpha v_i . v_j`` for an image i of the batch and j of
    all N in the bank::

        L = mean over pairs of [log(1 + exp Theta_ij) - s_ij Theta_ij]  +  weight mean over images and bits of ||v| - 1|

    Parameters
    ----------
    alpha : float, at least 0
        Slope: 0.5, as in public implementations.
    weight : float, at least 0
        Of the distance from binary: 0.1, as in public implementations.

    Notes
    -----
    Z. Zhang, Q. Zou, Y. Lin, L. Chen, S. Wang, "Improved deep hashing with soft pairwise similarity for multi-label
    image retrieval", IEEE TMM 22(2), 2020, arXiv:1803.02987. O(|B| N b) time, O(|B| N) memory.

    Examples
    --------
    >>> import torch
    >>> u, labels = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]), torch.tensor([0, 1])
    >>> terms = IDHN()(Batch(u, torch.zeros(2, 2), labels, u, labels))
    >>> [round(float(term), 4) for term in terms]
    [0.6259, 0.5759, 0.05, 0.0]
    """

    name: ClassVar[str] = "idhn"
    title: ClassVar[str] = "IDHN"
    compares: ClassVar[Literal["bank", "batch", "classes"]] = "bank"

    alpha: float = 0.5
    weight: float = 0.1

    def __post_init__(self) -> None:
        self.check(alpha=0, weight=0)

    def __call__(self, batch: Batch) -> LossTerms:
        """Compute the loss of a batch, or of a part of one."""
        u, _, labels, bank, bank_labels, *_ = batch.wide()
        v = functional.softsign(u)
        theta = self.alpha * v @ functional.softsign(bank).T
        similarity = pair_likelihood(theta, same_class(labels, bank_labels, theta.dtype)).sum()
        quantization = self.weight * (v.abs() - 1).abs().sum() / (batch.images * u.shape[1])
        return LossTerms.of(similarity / (batch.images * len(bank)), quantization)
