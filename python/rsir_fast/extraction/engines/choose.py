"""Which engine computes a network, tried out before it is trusted."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Protocol, get_args

import torch
from torch import Tensor, nn

from rsir_fast.base.engine_names import EngineName
from rsir_fast.base.text import short
from rsir_fast.extraction.engines.torch_engine import TorchEngine

__all__ = ["Engine", "EngineName", "check_engine", "installed", "remedy", "start"]

_NEEDS = {"onnx": ("onnxruntime", "onnx", "onnxscript"), "openvino": ("openvino",)}
_MEASURED_S = 1.0
_TOLERANCE = {False: 1e-3, True: 0.25}
"""Largest difference from torch's float32, of the largest value; of bfloat16 too, which has three digits a layer."""


class Engine(Protocol):
    """A network ready to be run."""

    @property
    def name(self) -> str:
        """As it is asked for."""

    def versions(self) -> dict[str, str]:
        """Return those of libraries beside torch."""

    def __call__(self, values: Tensor) -> Tensor:
        """Compute features, [n, dim], of network input, float32 [n, bands, H, W]."""


def installed(name: str) -> bool:
    """Tell whether an engine can be loaded here."""
    return all(find_spec(package) for package in _NEEDS.get(name, ()))


def remedy(name: str) -> str:
    """Return the command that installs an engine."""
    return f"pip install 'rsir-fast[{name}]'"


def check_engine(name: str, device: torch.device, *, bfloat16: bool) -> None:
    """Refuse, before the work, an engine that cannot be had.

    Raises
    ------
    ValueError
        If it is unknown, or does not go with the device or precision.
    ImportError
        If its package is missing.

    Examples
    --------
    >>> check_engine("onnx", torch.device("cuda"), bfloat16=False)
    Traceback (most recent call last):
        ...
    ValueError: engine: 'onnx' expects to run on the CPU, got device cuda; use engine='torch' or device='cpu'
    """
    if name not in get_args(EngineName):
        raise ValueError(f"engine: expected one of {', '.join(get_args(EngineName))}, got {name!r}")
    if name in ("torch", "auto"):
        return
    if device.type != "cpu":
        raise ValueError(
            f"engine: {name!r} expects to run on the CPU, got device {device}; use engine='torch' or device='cpu'"
        )
    if name == "onnx" and bfloat16:
        raise ValueError("engine: 'onnx' expects precision float32, got bfloat16; use engine='torch' or 'openvino'")
    missing = [package for package in _NEEDS[name] if not find_spec(package)]
    if missing:
        raise ImportError(
            f"engine {name!r} needs {missing[0]}, which is not installed; install it with: {remedy(name)}"
        )


def start(
    name: str, network: nn.Module, shape: tuple[int, int, int, int], device: torch.device, *, bfloat16: bool
) -> Engine:
    """Make an engine ready.

    Parameters
    ----------
    name : {"torch", "onnx", "openvino", "auto"}
        ``auto``: the fastest of those that are installed and can run this network, measured for about a second; on a
        CUDA device torch.
    network : nn.Module
        In eval mode, on `device`.
    shape : tuple of int
        Of all input that it will be given: images, bands, height, width.
    device : torch.device
    bfloat16 : bool
        Instead of float32 inside.

    Raises
    ------
    ValueError, ImportError
        As `check_engine`; or if the engine cannot run this network, or runs it to other values than torch.
    """
    check_engine(name, device, bfloat16=bfloat16)
    by_torch = TorchEngine(network, device, bfloat16=bfloat16)
    if name == "torch" or device.type != "cpu":
        return by_torch
    values = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        truth = network(values)
    if name != "auto":
        return _tried(name, network, values, truth, bfloat16)
    ready: list[Engine] = [by_torch]
    for each in _NEEDS:
        # What cannot be had or cannot run this network takes no part.
        with contextlib.suppress(ValueError, ImportError):
            check_engine(each, device, bfloat16=bfloat16)
            ready.append(_tried(each, network, values, truth, bfloat16))
    return ready[0] if len(ready) == 1 else _fastest(ready, values)


def _tried(name: str, network: nn.Module, values: Tensor, truth: Tensor, bfloat16: bool) -> Engine:
    """Load an engine and compare what it computes with what torch does."""
    try:
        engine = _loaded(name, network, values, bfloat16)
        with torch.inference_mode():
            difference = float((engine(values) - truth).abs().max() / truth.abs().max().clamp(min=1e-30))
    except Exception as error:  # an engine raises whatever it likes
        reason = short(str(error).strip().partition("\n")[0], 200)
        raise ValueError(
            f"engine: {name!r} cannot run this network ({type(error).__name__}: {reason}); use engine='torch'"
        ) from error
    if not difference <= _TOLERANCE[bfloat16]:
        raise ValueError(
            f"engine: expected {name!r} to compute what torch does, got values that differ by {difference:.2g} of the "
            "largest; use engine='torch'"
        )
    return engine


def _loaded(name: str, network: nn.Module, values: Tensor, bfloat16: bool) -> Engine:
    program = torch.export.export(network, (values,))
    if name == "onnx":
        from rsir_fast.extraction.engines.onnx_engine import OnnxEngine

        return OnnxEngine(program, torch.get_num_threads())
    from rsir_fast.extraction.engines.openvino_engine import OpenVinoEngine

    return OpenVinoEngine(program, torch.get_num_threads(), bfloat16=bfloat16)


def _fastest(engines: list[Engine], values: Tensor, clock: Callable[[], float] = time.perf_counter) -> Engine:
    """Return the engine with the fastest pass, taken turn by turn."""
    best = dict.fromkeys(range(len(engines)), float("inf"))
    end = clock() + _MEASURED_S
    rounds = 0
    with torch.inference_mode():
        while rounds < 2 or clock() < end:
            for number, engine in enumerate(engines):
                began = clock()
                engine(values)
                best[number] = min(best[number], clock() - began)
            rounds += 1
    return engines[min(best, key=best.__getitem__)]
