"""Values set to 0 by chance in a step of training, where the network that is trained does so itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from rsir_fast.backbones import dropouts

__all__ = ["Dropout"]


class Dropout:
    """Dropout whose draws depend on a seed alone.

    torch's own layers draw from a state of the process, so that a training that was taken up, spread over processes or
    run on another device would learn from others.

    Parameters
    ----------
    share : float
        Of the values, 0 to below 1; the others are divided by 1 - share.
    network : torch.nn.Module
        `HashHead` or `DHCNN`; of the latter its backbone's dropout layers (`rsir_fast.backbones.dropouts`) count, none
        of which is in training mode.
    features : bool
        Whether the features that the hash layer gets are dropped from, too.
    """

    def __init__(self, share: float, network: nn.Module, *, features: bool) -> None:
        self.share = share
        backbone = getattr(network, "backbone", None)
        self.within = () if backbone is None else dropouts(backbone).within
        self.head: Any = getattr(network, "head", network) if features else None

    @contextmanager
    def drawn(self, seed: int, images: int, mine: Tensor) -> Iterator[None]:
        """Have one forward pass of a part of a batch drop values.

        Parameters
        ----------
        seed : int
            Of the batch: each part of it draws all of the batch's, in the order of the layers, and takes its own.
        images : int
            Of the whole batch.
        mine : Tensor, int64 [m]
            Places in the batch of the images that are passed.
        """
        draw = torch.Generator().manual_seed(seed)

        def dropped(values: Tensor) -> Tensor:
            kept = torch.rand(images, *values.shape[1:], generator=draw)[mine] >= self.share
            return values * (kept.to(values.device, values.dtype) / (1 - self.share))

        hooks = [layer.register_forward_hook(lambda _, __, values: dropped(values)) for layer in self.within]
        if self.head is not None:
            hooks.append(self.head.register_forward_pre_hook(lambda _, inputs: dropped(*inputs)))
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()
