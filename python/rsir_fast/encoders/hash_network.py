"""The network of Song et al. 2021: a backbone, a linear hash layer, a linear classifier on its values."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn

from rsir_fast.backbones import Backbone
from rsir_fast.encoders.hash_training import MAX_BITS, MIN_BITS

__all__ = ["DHCNN", "INITIALIZATIONS", "HashHead", "HashOutput", "Initialization"]

INITIAL_SCALE = 0.01

Initialization = Literal["normal", "torch"]
INITIALIZATIONS: tuple[str, ...] = get_args(Initialization)


class HashOutput(NamedTuple):
    """What the network says of m images.

    Attributes
    ----------
    u : Tensor, float32 [m, b]
        Values of the hash layer; bit = (u > 0).
    logits : Tensor, float32 [m, K]
        Scores of the classes; their softmax is the labels' probabilities.
    """

    u: Tensor
    logits: Tensor


class HashHead(nn.Module):
    """The hash layer and the classifier on its real values (not on their signs), both linear.

    Features may be standardised first, by constants (`standardize`); without it they are taken as they are.

    Parameters
    ----------
    dim : int
        Length of a feature vector.
    bits : int
        Hash length, 8 to 1024.
    classes : int
        Semantic labels, at least 2.
    seed : int
        Of the initial weights and biases.
    initialization : {"normal", "torch"}
        ``"normal"``: all are 0.01 N(0, 1), as in the authors' MATLAB release. ``"torch"``: those of new linear layers
        in torch, hash layer first, as in their PyTorch release: uniform within 1 / sqrt(values in).
    classifies : {"values", "codes"}
        What the classifier sees: u, as in the paper; or its signs, +1 and -1, whose gradient is passed on to u as it
        is (GreedyHash).

    Raises
    ------
    ValueError
        If `bits`, `classes` or `initialization` is out of range.

    Examples
    --------
    >>> import torch
    >>> head = HashHead(dim=512, bits=64, classes=21)
    >>> [list(part.shape) for part in head(torch.zeros(3, 512))]
    [[3, 64], [3, 21]]
    """

    def __init__(
        self,
        dim: int,
        bits: int,
        classes: int,
        seed: int = 0,
        initialization: Initialization = "normal",
        classifies: Literal["values", "codes"] = "values",
    ) -> None:
        super().__init__()
        if initialization not in INITIALIZATIONS:
            raise ValueError(f"initialization: expected one of {', '.join(INITIALIZATIONS)}, got {initialization!r}")
        if not MIN_BITS <= bits <= MAX_BITS:
            raise ValueError(f"bits: expected a hash length of {MIN_BITS} to {MAX_BITS}, got {bits}")
        if classes < 2:
            raise ValueError(f"classes: expected at least 2, whose labels can be told apart, got {classes}")
        self.classifies = classifies
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("scale", torch.ones(dim))
        self.hash = nn.Linear(dim, bits)
        self.classifier = nn.Linear(bits, classes)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for layer in (self.hash, self.classifier):
                for parameter in layer.parameters():
                    if initialization == "normal":
                        parameter.copy_(INITIAL_SCALE * torch.randn(parameter.shape, generator=generator))
                    else:
                        bound = 1 / math.sqrt(layer.in_features)
                        parameter.uniform_(-bound, bound, generator=generator)

    mean: Tensor
    scale: Tensor

    def standardize(self, features: Tensor) -> None:
        """Have features shifted and scaled from now on, as brings those given here to mean 0 and deviation 1.

        A deviation below a hundredth of their mean counts as that: a feature that is almost always 0 must not decide
        a code by the one image where it is not.
        """
        self.mean.copy_(features.mean(0))
        deviation = features.std(0, correction=0)
        least = float(deviation.mean()) / 100
        self.scale.copy_(1 / deviation.clamp(min=least) if least > 0 else torch.ones_like(deviation))

    @property
    def bits(self) -> int:
        """Hash length."""
        return self.hash.out_features

    def forward(self, features: Tensor) -> HashOutput:
        """Compute codes and class scores of features, float [m, dim]."""
        u = self.hash((features - self.mean) * self.scale)
        return HashOutput(u, self.classifier(signs(u) if self.classifies == "codes" else u))


def signs(u: Tensor) -> Tensor:
    """Return +1 where u > 0, else -1, exactly; its gradient is that of u."""
    return torch.where(u > 0, 1.0, -1.0).to(u.dtype) + (u - u.detach())


class DHCNN(nn.Module):
    """A backbone and the hash head on its features.

    Parameters
    ----------
    backbone : Backbone
        Its gradients are switched on. Batch normalisation keeps the statistics it was trained with: those of a small
        batch would make a code depend on the images beside it.
    head : HashHead

    Examples
    --------
    >>> import torch
    >>> from rsir_fast.backbones import load_backbone
    >>> backbone = load_backbone("squeezenet1_1", weights="random:0")
    >>> network = DHCNN(backbone, HashHead(backbone.dim, bits=16, classes=3))
    >>> size = backbone.preprocessing.input_size
    >>> list(network(torch.zeros(2, 3, size, size, dtype=torch.uint8)).u.shape)
    [2, 16]
    """

    def __init__(self, backbone: Backbone, head: HashHead) -> None:
        super().__init__()
        self.backbone = backbone.requires_grad_(True)
        self.head = head

    def train(self, mode: bool = True) -> DHCNN:
        """Set the head's mode; the backbone stays in eval mode: no dropout, no batch statistics."""
        super().train(mode)
        self.backbone.eval()
        return self

    def forward(self, images: Tensor) -> HashOutput:
        """Compute codes and class scores of images, uint8 [m, 3, size, size], from ``preprocessing.prepare``."""
        values = self.backbone.preprocessing.normalize(images).contiguous(memory_format=torch.channels_last)
        output: HashOutput = self.head(self.backbone(values))
        return output
