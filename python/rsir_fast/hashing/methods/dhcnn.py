"""DHCNN (Song et al. 2021): similarity of codes, their distance from binary, and semantic labels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from torch.nn import functional

from rsir_fast.hashing.methods.base import Batch, LossTerms, Method, pair_likelihood, same_class, steeper

__all__ = ["HashLoss"]


@dataclass(frozen=True)
class HashLoss(Method):
    """The loss of DHCNN (Song et al. 2021) over a batch and the memory bank of all training images.

    With ``Theta_ij = u_i . u_j / p`` for an image i of the batch and j of all N in the bank, and s_ij = 1 where both
    are of one class::

        L_sim = [sum_ij (log(1 + exp Theta_ij) - s_ij Theta_ij) + beta sum_i ||sign(u_i) - u_i||^2] / (|B| N)
        L     = eta L_sim + (1 - eta) L_label        (loss_weighting="matlab")
        L     = (1 - eta) L_sim + eta L_label        (loss_weighting="pytorch")

    Parameters
    ----------
    p : float
        Divisor of the products of codes: 32 here, 2 in DPSH.
    beta : float
        Weight of the distance from binary; the PyTorch release calls it lambda.
    eta : float
        Weight of one of the two losses, 0 to 1.
    similarity_gradient : {"paper-code", "exact"}
        ``"paper-code"``: the gradient of the similarity term as the authors' MATLAB release has it, without 1/p: p
        times the exact one. Never changes a value, only the gradient.
    loss_weighting : {"matlab", "pytorch"}
        Which of the authors' two releases to follow, see above.
    classifier_gradient : {"weighted", "whole"}
        ``"whole"``: the classifier's own weights get the gradient of L_label as it is, as in the MATLAB release, where
        its weight in L acts on what flows into the hash layer only. `Trainer` sees to it; no value changes.

    Raises
    ------
    ValueError
        If a value is out of range.

    Notes
    -----
    log(1 + exp) is taken without overflow. O(|B| N b) time, O(|B| N) memory.

    Examples
    --------
    >>> import torch
    >>> u = torch.tensor([[1.0, -1.0], [-1.0, 1.0]])
    >>> labels = torch.tensor([0, 1])
    >>> terms = HashLoss(p=2)(Batch(u, torch.zeros(2, 2), labels, u, labels))
    >>> [round(float(term), 4) for term in terms]
    [0.6172, 0.3133, 0.0, 0.6931]
    """

    name: ClassVar[str] = "dhcnn"
    title: ClassVar[str] = "DHCNN"
    compares: ClassVar[Literal["bank", "batch", "classes"]] = "bank"
    labels: ClassVar[bool] = True

    p: float = 32.0
    beta: float = 25.0
    eta: float = 0.2
    similarity_gradient: Literal["paper-code", "exact"] = "paper-code"
    loss_weighting: Literal["matlab", "pytorch"] = "matlab"
    classifier_gradient: Literal["weighted", "whole"] = "weighted"

    def __post_init__(self) -> None:
        if not 0 < self.p < math.inf:
            raise ValueError(f"p: expected a number above 0, got {self.p}")
        if not 0 <= self.beta < math.inf:
            raise ValueError(f"beta: expected a number of at least 0, got {self.beta}")
        if not 0 <= self.eta <= 1:
            raise ValueError(f"eta: expected 0 to 1, got {self.eta}")
        if self.similarity_gradient not in ("paper-code", "exact"):
            raise ValueError(f"similarity_gradient: expected 'paper-code' or 'exact', got {self.similarity_gradient!r}")
        if self.loss_weighting not in ("matlab", "pytorch"):
            raise ValueError(f"loss_weighting: expected 'matlab' or 'pytorch', got {self.loss_weighting!r}")
        if self.classifier_gradient not in ("weighted", "whole"):
            raise ValueError(f"classifier_gradient: expected 'weighted' or 'whole', got {self.classifier_gradient!r}")
        if self.classifier_gradient == "whole" and self.label_weight == 0:
            raise ValueError(
                f"eta: expected L_label to have a weight where its gradient is taken whole, got {self.eta}"
            )

    @property
    def label_weight(self) -> float:
        """What L_label counts for in the loss."""
        return 1 - self._similarity_weight

    @property
    def _similarity_weight(self) -> float:
        return self.eta if self.loss_weighting == "matlab" else 1 - self.eta

    @property
    def classifier_divisor(self) -> float:
        """The weight of L_label, where the classifier's own weights get its gradient whole."""
        return self.label_weight if self.classifier_gradient == "whole" else 1.0

    def told(self) -> dict[str, Any]:
        """Return the parameters for settings and provenance, as they were told before there were other methods."""
        told = super().told()
        del told["method"]
        if self.classifier_gradient == "weighted":
            del told["classifier_gradient"]
        return told

    def __call__(self, batch: Batch) -> LossTerms:
        """Compute the loss of a batch, or of a part of one."""
        u, logits, labels, bank, bank_labels, *_ = batch.wide()
        pairs = batch.images * len(bank)
        theta = u @ bank.T / self.p
        similarity = pair_likelihood(theta, same_class(labels, bank_labels, theta.dtype)).sum() / pairs
        quantization = self.beta * (u.detach().sign() - u).square().sum() / pairs
        label = functional.cross_entropy(logits, labels, reduction="sum") / batch.images
        steep = similarity if self.similarity_gradient == "exact" else steeper(similarity, self.p)
        total = self._similarity_weight * (steep + quantization) + self.label_weight * label
        return LossTerms(total, similarity.detach(), quantization.detach(), label.detach())
