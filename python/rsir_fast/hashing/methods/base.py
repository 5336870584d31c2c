"""What a way of learning codes states of itself, and what its loss is given."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from rsir_fast.encoders.hash_network import HashHead

__all__ = [
    "Batch",
    "LossTerms",
    "Method",
    "log_cosh",
    "log_one_plus_sum",
    "mean_over_pairs",
    "pair_likelihood",
    "same_class",
    "steeper",
]


class Batch(NamedTuple):
    """A batch, or a part of one, as a loss sees it.

    Attributes
    ----------
    u : Tensor, float [m, b]
        Real-valued codes.
    logits : Tensor, float [m, K]
    labels : Tensor, int64 [m]
        Class numbers, 0 to K - 1.
    bank : Tensor, float [N, b]
        Codes of all training images as last seen, those of the batch refreshed; constant.
    bank_labels : Tensor, int64 [N]
    size : int, optional
        |B| where these m images are a part of a larger batch: the losses of its parts add up to the batch's. Default:
        m.
    step : int
        Steps that were made before this one.
    class_vectors : Tensor, float [K, b], optional
        Weights of the classifier: of some methods the classes' centres or proxies.
    """

    u: Tensor
    logits: Tensor
    labels: Tensor
    bank: Tensor
    bank_labels: Tensor
    size: int | None = None
    step: int = 0
    class_vectors: Tensor | None = None

    @property
    def images(self) -> int:
        """Images of the whole batch, |B|."""
        return len(self.u) if self.size is None else self.size

    def wide(self) -> Batch:
        """Return it in float32, or in float64 as it is: also under autocast."""
        u, logits = (x if x.dtype == torch.float64 else x.float() for x in (self.u, self.logits))
        return self._replace(u=u, logits=logits, bank=self.bank.detach().to(u.dtype))


class LossTerms(NamedTuple):
    """The loss of a batch and its parts, scalars; 0 where a method has no such part.

    Attributes
    ----------
    total
        What is minimised.
    similarity
        Of pairs or triplets of images, or of images and their class's centre or proxy: a mean.
    quantization
        Distance of the codes from binary, with its weight.
    label
        Mean cross-entropy of the classifier.
    """

    total: Tensor
    similarity: Tensor
    quantization: Tensor
    label: Tensor

    @classmethod
    def of(
        cls, similarity: Tensor | None = None, quantization: Tensor | None = None, label: Tensor | None = None
    ) -> LossTerms:
        """Return terms whose total is their sum."""
        given = [term for term in (similarity, quantization, label) if term is not None]
        nothing = torch.zeros_like(given[0]).detach()
        parts = [nothing if term is None else term.detach() for term in (similarity, quantization, label)]
        return cls(torch.stack(given).sum(), *parts)


@dataclass(frozen=True)
class Method(ABC):
    """A loss with its parameters, and what it needs: everything in which methods differ, but for their recipes.

    A subclass is one file: a frozen data class whose fields are the parameters of its paper.

    Attributes
    ----------
    name, title : str
        As it is called in a command, and by its authors.
    compares : {"bank", "batch", "classes"}
        An image is compared with all training images in the memory bank; with the others of its batch; or with classes
        only.
    labels : bool
        The classifier is learnt, or given its classes' centres: it gives labels.
    classifies : {"values", "codes"}
        What the classifier sees: u, or its signs as +1 and -1.
    embeds : bool
        It learns real-valued vectors, compared by their angle, and no codes.
    per_class : int
        Images of one class that stand together in a batch; 1: batches are drawn at random.
    classifier_factor : float
        The learning rate of the classifier as a share of that of the hash layer.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    compares: ClassVar[Literal["bank", "batch", "classes"]]
    labels: ClassVar[bool] = False
    classifies: ClassVar[Literal["values", "codes"]] = "values"
    embeds: ClassVar[bool] = False
    per_class: ClassVar[int] = 1
    classifier_factor: ClassVar[float] = 1.0

    @property
    def classifier_divisor(self) -> float:
        """What the gradients of the classifier's own weights are divided by."""
        return 1.0

    @abstractmethod
    def __call__(self, batch: Batch) -> LossTerms:
        """Compute the loss of a batch, or of a part of one.

        Parameters
        ----------
        batch : Batch

        Returns
        -------
        LossTerms
        """

    def prepare(self, head: HashHead, seed: int) -> None:
        """Make a new head ready: what the method does not learn is constant from now on.

        Without labels the classifier is: it is 0, so that it prefers no class.
        """
        if not self.labels:
            head.classifier.requires_grad_(False)
            self.finish(head)

    def finish(self, head: HashHead) -> None:
        """Make a trained head what its model holds: where the method gives no labels, the classifier prefers no class.

        So what served the training alone, as proxies of the classes do, is never taken for labels.
        """
        if not self.labels:
            with torch.no_grad():
                for parameter in head.classifier.parameters():
                    parameter.zero_()

    def told(self) -> dict[str, Any]:
        """Return parameters and name for settings and provenance, JSON-able."""
        return {"method": self.name, **asdict(self)}

    def check(self, **least: float) -> None:
        """Raise ValueError where a parameter is no finite number, or below the one given."""
        for name, value in least.items():
            given = getattr(self, name)
            if not value <= given < math.inf:
                raise ValueError(f"{name}: expected a number of at least {value:g}, got {given}")


def same_class(labels: Tensor, others: Tensor, dtype: torch.dtype) -> Tensor:
    """Return 1 where two are of one class, else 0: [m, n]."""
    return (labels[:, None] == others[None, :]).to(dtype)


def mean_over_pairs(values: Tensor) -> Tensor:
    """Return the mean of a matrix [m, m] off its diagonal: over pairs of different images of a batch; 0 for m = 1."""
    m = len(values)
    return (values.sum() - values.diagonal().sum()) / max(1, m * (m - 1))


def pair_likelihood(theta: Tensor, similar: Tensor) -> Tensor:
    """Return the negative log-likelihood of each pair, log(1 + exp theta) - s theta, without overflow."""
    return functional.softplus(theta) - similar * theta


def log_cosh(values: Tensor) -> Tensor:
    """Return log cosh of values, without overflow."""
    size = values.abs()
    return size + functional.softplus(-2 * size) - math.log(2)


def steeper(value: Tensor, factor: float) -> Tensor:
    """Return the same value, with a gradient `factor` times as large."""
    return value.detach() + factor * (value - value.detach())


def log_one_plus_sum(exponents: Tensor, chosen: Tensor, dim: int) -> Tensor:
    """Return log(1 + sum of exp of the chosen) along a dimension, without overflow; 0 where none is chosen."""
    one = torch.zeros_like(exponents.narrow(dim, 0, 1))
    return torch.cat([one, exponents.masked_fill(~chosen, -torch.inf)], dim=dim).logsumexp(dim)
