"""The Caffe and MatConvNet networks of Ge et al. 2018, built from one table.

Sources: Krizhevsky et al. 2012 (CNN-Alex, in Caffe's form), Chatfield et al. 2014 (CNN-F, -M, -S), Simonyan and
Zisserman 2015 (CNN-16, CNN-19). Every convolution and fully connected layer is followed by ReLU; local response
normalisation (LRN) comes after ReLU and before the pool.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from torch import Tensor, nn
from torch.nn import functional

__all__ = ["LRN", "NETWORKS", "TABLE_LAYERS", "Conv", "Network", "Pool", "build_network"]

TABLE_LAYERS = ("pool5", "fc6", "fc7")


@dataclass(frozen=True)
class Pool:
    """Max-pool; `overhang` pixels of padding at the bottom and the right only.

    Padding on those two sides lets the last window run over the edge, which is what Caffe and torch call ceil mode.
    """

    kernel: int
    stride: int
    overhang: int = 0

    def output_size(self, size: int) -> int:
        """Side of the output for a square input of side `size`."""
        return (size + self.overhang - self.kernel) // self.stride + 1


@dataclass(frozen=True)
class Conv:
    """Convolution with ReLU, then LRN if `lrn`, then `pool` if any."""

    channels: int
    kernel: int
    stride: int = 1
    pad: int = 0
    groups: int = 1
    lrn: bool = False
    pool: Pool | None = None

    def output_size(self, size: int) -> int:
        """Side of the convolution's output, before the pool, for a square input of side `size`."""
        return (size + 2 * self.pad - self.kernel) // self.stride + 1


@dataclass(frozen=True)
class LRN:
    """Local response normalisation, in torch's and Caffe's terms: alpha is divided by `size` inside."""

    k: float
    alpha: float
    size: int = 5
    beta: float = 0.75


@dataclass(frozen=True)
class Network:
    """One column of the table: convolutions by stage, then fc6 and fc7 of `units` units."""

    title: str
    input_size: int
    stages: tuple[tuple[Conv, ...], ...]
    lrn: LRN | None
    units: int = 4096

    def convs(self) -> Iterator[tuple[str, Conv]]:
        """Name and geometry of every convolution: conv1 ... conv5, or conv1_1 ... where a stage has several."""
        for number, stage in enumerate(self.stages, 1):
            for part, conv in enumerate(stage, 1):
                yield f"conv{number}" + (f"_{part}" if any(len(s) > 1 for s in self.stages) else ""), conv

    def without_lrn(self) -> Network:
        """Return the same geometry without LRN, as in MatConvNet's own ``imagenet-matconvnet-*`` models."""
        stages = tuple(tuple(replace(conv, lrn=False) for conv in stage) for stage in self.stages)
        return replace(self, stages=stages, lrn=None)

    def scaled(self, width: float) -> Network:
        """Return the same network with a share of its channels and units, rounded to even numbers, at least two.

        For small experiments: no published weights have another width than 1.

        Raises
        ------
        ValueError
            Unless 0 < `width` <= 1.

        Examples
        --------
        >>> small = NETWORKS["cnn-alex"].scaled(0.25)
        >>> [conv.channels for _, conv in small.convs()], small.dim("fc6")
        ([24, 64, 96, 96, 64], 1024)
        """
        if not 0 < width <= 1:
            raise ValueError(f"width: expected a share above 0 and at most 1, got {width}")

        def part(number: int) -> int:
            # Even, so that two groups can share them.
            return max(2, 2 * round(number * width / 2))

        stages = tuple(tuple(replace(conv, channels=part(conv.channels)) for conv in stage) for stage in self.stages)
        return replace(self, stages=stages, units=part(self.units))

    def pool5_shape(self) -> tuple[int, int, int]:
        """Shape (C, H, W) of the last pool's output."""
        size, channels = self.input_size, 3
        for _, conv in self.convs():
            size, channels = conv.output_size(size), conv.channels
            if conv.pool:
                size = conv.pool.output_size(size)
        return channels, size, size

    def dim(self, layer: str) -> int:
        """Length of the feature vector of `layer`.

        >>> NETWORKS["cnn-m"].dim("pool5"), NETWORKS["cnn-m"].dim("fc6")
        (18432, 4096)
        """
        channels, height, width = self.pool5_shape()
        return channels * height * width if layer == "pool5" else self.units


def _vgg(*convs_per_stage: int) -> tuple[tuple[Conv, ...], ...]:
    """Stages of 3x3 convolutions, the last of each followed by a 2x2 pool."""
    channels = (64, 128, 256, 512, 512)
    return tuple(
        (*(Conv(width, 3, pad=1),) * (count - 1), Conv(width, 3, pad=1, pool=Pool(2, 2)))
        for width, count in zip(channels, convs_per_stage, strict=True)
    )


