"""Run a backbone over a data set."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from rsir_fast.backbones import Backbone
from rsir_fast.datasets import Reader, open_dataset
from rsir_fast.extraction.devices import usable_device
from rsir_fast.extraction.features import Features
from rsir_fast.extraction.fill import Progress, Rows, at_least, fill
from rsir_fast.extraction.jpeg import DeviceDecoder
from rsir_fast.extraction.loader import Batch, batches, default_workers
from rsir_fast.extraction.overlap import IN_FLIGHT, Streams, computed, fetch_at_once

__all__ = ["extract"]

Precision = Literal["float32", "bfloat16"]
Decoder = Literal["cpu", "cuda"]
Made = tuple[Batch, NDArray[np.float32] | None]


def extract(
    dataset: Any,
    backbone: Backbone,
    *,
    out: str | Path | None = None,
    batch_size: int = 32,
    workers: int | None = None,
    device: str | torch.device | None = None,
    precision: Precision = "float32",
    decoder: Decoder = "cpu",
    shard_size: int = 128,
    resume: bool = False,
    force: bool = False,
    progress: Callable[[Progress], bool | None] | None = None,
) -> Features:
    """Compute the features of every readable image.

    Parameters
    ----------
    dataset : Dataset, path, ImageFolder or torch map-style data set
        Whatever `rsir_fast.datasets.open_dataset` takes.
    backbone : Backbone
        From `rsir_fast.load_backbone`; moved to the device and set to eval mode.
    out : path, optional
        Folder for the features, written shard by shard. Without it they stay in memory.
    batch_size : int
        Images a forward pass; where there are fewer (the last ones, or beside unreadable ones) it is filled up with
        black ones, and beyond 4 to a multiple of 4. Part of the result: another batch size may change the last bits of
        a feature. The bits do not depend on an image's place in the batch or on those beside it; at the end of a run
        that is tested.
    workers : int, optional
        Threads that decode and resize; 0: none. Default: one a core, at most 32. Never changes the result. A data set
        from Python that may not be read by several threads at once wants 0 or 1.
    device : optional
        Default: CUDA where there is a device, else the CPU.
    precision : {"float32", "bfloat16"}
        ``"bfloat16"``: autocast, for speed; features are float32 in any case.
    decoder : {"cpu", "cuda"}
        ``"cuda"``: JPEG files are decoded by nvJPEG and resized on the CUDA device `device`; all other images, and
        whatever nvJPEG refuses, on the CPU. Part of the result: its pixels differ by rounding.
    shard_size : int
        Images a shard (rounded up to whole batches): what an interruption can lose.
    resume : bool
        Go on with what an interrupted run left in `out`: the matrix is the same, bit for bit, as without interruption.
        A finished matrix of the same data and settings is taken as it is. Files are known by name, size and time of
        change; in-memory data sets cannot be known again and are not resumed.
    force : bool
        Replace features in `out`.
    progress : callable, optional
        Called with a `Progress` after every batch; returning False stops the run (finished shards stay).

    Returns
    -------
    Features
        Rows in the order of the data set; unreadable images are left out and listed in ``skipped``. ``timing`` has
        ``images``, ``seconds``, ``images_per_s`` of this run and, of two batches or more, ``forward_images_per_s``, the
        rate of the bare forward pass on a batch already in memory: what a perfect loader would reach; and
        ``same_at_every_place``, whether that batch has the same bits with its images at other places; where not, no
        image's distance to itself is promised to be exactly 0. With ``decoder="cuda"`` also
        ``decoded_on_device`` and ``decoded_on_cpu``, numbers of images.

    Raises
    ------
    DatasetError
        If there is no such data set.
    FeaturesError
        If `out` cannot be used; the message says why.
    ValueError
        If a setting is out of range, or the device or torchvision cannot decode JPEG.
    RsirError
        If `progress` stopped the run.

    Examples
    --------
    >>> import numpy as np
    >>> from rsir_fast.backbones import load_backbone
    >>> scenes = [(np.full((32, 32, 3), grey, np.uint8), 0) for grey in (0, 128, 255)]
    >>> features = extract(scenes, load_backbone("squeezenet1_1", weights="random:0"), workers=0)
    >>> features.matrix.shape
    (3, 512)
    """
    batch_size, shard_size = at_least(1, batch_size, "batch_size"), at_least(1, shard_size, "shard_size")
    workers = default_workers() if workers is None else at_least(0, workers, "workers")
    if precision not in ("float32", "bfloat16"):
        raise ValueError(f"precision: expected 'float32' or 'bfloat16', got {precision!r}")
    target = usable_device(device)
    on_device = _device_decoder(decoder, backbone, target)
    data = open_dataset(dataset)
    if data.root is not None:
        # A model sees images as those it was trained on were read, unless the data set says otherwise.
        data = replace(data, reader=data.reader.or_else(Reader.of(backbone.provenance)))
    run = _Run(backbone, target, precision, batch_size)
    made_by = {**run.describe(), "batch_size": batch_size, "padded": True}
    if on_device is not None:
        made_by["decoder"] = on_device.describe()

    def rows(numbers: Sequence[int]) -> Generator[Rows, None, None]:
        loaded = batches(
            data, backbone.preprocessing, numbers, batch_size, workers, pin_memory=run.cuda, decoder=on_device
        )
        return run.rows(loaded)

    return fill(
        data,
        rows,
        dim=backbone.dim,
        provenance={**backbone.provenance, "extraction": made_by},
        shard=-(-shard_size // batch_size) * batch_size,
        out=None if out is None else Path(out),
        resume=resume,
        force=force,
        progress=progress,
        timing=lambda: run.timing(decoder),
    )


def _device_decoder(decoder: Decoder, backbone: Backbone, device: torch.device) -> DeviceDecoder | None:
    if decoder not in ("cpu", "cuda"):
        raise ValueError(f"decoder: expected 'cpu' or 'cuda', got {decoder!r}")
    if decoder == "cpu":
        return None
    if device.type != "cuda":
        raise ValueError(f"decoder: 'cuda' expects to go with a CUDA device, got device {device}; use decoder='cpu'")
    return DeviceDecoder(backbone.preprocessing, device)


@contextlib.contextmanager
def _full_precision() -> Iterator[None]:
    """Float32 means float32: no TF32 or bfloat16 inside matrix products, no choice of algorithm by stopwatch."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


