"""The network of Ge et al. 2018 up to its classifier, and its initial weights."""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from rsir_fast.backbones.caffenets import Network, build_network

__all__ = ["INITIALIZATIONS", "Classifier", "Initialization", "initialize"]

Initialization = Literal["paper", "glorot"]
INITIALIZATIONS: tuple[str, ...] = get_args(Initialization)

DEVIATION = 0.01
ONES = ("conv2", "conv4", "conv5", "fc6", "fc7", "fc8")
"""Layers, or stages of layers, whose biases begin at 1 (Ge et al. 2018, section 2.2)."""


class Classifier(nn.Module):
    """One network of the table up to fc7, and fc8, whose softmax is the classes' probabilities.

    Parameters
    ----------
    network : Network
        A value of `rsir_fast.backbones.caffenets.NETWORKS`, or one that was scaled.
    classes : int

    Notes
    -----
    Parameters are named conv1.weight ... fc8.bias, without regard to modules inside. 4 bytes each: CNN-Alex 0.24 GB,
    CNN-M 0.41 GB, CNN-16 0.55 GB for 1000 classes; gradients and momentum are as large again.

    Examples
    --------
    >>> from rsir_fast.backbones.caffenets import NETWORKS
    >>> network = Classifier(NETWORKS["cnn-alex"].scaled(0.1), classes=7)
    >>> list(network.state_dict())[-2:], list(network(torch.zeros(2, 3, 227, 227)).shape)
    (['fc8.weight', 'fc8.bias'], [2, 7])
    """

    def __init__(self, network: Network, classes: int) -> None:
        super().__init__()
        for name, module in build_network(network, "fc7").named_children():
            self.add_module(name, module)
        self.fc8 = nn.Linear(network.units, classes)
        self.units = network.units

    def features(self, images: Tensor, keep: Tensor | None = None) -> Tensor:
        """Compute fc7, after ReLU.

        Parameters
        ----------
        images : Tensor, float32 [m, 3, size, size]
        keep : Tensor, optional
            Of training, from `dropout_factors`: [m, 2, units], factors of fc6's and fc7's units.
        """
        values = images
        for name, module in self.named_children():
            if name == "fc8":
                break
            values = module(values)
            if keep is not None and name in ("relu6", "relu7"):
                values = values * keep[:, int(name == "relu7")]
        return values

    def forward(self, images: Tensor, keep: Tensor | None = None) -> Tensor:
        """Compute the classes' scores, [m, classes]; arguments as of `features`."""
        scores: Tensor = self.fc8(self.features(images, keep))
        return scores

    def dropout_factors(self, images: int, share: float, generator: torch.Generator) -> Tensor:
        """Draw which units of fc6 and fc7 are switched off, for each image its own.

        Drawn for a whole batch at once, so that an image's do not depend on how a batch is spread over processes.

        Returns
        -------
        Tensor, float32 [images, 2, units]
            0 with probability `share`, else 1 / (1 - share): so nothing needs scaling when all units are on.
        """
        drawn = torch.rand(images, 2, self.units, generator=generator, device=generator.device)
        return (drawn >= share).float() / (1 - share)


def initialize(
    classifier: Classifier, initialization: Initialization = "paper", *, seed: int = 0, width: float = 1.0
) -> None:
    """Set all weights and biases to their initial values.

    ``"paper"`` (Ge et al. 2018, section 2.2, step 1, after Krizhevsky et al. 2012): weights N(0, 0.01); biases 1 for
    conv2, conv4, conv5 and the fully connected layers, 0 elsewhere. In CNN-16 and CNN-19 that is all convolutions of
    those stages. At a reduced width a unit adds up fewer values: the deviation is 0.01 / sqrt(width), except in conv1,
    so that the sum spreads as it does at full width.

    ``"glorot"``: weights of variance 2 / (values in + values out), normally distributed (Glorot and Bengio 2010);
    biases 0. Of N(0, 0.01) the signal of 16 or 19 layers fades: Simonyan and Zisserman 2015 began from the layers of a
    trained shallower network, and later "found that it is possible to initialise the weights without pre-training by
    using the random initialisation procedure of Glorot & Bengio". It is for those two: of pixels from 0 to 255 it makes
    the scores of the shallower ones so large that the first steps ruin them.

    Parameters
    ----------
    classifier : Classifier
        On the CPU.
    initialization : {"paper", "glorot"}
    seed : int
    width : float
        Of the network, as in `Network.scaled`.

    Examples
    --------
    >>> from rsir_fast.backbones.caffenets import NETWORKS
    >>> network = Classifier(NETWORKS["cnn-f"], classes=10)
    >>> initialize(network)
    >>> f"{network.conv2.weight.std():.3f}", network.conv2.bias.unique().tolist()
    ('0.010', [1.0])
    """
    generator = torch.Generator().manual_seed(seed)
    for name, module in classifier.named_children():
        if not isinstance(module, nn.Conv2d | nn.Linear):
            continue
        if initialization == "paper":
            first = name in ("conv1", "conv1_1")
            deviation = DEVIATION if first else DEVIATION / math.sqrt(width)
            bias = float(name.partition("_")[0] in ONES)
        else:
            values_out, values_in = module.weight.shape[0], module.weight[0].numel()
            positions = module.weight[0, 0].numel()
            deviation, bias = math.sqrt(2 / (values_in + values_out * positions)), 0.0
        with torch.no_grad():
            module.weight.normal_(0, deviation, generator=generator)
            nn.init.constant_(classifier.get_parameter(f"{name}.bias"), bias)
