"""torch computes the network: the engine that is always there, on every device."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rsir_fast.backbones import warn_without_bfloat16
from rsir_fast.extraction.engines.converted import converted
from rsir_fast.extraction.engines.fused import fused

__all__ = ["TorchEngine"]


class TorchEngine:
    """A network as torch runs it, with its channels last: the layout in which CPUs and tensor cores are fastest."""

    name = "torch"

    def __init__(self, network: nn.Module, device: torch.device, *, bfloat16: bool) -> None:
        there = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        if bfloat16:
            warn_without_bfloat16(device)
        dtype = torch.bfloat16 if bfloat16 else torch.float32
        self._network = fused(there, dtype) if device.type == "cpu" else converted(there, dtype) if bfloat16 else there
        self._device, self._bfloat16 = device.type, bfloat16

    def versions(self) -> dict[str, str]:
        """Return none: that of torch is told anyway."""
        return {}

    def __call__(self, values: Tensor) -> Tensor:
        """Compute features, [n, dim], of network input, float32 [n, bands, H, W]."""
        with torch.autocast(self._device, torch.bfloat16, enabled=self._bfloat16):
            features: Tensor = self._network(values.contiguous(memory_format=torch.channels_last))
            return features
