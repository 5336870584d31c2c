"""The proxy-anchor loss (Kim et al. 2020): each class has a learnt proxy; real-valued vectors, no codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch.nn import functional

from rsir_fast.encoders.hash_network import HashHead
from rsir_fast.hashing.methods.base import Batch, LossTerms, Method, log_one_plus_sum, same_class

__all__ = ["ProxyAnchor"]


@dataclass(frozen=True)
class ProxyAnchor(Method):
    """The proxy-anchor loss over a batch and the proxies of the classes.

    With s(x, p) the cosine of an image's u and a proxy, P all proxies and P+ those that have images in the batch::

        L = mean over P+ of log(1 + sum_{x of p} exp(-alpha (s(x, p) - delta)))
          + mean over P of log(1 + sum_{x not of p} exp(alpha (s(x, p) + delta)))

    The proxies are the classifier's weights.

    Parameters
    ----------
    alpha : float, at least 0
        32 in the paper.
    delta : float, at least 0
        Margin: 0.1 in the paper.

    Notes
    -----
    S. Kim, D. Kim, M. Cho, S. Kwak, "Proxy anchor loss for deep metric learning", CVPR 2020, equation 4. The proxies'
    learning rate is 0.01 there, a hundred times that of the network; here ten times that of the hash layer, which is
    the same in the recipe ``"modern"``. They begin as N(0, 2 / K), as there. O(|B| K d).

    Examples
    --------
    >>> u, labels = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1])
    >>> terms = ProxyAnchor()(Batch(u, torch.zeros(2, 2), labels, u, labels, class_vectors=u))
    >>> [round(float(term), 4) for term in terms]
    [3.24, 3.24, 0.0, 0.0]
    """

    name: ClassVar[str] = "proxy-anchor"
    title: ClassVar[str] = "proxy-anchor"
    compares: ClassVar[Literal["bank", "batch", "classes"]] = "batch"
    embeds: ClassVar[bool] = True
    classifier_factor: ClassVar[float] = 10.0

    alpha: float = 32.0
    delta: float = 0.1

    def __post_init__(self) -> None:
        self.check(alpha=0, delta=0)

    def prepare(self, head: HashHead, seed: int) -> None:
        """Draw the proxies with the seed; the classifier's bias is constantly 0."""
        draw = torch.Generator().manual_seed(seed)
        weight = head.classifier.weight
        with torch.no_grad():
            weight.copy_((2 / len(weight)) ** 0.5 * torch.randn(weight.shape, generator=draw))
            head.classifier.bias.requires_grad_(False).zero_()

    def __call__(self, batch: Batch) -> LossTerms:
        """Compute the loss of a batch."""
        u, _, labels, *_ = batch.wide()
        if batch.class_vectors is None:
            raise ValueError("class_vectors: expected the proxies of the classes, got none")
        proxies = functional.normalize(batch.class_vectors.to(u.dtype))
        cosine = functional.normalize(u) @ proxies.T
        own = same_class(labels, torch.arange(len(proxies), device=labels.device), u.dtype).bool()
        drawn = log_one_plus_sum(-self.alpha * (cosine - self.delta), own, 0)
        pushed = log_one_plus_sum(self.alpha * (cosine + self.delta), ~own, 0)
        return LossTerms.of(drawn.sum() / int(own.any(0).sum()) + pushed.sum() / len(proxies))
