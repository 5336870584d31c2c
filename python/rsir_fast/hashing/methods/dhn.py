"""DHN (Zhu et al. 2016): the likelihood of the pairs' similarities, and a smooth distance of codes from binary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from rsir_fast.hashing.methods.base import (
    Batch,
    LossTerms,
    Method,
    log_cosh,
    mean_over_pairs,
    pair_likelihood,
    same_class,
)

__all__ = ["DHN"]


@dataclass(frozen=True)
class DHN(Method):
    """The loss of DHN over the pairs of a batch.

    With ``z_i = tanh(u_i)``, ``Theta_ij = z_i . z_j``, and s_ij = 1 where both are of one class::

        L = mean over pairs of [log(1 + exp Theta_ij) - s_ij Theta_ij
                                + weight sum over bits of (log cosh(|z_i| - 1) + log cosh(|z_j| - 1))]

    Parameters
    ----------
    weight : float, at least 0
        Lambda of the paper, chosen there by validation and not stated: 0.1, as in public implementations.

    Notes
    -----
    H. Zhu, M. Long, J. Wang, Y. Cao, "Deep hashing network for efficient similarity retrieval", AAAI 2016: pairwise
    cross-entropy loss L, pairwise quantization loss Q, objective L + lambda Q; sums over pairs there. O(|B|^2 b).

    Examples
    --------
    >>> u, labels = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]), torch.tensor([0, 1])
    >>> terms = DHN()(Batch(u, torch.zeros(2, 2), labels, u, labels))
    >>> [round(float(term), 4) for term in terms]
    [0.2839, 0.2727, 0.0113, 0.0]
    """

    name: ClassVar[str] = "dhn"
    title: ClassVar[str] = "DHN"
    compares: ClassVar[Literal["bank", "batch", "classes"]] = "batch"

    weight: float = 0.1

    def __post_init__(self) -> None:
        self.check(weight=0)

    def __call__(self, batch: Batch) -> LossTerms:
        """Compute the loss of a batch."""
        u, _, labels, *_ = batch.wide()
        z = torch.tanh(u)
        theta = z @ z.T
        similarity = mean_over_pairs(pair_likelihood(theta, same_class(labels, labels, theta.dtype)))
        return LossTerms.of(similarity, 2 * self.weight * log_cosh(z.abs() - 1).sum() / batch.images)
