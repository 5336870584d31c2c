"""DSH (Liu et al. 2016): a contrastive loss over pairs, and the codes' absolute distance from binary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from rsir_fast.hashing.methods.base import Batch, LossTerms, Method, mean_over_pairs, same_class

__all__ = ["DSH"]


@dataclass(frozen=True)
class DSH(Method):
    """The loss of DSH over the pairs of a batch.

    With ``d_ij = ||u_i - u_j||^2``, codes of b bits, and s_ij = 1 where both are of one class::

        L = mean over pairs of [s_ij d_ij / 2 + (1 - s_ij) max(margin b - d_ij, 0) / 2
                                + alpha (|| |u_i| - 1 ||_1 + || |u_j| - 1 ||_1)]

    Parameters
    ----------
    margin : float, at least 0
        Of dissimilar pairs, a bit: 2 in the paper, whose m is twice the number of bits.
    alpha : float, at least 0
        Weight of the distance from binary: 0.01 in the paper.

    Notes
    -----
    H. Liu, R. Wang, S. Shan, X. Chen, "Deep supervised hashing for fast image retrieval", CVPR 2016, equation 4, with
    all pairs of a batch as there. Batches are of 200 images there. O(|B|^2 b).

    Examples
    --------
    >>> import torch
    >>> u, labels = torch.tensor([[1.0, -1.0], [0.0, 1.0]]), torch.tensor([0, 0])
    >>> terms = DSH()(Batch(u, torch.zeros(2, 2), labels, u, labels))
    >>> [round(float(term), 4) for term in terms]
    [2.51, 2.5, 0.01, 0.0]
    """

    name: ClassVar[str] = "dsh"
    title: ClassVar[str] = "DSH"
    compares: ClassVar[Literal["bank", "batch", "classes"]] = "batch"

    margin: float = 2.0
    alpha: float = 0.01

    def __post_init__(self) -> None:
        self.check(margin=0, alpha=0)

    def __call__(self, batch: Batch) -> LossTerms:
        """Compute the loss of a batch."""
        u, _, labels, *_ = batch.wide()
        apart = (u[:, None] - u[None, :]).square().sum(2)
        similar = same_class(labels, labels, u.dtype)
        pairs = (similar * apart + (1 - similar) * (self.margin * u.shape[1] - apart).clamp(min=0)) / 2
        quantization = 2 * self.alpha * (u.abs() - 1).abs().sum() / batch.images
        return LossTerms.of(mean_over_pairs(pairs), quantization)
