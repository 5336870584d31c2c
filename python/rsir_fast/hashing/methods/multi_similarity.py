"""The multi-similarity loss (Wang et al. 2019): pairs are mined and weighted; real-valued vectors, no codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch.nn import functional

from rsir_fast.hashing.methods.base import Batch, LossTerms, Method, log_one_plus_sum, same_class

__all__ = ["MultiSimilarity"]


@dataclass(frozen=True)
class MultiSimilarity(Method):
    """The multi-similarity loss over the pairs of a batch.

    With S_ij the cosine of u_i and u_j. Of the like images j of i those count whose S_ij is below that of its most
    similar unlike one plus epsilon; of the unlike ones those above its least similar like one minus epsilon (P_i and
    N_i)::

        L = mean over images of log(1 + sum_{P_i} exp(-alpha (S_ij - base))) / alpha
                              + log(1 + sum_{N_i} exp(beta (S_ij - base))) / beta

    A batch is drawn as groups of 5 images of one class, as in the paper.

    Parameters
    ----------
    alpha, beta : float, above 0
        2 and 50 in the paper.
    base : float, at least 0
        Lambda of the paper: 0.5, as in the authors' release (1 in the paper's text).
    epsilon : float, at least 0
        0.1 in the paper.

    Notes
    -----
    X. Wang, X. Han, W. Huang, D. Dong, M. R. Scott, "Multi-similarity loss with general pair weighting for deep metric
    learning", CVPR 2019, equations 11 and 12 (mining) and 15. O(|B|^2 d).

    Examples
    --------
    >>> u, labels = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]]), torch.tensor([0, 0, 1])
    >>> terms = MultiSimilarity()(Batch(u, torch.zeros(3, 2), labels, u, labels))
    >>> [round(float(term), 4) for term in terms]
    [0.5711, 0.5711, 0.0, 0.0]
    """

    name: ClassVar[str] = "multi-similarity"
    title: ClassVar[str] = "multi-similarity"
    compares: ClassVar[Literal["bank", "batch", "classes"]] = "batch"
    embeds: ClassVar[bool] = True
    per_class: ClassVar[int] = 5

    alpha: float = 2.0
    beta: float = 50.0
    base: float = 0.5
    epsilon: float = 0.1

    def __post_init__(self) -> None:
        self.check(alpha=1e-6, beta=1e-6, base=0, epsilon=0)

    def __call__(self, batch: Batch) -> LossTerms:
        """Compute the loss of a batch."""
        u, _, labels, *_ = batch.wide()
        v = functional.normalize(u)
        cosine = v @ v.T
        unlike = ~same_class(labels, labels, u.dtype).bool()
        like = ~unlike & ~torch.eye(len(u), dtype=torch.bool, device=u.device)
        mined = cosine.detach()
        most = mined.masked_fill(~unlike, -torch.inf).amax(1, keepdim=True)
        least = mined.masked_fill(~like, torch.inf).amin(1, keepdim=True)
        positive = log_one_plus_sum(-self.alpha * (cosine - self.base), like & (mined < most + self.epsilon), 1)
        negative = log_one_plus_sum(self.beta * (cosine - self.base), unlike & (mined > least - self.epsilon), 1)
        return LossTerms.of((positive / self.alpha + negative / self.beta).sum() / batch.images)
