"""The loss of Song et al. 2021: similarity of codes, their distance from binary, and semantic labels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["HashLoss", "LossTerms"]


class LossTerms(NamedTuple):
    """The loss of a batch and its parts, scalars.

    Attributes
    ----------
    total
        What is minimised.
    similarity
        Negative log-likelihood of the pairs' similarities, a mean over pairs.
    quantization
        ``beta * ||sign(u) - u||^2``, a mean over pairs.
    label
        Mean cross-entropy of the classifier.
    """

    total: Tensor
    similarity: Tensor
    quantization: Tensor
    label: Tensor


@dataclass(frozen=True)
class HashLoss:
    """The loss of Song et al. 2021 over a batch and the memory bank of all training images.

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
    >>> terms = HashLoss(p=2)(u, torch.zeros(2, 2), torch.tensor([0, 1]), u, torch.tensor([0, 1]))
    >>> [round(float(term), 4) for term in terms]
    [0.6172, 0.3133, 0.0, 0.6931]
    """

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

    def __call__(
        self, u: Tensor, logits: Tensor, labels: Tensor, bank: Tensor, bank_labels: Tensor, batch: int | None = None
    ) -> LossTerms:
        """Compute the loss of a batch, or of a part of one.

        Parameters
        ----------
        u : Tensor, float [m, b]
            Real-valued codes.
        logits : Tensor, float [m, K]
        labels : Tensor, int64 [m]
            Class numbers, 0 to K - 1.
        bank : Tensor, float [N, b]
            Codes of all training images as last seen; constant.
        bank_labels : Tensor, int64 [N]
        batch : int, optional
            |B| where these m images are a part of a larger batch: the losses of its parts add up to the batch's.
            Default: m.

        Returns
        -------
        LossTerms
        """
        u, logits = (x if x.dtype == torch.float64 else x.float() for x in (u, logits))  # also under autocast
        size = len(u) if batch is None else batch
        pairs = size * len(bank)
        theta = u @ bank.detach().to(u.dtype).T / self.p
        similar = (labels[:, None] == bank_labels[None, :]).to(theta.dtype)
        similarity = (functional.softplus(theta) - similar * theta).sum() / pairs
        quantization = self.beta * (u.detach().sign() - u).square().sum() / pairs
        label = functional.cross_entropy(logits, labels, reduction="sum") / size
        steep = similarity if self.similarity_gradient == "exact" else _steeper(similarity, self.p)
        total = self._similarity_weight * (steep + quantization) + self.label_weight * label
        return LossTerms(total, similarity.detach(), quantization.detach(), label.detach())


def _steeper(value: Tensor, factor: float) -> Tensor:
    """Return the same value, with a gradient `factor` times as large."""
    return value.detach() + factor * (value - value.detach())
