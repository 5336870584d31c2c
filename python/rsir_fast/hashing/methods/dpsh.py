"""DPSH (Li et al. 2016): the likelihood of the pairs' similarities, and the distance of the codes from binary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from rsir_fast.hashing.methods.base import Batch, LossTerms, Method, pair_likelihood, same_class, steeper

__all__ = ["DPSH"]


@dataclass(frozen=True)
class DPSH(Method):
    """The loss of DPSH over a batch and the memory bank of all training images.

    With ``Theta_ij = u_i . u_j / 2`` for an image i of the batch and j of all N in the bank, and s_ij = 1 where both
    are of one class::

        L = [sum_ij (log(1 + exp Theta_ij) - s_ij Theta_ij) + eta sum_i ||sign(u_i) - u_i||^2] / (|B| N)

    Its gradient is the paper's, in which a pair counts in both orders: that of the first sum twice.

    Parameters
    ----------
    eta : float, at least 0
        Weight of the distance from binary: 10 in the authors' release for CIFAR-10.

    Notes
    -----
    W.-J. Li, S. Wang, W.-C. Kang, "Feature learning based deep supervised hashing with pairwise labels", IJCAI 2016,
    its objective and the gradient of u there. As a sum over pairs there, here as their mean: what AdamW does not see
    but for its weight decay. O(|B| N b) time, O(|B| N) memory.

    Examples
    --------
    >>> import torch
    >>> u, labels = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]), torch.tensor([0, 1])
    >>> terms = DPSH()(Batch(u, torch.zeros(2, 2), labels, u, labels))
    >>> [round(float(term), 4) for term in terms]
    [0.3133, 0.3133, 0.0, 0.0]
    """

    name: ClassVar[str] = "dpsh"
    title: ClassVar[str] = "DPSH"
    compares: ClassVar[Literal["bank", "batch", "classes"]] = "bank"

    eta: float = 10.0

    def __post_init__(self) -> None:
        self.check(eta=0)

    def __call__(self, batch: Batch) -> LossTerms:
        """Compute the loss of a batch, or of a part of one."""
        u, _, labels, bank, bank_labels, *_ = batch.wide()
        pairs = batch.images * len(bank)
        theta = u @ bank.T / 2
        similarity = pair_likelihood(theta, same_class(labels, bank_labels, theta.dtype)).sum() / pairs
        quantization = self.eta * (u.detach().sign() - u).square().sum() / pairs
        return LossTerms.of(steeper(similarity, 2), quantization)
