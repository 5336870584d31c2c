"""Run a backbone over a data set."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rsir_fast.base.progress import OnProgress
from rsir_fast.datasets import Reader, open_dataset
from rsir_fast.extraction.features import Features
from rsir_fast.extraction.fill import Rows, at_least, fill

if TYPE_CHECKING:
    import torch

    from rsir_fast.backbones import Backbone
    from rsir_fast.extraction.run import Decoder, Precision

__all__ = ["extract"]


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
    progress: OnProgress | None = None,
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
    # torch costs seconds: a command that reads features, or refuses a value, does without it.
    from rsir_fast.extraction.devices import usable_device
    from rsir_fast.extraction.loader import batches, default_workers
    from rsir_fast.extraction.run import Run, device_decoder

    batch_size, shard_size = at_least(1, batch_size, "batch_size"), at_least(1, shard_size, "shard_size")
    workers = default_workers() if workers is None else at_least(0, workers, "workers")
    if precision not in ("float32", "bfloat16"):
        raise ValueError(f"precision: expected 'float32' or 'bfloat16', got {precision!r}")
    target = usable_device(device)
    on_device = device_decoder(decoder, backbone, target)
    data = open_dataset(dataset)
    if data.root is not None:
        # A model sees images as those it was trained on were read, unless the data set says otherwise.
        data = replace(data, reader=data.reader.or_else(Reader.of(backbone.provenance)))
    run = Run(backbone, target, precision, batch_size)
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
