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
    names = ["enabled", "benchmark", "deterministic"]
    settings = _settings()
    if not settings:
        names.append("allow_tf32")
    were = [getattr(flags, name) for name in names]
    precisions = [setting.fp32_precision for setting in settings]
    products = "highest"
    try:
        for name in names:
            setattr(flags, name, name in ("enabled", "deterministic"))
        _set_precisions(settings, ["ieee"] * len(settings))
        # Asked last: torch refuses to tell it beside settings of the newer interface that say otherwise.
        products = torch.get_float32_matmul_precision()
        if products != "highest":
            torch.set_float32_matmul_precision("highest")
        yield
    finally:
        if products != "highest":
            torch.set_float32_matmul_precision(products)
        _set_precisions(settings, precisions)
        for name, value in zip(names, were, strict=True):
            setattr(flags, name, value)


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


def _set_precisions(settings: list[Any], wanted: list[str]) -> None:
    """Set those that do not follow already, so that they go on following."""
    for setting, value in zip(settings, wanted, strict=True):
        if setting.fp32_precision != value:
            setting.fp32_precision = value
