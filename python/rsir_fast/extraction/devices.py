"""Which device to run on."""

from __future__ import annotations

import torch

__all__ = ["usable_device"]


def usable_device(device: str | torch.device | None) -> torch.device:
    """Return the device to run on, tried out before anything is moved to it.

    Parameters
    ----------
    device
        As for `rsir_fast.encode`; None: CUDA where there is a device, else the CPU.

    Raises
    ------
    ValueError
        If torch cannot use it here.
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        target = torch.device(device)
        if target.type == "meta":
            raise ValueError("it holds no data")
        if target.type == "cpu" and target.index:
            raise ValueError("there is one CPU, without a number")
        torch.zeros(1, device=target)
    except (RuntimeError, ValueError, AssertionError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"device: expected one that torch can use here, such as 'cpu', got {device!r} ({reason})"
        ) from None
    return target
