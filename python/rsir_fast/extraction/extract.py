"""Run a backbone over a data set."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from rsir_fast.backbones import Backbone
from rsir_fast.datasets import Dataset, open_dataset
from rsir_fast.errors import RsirError
from rsir_fast.extraction.features import Features, Skipped
from rsir_fast.extraction.loader import Batch, batches, default_workers
from rsir_fast.extraction.store import FeatureStore

__all__ = ["Progress", "extract"]

Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class Progress:
    """How far an extraction is.

    Attributes
    ----------
    done, total
        Images, readable or not; `done` includes those of an earlier, interrupted run.
    skipped
        Unreadable ones so far in this run.
    images_per_s
        Rate of this run; 0 before its first batch.
    eta_s
        Seconds left at that rate; None before the first batch.
    """

    done: int
    total: int
    skipped: int = 0
    images_per_s: float = 0.0
    eta_s: float | None = None


def extract(
    dataset: Any,
    backbone: Backbone,
    *,
    out: str | Path | None = None,
    batch_size: int = 32,
    workers: int | None = None,
    device: str | torch.device | None = None,
    precision: Precision = "float32",
    shard_size: int = 512,
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
        From `rsir_fast.load_backbone`.
    out : path, optional
        Folder for the features, written shard by shard. Without it they stay in memory.
    batch_size : int
        Images a forward pass. Part of the result: another batch size may change the last bits of a feature.
    workers : int, optional
        Processes that decode and resize; 0: none. Default: one a core, at most eight. Never changes the result.
    device : optional
        Default: CUDA where there is a device, else the CPU.
    precision : {"float32", "bfloat16"}
        ``"bfloat16"``: autocast, for speed; features are float32 in any case.
    shard_size : int
        Images a shard (rounded up to whole batches): what an interruption can lose.
    resume : bool
        Go on with what an interrupted run left in `out`. The matrix is the same, bit for bit, as without interruption.
    force : bool
        Replace features in `out`.
    progress : callable, optional
        Called with a `Progress` after every batch; returning False stops the run (finished shards stay).

    Returns
    -------
    Features
        Rows in the order of the data set; unreadable images are left out and listed in ``skipped``. ``timing`` has
        ``images``, ``seconds``, ``images_per_s`` of this run and ``forward_images_per_s``, the rate of the bare
        forward pass on a batch already in memory: what a perfect loader would reach.

    Raises
    ------
    DatasetError
        If there is no such data set.
    FeaturesError
        If `out` cannot be used; the message says why.
    ValueError
        If a setting is out of range.
    RsirError
        If `progress` stopped the run, or a loader process died.

    Examples
    --------
    >>> import numpy as np
    >>> from rsir_fast.backbones import load_backbone
    >>> scenes = [(np.full((32, 32, 3), grey, np.uint8), 0) for grey in (0, 128, 255)]
    >>> features = extract(scenes, load_backbone("squeezenet1_1", weights="random:0"), workers=0)
    >>> features.matrix.shape
    (3, 512)
    """
    for name, value, least in (("batch_size", batch_size, 1), ("shard_size", shard_size, 1), ("workers", workers, 0)):
        if value is not None and value < least:
            raise ValueError(f"{name}: expected at least {least}, got {value}")
    if precision not in ("float32", "bfloat16"):
        raise ValueError(f"precision: expected 'float32' or 'bfloat16', got {precision!r}")
    data = open_dataset(dataset)
    target = torch.device(device if device is not None else "cuda" if torch.cuda.is_available() else "cpu")
    run = _Run(backbone, target, precision)
    provenance = {**backbone.provenance, "extraction": {**run.describe(), "batch_size": batch_size}}
    shard = -(-shard_size // batch_size) * batch_size
    if out is None:
        sink: FeatureStore | _Memory = _Memory()
    else:
        plan = {"dataset": _fingerprint(data), "shard_size": shard, **provenance}
        sink = FeatureStore(Path(out), plan, resume=resume, force=force)
    with sink:
        if isinstance(sink, FeatureStore) and sink.is_complete:
            return Features.load(sink.folder)
        finished = sink.finished_shards()
        todo = [first for first in range(0, len(data), shard) if first not in finished]
        numbers = [i for first in todo for i in range(first, min(first + shard, len(data)))]
        loaded = batches(
            data,
            backbone.preprocessing,
            numbers,
            batch_size=batch_size,
            workers=default_workers() if workers is None else workers,
            pin_memory=target.type == "cuda",
        )
        meter = _Meter(len(data), len(data) - len(numbers), progress)
        for first in todo:
            images = min(shard, len(data) - first)
            sink.add_shard(first, images, *run.shard(loaded, images, meter))
        return sink.finish(
            items=data.items,
            labels=data.labels,
            classes=data.classes,
            name=data.name,
            root=data.root,
            dim=backbone.dim,
            provenance=provenance,
            timing=meter.timing() | {"forward_images_per_s": run.bare_rate()},
        )


class _Run:
    """The network on its device."""

    def __init__(self, backbone: Backbone, device: torch.device, precision: Precision) -> None:
        self.backbone = backbone.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.device = device
        self.precision = precision
        self.largest: torch.Tensor | None = None

    def describe(self) -> dict[str, Any]:
        """Everything beside images and weights that can change a bit of a feature."""
        cuda = self.device.type == "cuda"
        return {
            "precision": self.precision,
            "device": torch.cuda.get_device_name(self.device) if cuda else self.device.type,
            "cpu_threads": None if cuda else torch.get_num_threads(),
            "torch": str(torch.__version__),
            "rsir_fast": version("rsir-fast"),
        }

    def shard(
        self, loaded: Iterator[Batch], images: int, meter: _Meter
    ) -> tuple[NDArray[np.float32], list[tuple[int, str]]]:
        """Return the features [rows, dim] of the next `images` images, and those skipped."""
        parts, skipped, count = [], [], 0
        while count < images:
            batch = next(loaded)
            count += batch.count
            skipped += batch.skipped
            if len(batch.images):
                parts.append(self.forward(batch.images).cpu().numpy())
                if self.largest is None or len(batch.images) > len(self.largest):
                    self.largest = batch.images
            meter.add(batch.count, len(batch.skipped))
        return np.concatenate([np.empty((0, self.backbone.dim), np.float32), *parts]), skipped

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return features, float32 [m, dim], of images, uint8 [m, 3, H, W]."""
        bfloat16 = self.precision == "bfloat16"
        # TF32 is not float32, and cuDNN may otherwise choose another algorithm on every run.
        exact = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
        with torch.inference_mode(), exact, torch.autocast(self.device.type, torch.bfloat16, enabled=bfloat16):
            batch = images.to(self.device, non_blocking=True)
            values = self.backbone.preprocessing.normalize(batch).contiguous(memory_format=torch.channels_last)
            features: torch.Tensor = self.backbone(values)
            return features.float()

    def bare_rate(self) -> float | None:
        """Images a second of the forward pass alone, the batch in memory and the loader at rest: best of three."""
        if self.largest is None:
            return None
        best = float("inf")
        for _ in range(3):
            start = time.perf_counter()
            self.forward(self.largest).cpu()
            best = min(best, time.perf_counter() - start)
        return len(self.largest) / best


class _Meter:
    """Counts images and tells the caller."""

    def __init__(self, total: int, before: int, progress: Callable[[Progress], bool | None] | None) -> None:
        self.total, self.before, self.progress = total, before, progress
        self.images = self.skipped = 0
        self.start = time.perf_counter()
        self.seconds = 0.0
        self.report(Progress(before, total))

    def add(self, images: int, skipped: int) -> None:
        self.images += images
        self.skipped += skipped
        self.seconds = time.perf_counter() - self.start
        done, rate = self.before + self.images, self.images / self.seconds
        self.report(Progress(done, self.total, self.skipped, rate, (self.total - done) / rate))

    def report(self, progress: Progress) -> None:
        if self.progress is not None and self.progress(progress) is False:
            raise RsirError(f"extraction stopped after {progress.done} of {progress.total} images")

    def timing(self) -> dict[str, Any]:
        rate = self.images / self.seconds if self.seconds else None
        return {"images": self.images, "seconds": self.seconds, "images_per_s": rate}


class _Memory:
    """Stands in for a `FeatureStore` where nothing is to be written."""

    def __init__(self) -> None:
        self.parts: list[NDArray[np.float32]] = []
        self.skipped: list[tuple[int, str]] = []

    def __enter__(self) -> _Memory:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def finished_shards(self) -> dict[int, Any]:
        return {}

    def add_shard(self, first: int, images: int, matrix: NDArray[np.float32], skipped: list[tuple[int, str]]) -> None:
        self.parts.append(matrix)
        self.skipped += skipped

    def finish(self, *, items: tuple[str, ...], labels: NDArray[np.int64] | None, dim: int, **rest: Any) -> Features:
        kept = np.setdiff1d(np.arange(len(items)), [number for number, _ in self.skipped])
        return Features(
            matrix=np.concatenate([np.empty((0, dim), np.float32), *self.parts]),
            items=tuple(items[i] for i in kept),
            labels=None if labels is None else np.asarray(labels)[kept],
            skipped=tuple(Skipped(items[number], reason) for number, reason in self.skipped),
            **rest,
        )


def _fingerprint(data: Dataset) -> dict[str, Any]:
    names = "\0".join(data.items).encode("utf-8", "surrogateescape")
    return {"name": data.name, "images": len(data), "items_sha256": hashlib.sha256(names).hexdigest()}
