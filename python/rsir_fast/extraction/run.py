"""The network on its device, batch by batch."""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Generator, Iterator
from functools import partial
from importlib.metadata import version
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from rsir_fast.backbones import Backbone, folded
from rsir_fast.base.text import short
from rsir_fast.errors import RsirWarning
from rsir_fast.extraction.engines.choose import start
from rsir_fast.extraction.fill import Rows
from rsir_fast.extraction.full_precision import full_precision
from rsir_fast.extraction.graph import Recorded, record
from rsir_fast.extraction.jpeg import DeviceDecoder
from rsir_fast.extraction.loader import Batch
from rsir_fast.extraction.overlap import IN_FLIGHT, Forward, Streams, computed, fetch_at_once

__all__ = ["Decoder", "Precision", "Run", "device_decoder"]

Precision = Literal["float32", "bfloat16"]
Decoder = Literal["cpu", "cuda"]
Made = tuple[Batch, NDArray[np.float32] | None]


def device_decoder(decoder: Decoder, backbone: Backbone, device: torch.device) -> DeviceDecoder | None:
    """Return what decodes JPEG files on the device; None where the CPU does.

    Raises
    ------
    ValueError
        If the device is none of CUDA.
    """
    if decoder not in ("cpu", "cuda"):
        raise ValueError(f"decoder: expected 'cpu' or 'cuda', got {decoder!r}")
    if decoder == "cpu":
        return None
    if device.type != "cuda":
        raise ValueError(f"decoder: 'cuda' expects to go with a CUDA device, got device {device}; use decoder='cpu'")
    if not backbone.preprocessing.is_picture:
        raise ValueError(f"decoder: 'cuda' expects a network of pictures, got {backbone.name}; use decoder='cpu'")
    return DeviceDecoder(backbone.preprocessing, device)


class Run:
    """The network on its device, run by an engine."""

    def __init__(
        self,
        backbone: Backbone,
        device: torch.device,
        precision: Precision,
        batch_size: int,
        engine: str = "torch",
        *,
        graph: bool = True,
    ) -> None:
        self.backbone = backbone.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        network = folded(self.backbone)
        self.folded = network is not self.backbone
        self.device = device
        self.cuda = device.type == "cuda"
        self.normalize = backbone.preprocessing.normalizer(device)
        self.precision = precision
        # Products of matrices of 5 to 7 and of 9 to 11 rows by several threads depend on a row's place.
        self.size = batch_size if batch_size <= 4 else -(-batch_size // 4) * 4
        shape = (self.size, *backbone.preprocessing.shape)
        with full_precision():
            self.engine = start(engine, network, shape, device, bfloat16=precision == "bfloat16")
        self.compute: Forward = self._compute
        if graph and self.cuda:
            self._record(torch.zeros(shape, dtype=backbone.preprocessing.tensor_dtype, device=device))
        self.largest: tuple[torch.Tensor, NDArray[np.float32]] | None = None
        self.batches = self.on_device = self.on_cpu = 0

    def describe(self) -> dict[str, Any]:
        """Everything beside images and weights that can change a bit of a feature."""
        return {
            "precision": self.precision,
            **({} if self.engine.name == "torch" else {"engine": self.engine.name, **self.engine.versions()}),
            **({"folded": True} if self.folded else {}),
            "device": torch.cuda.get_device_name(self.device) if self.cuda else self.device.type,
            "cpu_threads": None if self.cuda else torch.get_num_threads(),
            "cpu_capability": None if self.cuda else torch.backends.cpu.get_cpu_capability(),
            "torch": str(torch.__version__),
            "torchvision": version("torchvision"),
            "pillow": version("pillow"),
            "rsir_fast": version("rsir-fast"),
        }

    def features(self, loaded: Iterator[Batch]) -> Generator[Made, None, None]:
        """Yield each batch with its features; on a CUDA device with the next one on its way."""
        if self.cuda:
            return computed(loaded, Streams(self.device, self.forward).queue, in_flight=IN_FLIGHT)
        return computed(loaded, partial(fetch_at_once, forward=self.forward, device=self.device))

    def rows(self, loaded: Generator[Batch, None, None]) -> Generator[Rows, None, None]:
        """Yield the features of each batch."""
        with contextlib.closing(loaded), contextlib.closing(self.features(loaded)) as made:
            for batch, rows in made:
                self.on_device += batch.on_device
                self.on_cpu += batch.count - len(batch.skipped) - batch.on_device
                if rows is not None:
                    self.batches += 1
                    if self.largest is None or len(rows) > len(self.largest[1]):
                        self.largest = batch.images, rows
                yield Rows(rows, batch.count, batch.skipped)

    def forward(self, images: torch.Tensor, shift: int = 0) -> torch.Tensor:
        """Return features, float32 [m, dim], of images on the device, uint8 [m, 3, H, W].

        The pass always has `size` images: their number chooses kernels, and another kernel rounds otherwise. They are
        at their places plus `shift`, around.
        """
        count = len(images)
        black = images.new_zeros((self.size - count, *images.shape[1:]))
        whole = torch.cat([images, black]).roll(shift, 0) if shift or len(black) else images
        with torch.inference_mode(), full_precision():
            return self.compute(whole).roll(-shift, 0)[:count]

    def _compute(self, images: torch.Tensor) -> torch.Tensor:
        return self.engine(self.normalize(images)).float()

    @property
    def graph(self) -> bool:
        """Whether a CUDA graph makes the passes."""
        return isinstance(self.compute, Recorded)

    def _record(self, images: torch.Tensor) -> None:
        """Have a graph make the passes, or say why each operation goes to the device on its own."""
        try:
            with torch.inference_mode(), full_precision():
                self.compute = record(self._compute, images)
        except RuntimeError as error:
            reason = short(str(error).strip().partition("\n")[0], 200)
            warnings.warn(
                f"{self.backbone.name} runs operation by operation on {self.device}, not as a CUDA graph: {reason}",
                RsirWarning,
                stacklevel=2,
            )

    def timing(self, decoder: Decoder) -> dict[str, Any]:
        """Figures of the network, whether a graph made its passes, and of the decoders where there were two."""
        decoded = {"decoded_on_device": self.on_device, "decoded_on_cpu": self.on_cpu}
        graph = {"graph": self.graph} if self.cuda else {}
        return {**self.bare_passes(), **graph, **({} if decoder == "cpu" else decoded)}

    def bare_passes(self) -> dict[str, Any]:
        """Images a second of the forward pass alone, the batch in memory and the loader at rest, and a test by the way.

        Best of up to three passes within a second or so, with the images at other places each time, which must not
        change a bit. None for a single batch, which is not worth the time.
        """
        if self.largest is None or self.batches < 2:
            return {"forward_images_per_s": None}
        images, rows = self.largest
        seconds: list[float] = []
        same = True
        while len(seconds) < 3 and sum(seconds) < 1.0:
            shift = (self.size // 2, 1, self.size - 1)[len(seconds)]
            start = time.perf_counter()
            moved = self.forward(images.to(self.device), shift).cpu()
            seconds.append(time.perf_counter() - start)
            same &= moved.numpy().tobytes() == rows.tobytes()
        return {"forward_images_per_s": self.size / min(seconds), "same_at_every_place": same}