NETWORKS = {
    "cnn-alex": Network(
        "CNN-Alex",
        227,
        (
            (Conv(96, 11, stride=4, lrn=True, pool=Pool(3, 2)),),
            (Conv(256, 5, pad=2, groups=2, lrn=True, pool=Pool(3, 2)),),
            (Conv(384, 3, pad=1),),
            (Conv(384, 3, pad=1, groups=2),),
            (Conv(256, 3, pad=1, groups=2, pool=Pool(3, 2)),),
        ),
        LRN(k=1.0, alpha=1e-4),
    ),
    "cnn-f": Network(
        "CNN-F",
        224,
        (
            (Conv(64, 11, stride=4, lrn=True, pool=Pool(3, 2, overhang=1)),),
            (Conv(256, 5, pad=2, lrn=True, pool=Pool(3, 2)),),
            (Conv(256, 3, pad=1),),
            (Conv(256, 3, pad=1),),
            (Conv(256, 3, pad=1, pool=Pool(3, 2)),),
        ),
        LRN(k=2.0, alpha=5e-4),
    ),
    "cnn-m": Network(
        "CNN-M",
        224,
        (
            (Conv(96, 7, stride=2, lrn=True, pool=Pool(3, 2)),),
            (Conv(256, 5, stride=2, pad=1, lrn=True, pool=Pool(3, 2, overhang=1)),),
            (Conv(512, 3, pad=1),),
            (Conv(512, 3, pad=1),),
            (Conv(512, 3, pad=1, pool=Pool(3, 2)),),
        ),
        LRN(k=2.0, alpha=5e-4),
    ),
    "cnn-s": Network(
        "CNN-S",
        224,
        (
            (Conv(96, 7, stride=2, lrn=True, pool=Pool(3, 3, overhang=2)),),
            (Conv(256, 5, pool=Pool(2, 2, overhang=1)),),
            (Conv(512, 3, pad=1),),
            (Conv(512, 3, pad=1),),
            (Conv(512, 3, pad=1, pool=Pool(3, 3, overhang=1)),),
        ),
        LRN(k=2.0, alpha=5e-4),
    ),
    "cnn-16": Network("CNN-16", 224, _vgg(2, 2, 3, 3, 3), None),
    "cnn-19": Network("CNN-19", 224, _vgg(2, 2, 4, 4, 4), None),
}


class LocalResponseNorm(nn.Module):
    """``x / (k + alpha / size * sum of x^2 over size neighbouring channels) ** beta``.

    By one thread 2 to 3 times as fast as torch's, which pools in three dimensions to form the sums: on a CPU that takes
    as long as the convolutions of CNN-Alex.
    """

    def __init__(self, lrn: LRN) -> None:
        super().__init__()
        self.lrn = lrn

    def forward(self, values: Tensor) -> Tensor:
        """Normalise [n, C, H, W]; same shape and dtype."""
        size, channels = self.lrn.size, values.shape[1]
        squares = functional.pad(values * values, (0, 0, 0, 0, size // 2, size // 2))
        window = squares[:, :channels] + squares[:, 1 : channels + 1]
        for first in range(2, size):
            window += squares[:, first : channels + first]
        return values / (self.lrn.k + self.lrn.alpha / size * window) ** self.lrn.beta

    def extra_repr(self) -> str:
        """Constants, for ``print(network)``."""
        return str(self.lrn)


def build_network(network: Network, layer: str) -> nn.Sequential:
    """Build `network` up to `layer` and no further.

    Parameters
    ----------
    network : Network
        A value of `NETWORKS`.
    layer : {"pool5", "fc6", "fc7"}
        ``pool5``: output of the last pool, flattened (C, H, W); ``fc6``, ``fc7``: after ReLU.

    Returns
    -------
    nn.Sequential
        Modules conv1, relu1, norm1, pool1, ..., fc6, relu6, fc7, relu7; parameters conv1.weight, conv1.bias, ...
        Maps [n, 3, H, W] to [n, dim]. Not initialised from any file.

    Examples
    --------
    >>> list(dict(build_network(NETWORKS["cnn-s"], "pool5").named_children()))[:5]
    ['conv1', 'relu1', 'norm1', 'pool1', 'conv2']
    """
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    channels = 3
    for name, conv in network.convs():
        suffix = name.removeprefix("conv")
        modules[name] = nn.Conv2d(channels, conv.channels, conv.kernel, conv.stride, conv.pad, groups=conv.groups)
        modules[f"relu{suffix}"] = nn.ReLU(inplace=True)
        if conv.lrn and network.lrn:
            modules[f"norm{suffix}"] = LocalResponseNorm(network.lrn)
        if conv.pool:
            # Ceil mode lets the last window overhang and ignores what lies outside, as padding with -inf would;
            # padding with 0 is the same after ReLU, since every window holds at least one real value >= 0.
            pool = conv.pool
            modules[f"pool{suffix.partition('_')[0]}"] = nn.MaxPool2d(
                pool.kernel, pool.stride, ceil_mode=pool.overhang > 0
            )
        channels = conv.channels
    modules["flatten"] = nn.Flatten()
    for name, width_in in (("fc6", network.dim("pool5")), ("fc7", network.units))[: TABLE_LAYERS.index(layer)]:
        modules[name] = nn.Linear(width_in, network.units)
        modules[f"relu{name.removeprefix('fc')}"] = nn.ReLU(inplace=True)
    return nn.Sequential(modules)
