"""Run an encoder over a data set."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rsir_fast.archive import Features
from rsir_fast.base.engine_names import EngineName
from rsir_fast.base.progress import OnProgress
from rsir_fast.datasets import Reader, open_dataset
from rsir_fast.extraction.fill import Rows, at_least, fill

if TYPE_CHECKING:
    import torch

    from rsir_fast.encoders.encoder import Encoder
    from rsir_fast.extraction.run import Decoder

__all__ = ["encode"]


def encode(
    dataset: Any,
    encoder: Any,
    *,
    out: str | Path | None = None,
    batch_size: int | None = None,
    workers: int | None = None,
    device: str | torch.device | None = None,
    decoder: Decoder | None = None,
    engine: EngineName | None = None,
    shard_size: int = 128,
    resume: bool = False,
    force: bool = False,
    mirror: bool = True,
    progress: OnProgress | None = None,
) -> Features:
    """Compute the vectors of every readable image.

    Parameters
    ----------
    dataset : Dataset, path, ImageFolder or torch map-style data set
        Whatever `rsir_fast.datasets.open_dataset` takes.
    encoder : Encoder, or whatever `rsir_fast.load_encoder` takes
        A network is moved to the device and set to eval mode. A descriptor that learns and has not yet (a vocabulary)
        learns from this data set first, which reads every image once more; one that has keeps what it learnt.
    out : path, optional
        Folder for the features: an archive, written part by part, with what a descriptor learnt. Without it they stay
        in memory.
    batch_size : int, optional
        Images a forward pass, default 32; where there are fewer (the last ones, or beside unreadable ones) it is filled
        up with black ones, and beyond 4 to a multiple of 4. Another batch size may change the last bits of a feature.
        The bits do not depend on an image's place in the batch or on those beside it; at the end of a run that is
        tested.
    workers : int, optional
        Threads that decode and resize; 0: none. Default: one a core, at most 32. Never changes the result. A data set
        from Python that may not be read by several threads at once wants 0 or 1.
    device : optional
        Default: CUDA where there is a device, else the CPU. A CUDA device is given each pass as one graph; a network
        that cannot be recorded as one, since it waits for a value, runs operation by operation, and a warning says so.
    decoder : {"cpu", "cuda"}, optional
        ``"cuda"``: JPEG files are decoded by nvJPEG and resized on the CUDA device `device`; all other images, and
        whatever nvJPEG refuses, on the CPU. Part of the result: its pixels differ by rounding. Default: the CPU.
    engine : {"torch", "onnx", "openvino", "auto"}, optional
        What computes a network; default torch. ``"onnx"`` (ONNX Runtime) and ``"openvino"`` run on the CPU and come
        with the extras of the same names; ``"auto"``: the fastest that is installed for this network and machine,
        measured for about a second, after some seconds in which each is made ready; where `resume` goes on with
        features, the one that computed those. An engine changes the last bits, so it is told in the provenance, and a
        search uses the same.
    shard_size : int
        Images that are written at a time (rounded up to whole batches): what an interruption can lose.
    resume : bool
        Go on with what is in `out`, finished or not, what a descriptor learnt included: the matrix is the same, bit for
        bit, as of a fresh folder. Images that were added or changed since are encoded, those that are gone are left
        out, the rest is taken as it is. Files are known by name, size and time of change, else by their content;
        in-memory data sets cannot be known again and are not resumed.
    force : bool
        Replace features in `out`.
    mirror : bool
        Whether images that `out` holds and the data set does not are left out; else they stay, whatever folders they
        came from, and what is returned holds them, too.
    progress : callable, optional
        Called with a `Progress` after every batch, or after every image of a descriptor; returning False stops the run
        (finished parts stay).

    Returns
    -------
    Features
        Rows in the order of the data set; unreadable images are left out and listed in ``skipped``. ``timing`` has
        ``images``, ``seconds``, ``images_per_s`` of this run and, where it learnt something, ``learn_s``; of a network,
        of two batches or more, ``forward_images_per_s``, the
        rate of the bare forward pass on a batch already in memory: what a perfect loader would reach; and
        ``same_at_every_place``, whether that batch has the same bits with its images at other places; where not, no
        image's distance to itself is promised to be exactly 0. With ``decoder="cuda"`` also
        ``decoded_on_device`` and ``decoded_on_cpu``, numbers of images.

    Raises
    ------
    DatasetError
        If there is no such data set, or it has too little to learn from.
    FeaturesError
        If `out` cannot be used; the message says why.
    ValueError
        If a setting is out of range, goes with a network where there is none, or the device or torchvision cannot
        decode JPEG.
    ImportError
        If a package of the extra ``shallow``, or of an engine, is missing.
    RsirError
        If `progress` stopped the run.

    Notes
    -----
    Memory: the vectors of a part, and some images a thread.

    Examples
    --------
    >>> import numpy as np
    >>> from rsir_fast.encoders.load import load_encoder
    >>> scenes = [(np.full((32, 32, 3), grey, np.uint8), 0) for grey in (0, 128, 255)]
    >>> features = encode(scenes, load_encoder("squeezenet1_1", weights="random:0"), workers=0)
    >>> features.matrix.shape, features["gap"].shape
    ((3, 512), (3, 512))
    >>> encode(scenes, "colour-histogram", workers=0).matrix.shape
    (3, 512)
    """
    # torch costs seconds: a command that reads features, or refuses a value, does without it.
    from rsir_fast.descriptors import Descriptor
    from rsir_fast.encoders.load import load_encoder
    from rsir_fast.extraction.loader import default_workers

    made_by = load_encoder(encoder)
    workers = default_workers() if workers is None else at_least(0, workers, "workers")
    shard_size = at_least(1, shard_size, "shard_size")
    folder = None if out is None else Path(out)
    if isinstance(made_by.runs, Descriptor):
        from rsir_fast.extraction.describing import describe

        for name, given in (("batch_size", batch_size), ("device", device), ("decoder", decoder), ("engine", engine)):
            if given is not None:
                raise ValueError(f"{name}: expected none for {made_by.name}, which runs no network; leave it out")
        return describe(
            open_dataset(dataset),
            made_by.runs,
            out=folder,
            workers=workers,
            shard=shard_size,
            resume=resume,
            force=force,
            mirror=mirror,
            progress=progress,
        )
    return _by_network(
        dataset,
        made_by,
        batch_size=32 if batch_size is None else at_least(1, batch_size, "batch_size"),
        device=device,
        decoder=decoder or "cpu",
        engine=engine or "torch",
        workers=workers,
        shard_size=shard_size,
        out=folder,
        resume=resume,
        force=force,
        mirror=mirror,
        progress=progress,
    )


def _by_network(
    dataset: Any,
    encoder: Encoder,
    *,
    batch_size: int,
    device: str | torch.device | None,
    decoder: Decoder,
    engine: str,
    workers: int,
    shard_size: int,
    out: Path | None,
    resume: bool,
    force: bool,
    mirror: bool,
    progress: OnProgress | None,
) -> Features:
    """Run a network over a data set."""
    from rsir_fast.extraction.devices import usable_device
    from rsir_fast.extraction.engines.choose import check_engine
    from rsir_fast.extraction.engines.going_on import going_on
    from rsir_fast.extraction.loader import batches
    from rsir_fast.extraction.run import Run, device_decoder

    backbone = encoder.backbone
    if engine == "auto" and out is not None and resume and not force:
        engine = going_on(out, device)
    target = usable_device("cpu" if device is None and engine in ("onnx", "openvino") else device)
    check_engine(engine, target, bfloat16=encoder.precision == "bfloat16")
    on_device = device_decoder(decoder, backbone, target)
    data = open_dataset(dataset)
    if data.root is not None and not backbone.preprocessing.is_picture:
        raise ValueError(
            f"{data.name}: expected arrays [h, w, {len(backbone.preprocessing.bands)}] in memory for {backbone.name}, "
            f"whose bands are {', '.join(backbone.preprocessing.bands)}; image files are read as RGB of 8 bits"
        )
    if data.root is not None:
        # A model sees images as those it was trained on were read, unless the data set says otherwise.
        data = replace(data, reader=data.reader.or_else(Reader.of(backbone.provenance)))
    run = Run(backbone, target, encoder.precision, batch_size, engine)
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
        timing=lambda: run.timing(decoder),
        out=out,
        resume=resume,
        force=force,
        mirror=mirror,
        progress=progress,
    )
