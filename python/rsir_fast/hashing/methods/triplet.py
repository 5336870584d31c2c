"""The triplet loss with the hardest examples of a batch (Hermans et al. 2017): real-valued vectors, no codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch.nn import functional

from rsir_fast.hashing.methods.base import Batch, LossTerms, Method, same_class

__all__ = ["Triplet"]


@dataclass(frozen=True)
class Triplet(Method):
    """The triplet loss over a batch: each image with its farthest like and its nearest unlike one.

    With ``v = u / ||u||`` and d Euclidean distances between the v of a batch::

        L = mean over images i of max(0, margin + max_{j like i} d_ij - min_{k unlike i} d_ik)

    over the images that have both in the batch, which is drawn as groups of 4 images of one class.

    Parameters
    ----------
    margin : float, at least 0
        0.2, as in FaceNet, whose vectors are of length 1, too.

    Notes
    -----
    A. Hermans, L. Beyer, B. Leibe, "In defense of the triplet loss for person re-identification", arXiv:1703.07737,
    equation 5 (batch hard); F. Schroff, D. Kalenichenko, J. Philbin, "FaceNet", CVPR 2015. O(|B|^2 d).

    Examples
    --------
    >>> u, labels = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]), torch.tensor([0, 0, 1])
    >>> terms = Triplet()(Batch(u, torch.zeros(3, 2), labels, u, labels))
    >>> [round(float(term), 4) for term in terms]
    [0.1, 0.1, 0.0, 0.0]
    """

    name: ClassVar[str] = "triplet"
    title: ClassVar[str] = "triplet, hard"
    compares: ClassVar[Literal["bank", "batch", "classes"]] = "batch"
    embeds: ClassVar[bool] = True
    per_class: ClassVar[int] = 4

    margin: float = 0.2

    def __post_init__(self) -> None:
        self.check(margin=0)

    def __call__(self, batch: Batch) -> LossTerms:
        """Compute the loss of a batch."""
        u, _, labels, *_ = batch.wide()
        v = functional.normalize(u)
        apart = (2 - 2 * v @ v.T).clamp(min=1e-12).sqrt()
        like = same_class(labels, labels, u.dtype).bool()
        others = ~torch.eye(len(u), dtype=torch.bool, device=u.device)
        farthest = apart.masked_fill(~(like & others), -torch.inf).amax(1)
        nearest = apart.masked_fill(like, torch.inf).amin(1)
        whole = (like & others).any(1) & (~like).any(1)
        hinge = (self.margin + farthest[whole] - nearest[whole]).clamp(min=0)
        return LossTerms.of(hinge.sum() / max(1, int(whole.sum())) + 0 * u.sum())
