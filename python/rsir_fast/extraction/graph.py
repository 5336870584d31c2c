"""A forward pass recorded once, then given to a CUDA device as one graph in place of hundreds of launches."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from rsir_fast.extraction.overlap import Forward

__all__ = ["Recorded", "check_recordable", "record"]

_recording = threading.Lock()

WARM_UP = 3
"""Passes before the one that is recorded: libraries choose their kernels and take their memory in the first."""


class Recorded:
    """A pass that always reads and writes the same memory.

    Parameters
    ----------
    images
        What it reads.
    features
        What it writes; overwritten by the next pass, and so copied before, on the same stream.
    replay
        Makes it.
    """

    def __init__(self, images: Tensor, features: Tensor, replay: Callable[[], object]) -> None:
        self._images, self._features, self._replay = images, features, replay

    def __call__(self, images: Tensor) -> Tensor:
        """Return the features of as many images as were recorded."""
        self._images.copy_(images)
        self._replay()
        return self._features.clone()


def record(forward: Forward, images: Tensor) -> Recorded:
    """Record a pass as a CUDA graph.

    Parameters
    ----------
    forward
        Gives the same for the same images, and does nothing else. It is called some times, on a stream of its own.
    images
        On a CUDA device, of the shape of all that will come; whatever is in them. They are written to afterwards.

    Raises
    ------
    RuntimeError
        If it cannot be recorded; the message says why.
    """
    check_recordable(forward, images)
    # torch leaves the stream of a recording that failed current: the caller's is set again in any case.
    with torch.cuda.device(images.device), torch.cuda.stream(torch.cuda.current_stream()):
        stream: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                forward(images)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        # What other threads launch meanwhile is no part of it. One that waits for the whole device, as the beginning of
        # a recording does, breaks it: so there is one at a time.
        with _recording, torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
            features = forward(images)
    return Recorded(images, features, graph.replay)


def check_recordable(forward: Forward, images: Tensor) -> None:
    """Run a pass and refuse one that a graph cannot hold, before it is tried: a recording that failed leaves torch odd.

    Raises
    ------
    RuntimeError
        If the CPU waits for a value of it, or a tensor crosses between devices.

    Examples
    --------
    >>> check_recordable(lambda images: images * 2, torch.ones(2))
    >>> check_recordable(lambda images: images[images > 0], torch.ones(2))
    Traceback (most recent call last):
        ...
    RuntimeError: the CPU waits for a value of aten.index
    """
    # Without inference mode, in which operations made of others are not taken apart, and without its tensors.
    with torch.inference_mode(False), torch.no_grad(), _Looking(images.device):
        forward(torch.zeros_like(images))


class _Looking(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees every operation of this thread."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._device = device

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Refuse what cannot be recorded; do the rest."""
        given = [each for each in args if isinstance(each, Tensor)]
        # Of a tensor of the CPU itself, a value is there without waiting.
        if _waits(func, args) and any(each.device == self._device for each in given):
            raise RuntimeError(f"the CPU waits for a value of {func.overloadpacket}")
        made = func(*args, **(kwargs or {}))
        tensors = [each for each in (made, *given) if isinstance(each, Tensor)]
        if func.overloadpacket in _COPIES and any(each.device != self._device for each in tensors):
            raise RuntimeError(f"a tensor crosses between devices in {func.overloadpacket}")
        return made


_COPIES = {torch.ops.aten._to_copy, torch.ops.aten.copy_, torch.ops.aten.clone}
_BY_INDEX = {torch.ops.aten.index, torch.ops.aten.index_put, torch.ops.aten.index_put_}


def _waits(func: Any, args: Any) -> bool:
    """Tell whether the CPU has to know values before it can go on."""
    if func.overloadpacket in _BY_INDEX:  # by numbers, the size of what comes is known; by yes and no, it is not
        return any(isinstance(each, Tensor) and each.dtype in (torch.bool, torch.uint8) for each in args[1])
    return torch.Tag.data_dependent_output in func.tags or torch.Tag.dynamic_output_shape in func.tags
