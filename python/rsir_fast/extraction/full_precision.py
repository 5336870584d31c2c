"""Float32 that is float32, whatever torch is set to."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch

__all__ = ["full_precision"]


@contextlib.contextmanager
def full_precision() -> Iterator[None]:
    """Compute float32 without TF32 or bfloat16 inside, by algorithms that no stopwatch chooses, and deterministic ones.

    torch lets convolutions on a CUDA device take TF32, of 10 bits, unless it is told otherwise
    (``torch.backends.cudnn.allow_tf32``). Its settings are the process's; here they are others for the time of a
    forward pass, then what they were, by whichever of torch's two interfaces they were made.

    Notes
    -----
    torch has no way back to "as the general setting is" for a convolution that took TF32 by default: whoever means to
    change ``torch.backends.fp32_precision`` does so before the first pass, or sets convolutions by name.

    Examples
    --------
    >>> before = torch.backends.cudnn.allow_tf32
    >>> with full_precision():
    ...     torch.get_float32_matmul_precision()
    'highest'
    >>> torch.backends.cudnn.allow_tf32 == before
    True
    """
    flags: Any = torch.backends.cudnn
    names = ["enabled", "benchmark", "deterministic", *(["allow_tf32"] if _answers(flags) else [])]
    settings = _settings()
    were = [getattr(flags, name) for name in names]
    precisions = [setting.fp32_precision for setting in settings]
    products = "highest"
    try:
        for name in names:
            setattr(flags, name, name in ("enabled", "deterministic"))
        for setting in settings:
            if setting.fp32_precision not in ("none", "ieee"):
                setting.fp32_precision = "ieee"
        # Asked last: torch refuses to tell it beside settings of the newer interface that say otherwise.
        products = torch.get_float32_matmul_precision()
        if products != "highest":
            torch.set_float32_matmul_precision("highest")
        yield
    finally:
        if products != "highest":
            torch.set_float32_matmul_precision(products)
        for name, value in zip(names, were, strict=True):
            setattr(flags, name, value)
        for setting, precision in zip(settings, precisions, strict=True):
            if setting.fp32_precision != precision:  # others follow those before them
                setting.fp32_precision = precision


def _answers(flags: Any) -> bool:
    """Tell whether torch's older interface does: what torch compiles asks it, so it is kept in step where it does."""
    try:
        return isinstance(flags.allow_tf32, bool)
    except RuntimeError:
        return False


def _settings() -> list[Any]:
    """Return what has a precision of its own, since torch 2.9: first what others follow that have none."""
    backends: Any = torch.backends
    if not hasattr(backends, "fp32_precision"):
        return []
    cudnn, mkldnn = backends.cudnn, backends.mkldnn
    return [
        backends,
        cudnn,
        cudnn.conv,
        cudnn.rnn,
        backends.cuda.matmul,
        mkldnn,
        mkldnn.conv,
        mkldnn.rnn,
        mkldnn.matmul,
    ]
