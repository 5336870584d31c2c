"""Whether a device computes bfloat16, or torch does so by loops of its own."""

from __future__ import annotations

import warnings

import torch

from rsir_fast.errors import RsirWarning

__all__ = ["has_bfloat16", "warn_without_bfloat16"]


def has_bfloat16(device: torch.device) -> bool:
    """Tell whether convolutions of bfloat16 are fast on a device.

    Parameters
    ----------
    device : torch.device
        The CPU, of which oneDNN is asked; others have it, or say themselves that they have not.

    Returns
    -------
    bool

    Examples
    --------
    >>> has_bfloat16(torch.device("meta"))
    True
    """
    if device.type != "cpu":
        return True
    onednn = torch.ops.mkldnn
    return hasattr(onednn, "_is_mkldnn_bf16_supported") and bool(onednn._is_mkldnn_bf16_supported())


def warn_without_bfloat16(device: torch.device) -> None:
    """Warn that bfloat16 will take many times as long as float32, if so.

    Parameters
    ----------
    device : torch.device
        On which networks are to run.

    Warns
    -----
    RsirWarning
        Where `has_bfloat16` says no: torch takes seconds for an image of MobileNetV2 then.

    Examples
    --------
    >>> warn_without_bfloat16(torch.device("meta"))
    """
    if not has_bfloat16(device):
        warnings.warn(
            "precision: bfloat16 is many times slower than float32 on this processor, which has no instructions for it",
            RsirWarning,
            stacklevel=2,
        )