class _Run:
    """The network on its device."""

    def __init__(self, backbone: Backbone, device: torch.device, precision: Precision, batch_size: int) -> None:
        self.backbone = backbone.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        self.device = device
        self.cuda = device.type == "cuda"
        self.normalize = backbone.preprocessing.normalizer(device)
        self.precision = precision
        # Products of matrices of 5 to 7 and of 9 to 11 rows by several threads depend on a row's place.
        self.size = batch_size if batch_size <= 4 else -(-batch_size // 4) * 4
        self.largest: tuple[torch.Tensor, NDArray[np.float32]] | None = None
        self.batches = self.on_device = self.on_cpu = 0

    def describe(self) -> dict[str, Any]:
        """Everything beside images and weights that can change a bit of a feature."""
        return {
            "precision": self.precision,
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
        bfloat16 = self.precision == "bfloat16"
        autocast = torch.autocast(self.device.type, torch.bfloat16, enabled=bfloat16)
        with torch.inference_mode(), _full_precision(), autocast:
            values = self.normalize(whole).contiguous(memory_format=torch.channels_last)
            features: torch.Tensor = self.backbone(values)
            return features.float().roll(-shift, 0)[:count]

    def timing(self, decoder: Decoder) -> dict[str, Any]:
        """Figures of the network, and of the decoders where there were two."""
        decoded = {"decoded_on_device": self.on_device, "decoded_on_cpu": self.on_cpu}
        return {**self.bare_passes(), **({} if decoder == "cpu" else decoded)}

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
