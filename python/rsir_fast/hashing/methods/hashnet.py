"""HashNet (Cao et al. 2017): weighted likelihood of pairs, by tanh(beta u) whose beta grows during the training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from rsir_fast.hashing.methods.base import Batch, LossTerms, Method, mean_over_pairs, pair_likelihood, same_class

__all__ = ["HashNet"]


@dataclass(frozen=True)
class HashNet(Method):
    """The loss of HashNet over the pairs of a batch.

    With ``h_i = tanh(beta u_i)``, ``Theta_ij = alpha h_i . h_j / b`` for codes of b bits, and s_ij = 1 where both are
    of one class::

        L = mean over pairs of w_ij [log(1 + exp Theta_ij) - s_ij Theta_ij]
        w_ij = |S| / |S_1| for similar pairs, |S| / |S_0| for the others

    where S are the pairs of different training images, S_1 the similar, S_0 the other ones among them. At step t of the
    training, ``beta = sqrt(1 + growth t)``: tanh becomes the sign step by step (continuation), so that nothing else
    draws the codes to binary.

    Parameters
    ----------
    alpha : float, at least 0
        Slope of the sigmoid times b: 10 in the authors' release.
    growth : float, at least 0
        Of beta^2, a step: 0.005 in the authors' release, there in steps of 200.

    Notes
    -----
    Z. Cao, M. Long, J. Wang, P. S. Yu, "HashNet: deep learning to hash by continuation", ICCV 2017, equations 4
    (weighted likelihood) and 5 (continuation); for single labels the overlap c_ij of label sets there is 1. The
    weights are those of the whole training set, as in the paper; the authors' release has one constant. A head that is
    trained before its network, and then the network, begin at beta = 1 each. O(|B|^2 b).

    Examples
    --------
    >>> u, labels = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]), torch.tensor([0, 1])
    >>> terms = HashNet()(Batch(u, torch.zeros(2, 2), labels, u, labels))
    >>> [round(float(term), 4) for term in terms]
    [0.003, 0.003, 0.0, 0.0]
    """

    name: ClassVar[str] = "hashnet"
    title: ClassVar[str] = "HashNet"
    compares: ClassVar[Literal["bank", "batch", "classes"]] = "batch"

    alpha: float = 10.0
    growth: float = 0.005

    def __post_init__(self) -> None:
        self.check(alpha=0, growth=0)

    def __call__(self, batch: Batch) -> LossTerms:
        """Compute the loss of a batch."""
        u, _, labels, _, bank_labels, *_ = batch.wide()
        h = torch.tanh((1 + self.growth * batch.step) ** 0.5 * u)
        theta = self.alpha * h @ h.T / u.shape[1]
        similar = same_class(labels, labels, theta.dtype)
        total = len(bank_labels) * (len(bank_labels) - 1)
        alike = int((torch.bincount(bank_labels) * (torch.bincount(bank_labels) - 1)).sum())
        weights = similar * total / max(1, alike) + (1 - similar) * total / max(1, total - alike)
        return LossTerms.of(mean_over_pairs(weights * pair_likelihood(theta, similar)))
