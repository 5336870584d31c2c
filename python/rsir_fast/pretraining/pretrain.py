"""From class folders to a network: step 1 of Ge et al. 2018."""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from rsir_fast.backbones.caffenets import NETWORKS
from rsir_fast.backbones.weights import PreTraining
from rsir_fast.base.progress import OnProgress
from rsir_fast.extraction.devices import usable_device
from rsir_fast.extraction.loader import default_workers
from rsir_fast.extraction.stamps import fingerprint
from rsir_fast.pretraining.images import channel_means, open_images
from rsir_fast.pretraining.network import Classifier, initialize
from rsir_fast.pretraining.pretrained import Pretrained
from rsir_fast.pretraining.recipe import PretrainingRecipe
from rsir_fast.pretraining.trainer import SPEED, PretrainingTrainer
from rsir_fast.training import (
    Precision,
    check_place,
    from_first,
    own_rank,
    read_checkpoint,
    run_epochs,
)

__all__ = ["WEIGHTS", "pretrain"]

WEIGHTS = "weights.safetensors"


def pretrain(
    dataset: Any,
    network: str = "cnn-alex",
    *,
    width: float = 1.0,
    recipe: PretrainingRecipe | None = None,
    validation: Any = None,
    seed: int = 0,
    out: str | Path | None = None,
    resume: bool = False,
    device: str | torch.device | None = None,
    precision: Precision = "float32",
    accumulate: int = 1,
    workers: int | None = None,
    progress: OnProgress | None = None,
) -> Pretrained:
    """Train one of the paper's networks from nothing (Ge et al. 2018, section 2.2, step 1).

    Parameters
    ----------
    dataset : path, Dataset, ImageFolder or torch map-style data set
        With classes, whatever `rsir_fast.datasets.open_dataset` takes; or a folder with folders ``train`` and ``val``,
        each with class folders, as ImageNet is kept.
    network : str
        ``cnn-alex``, ``cnn-m``, ``cnn-16``, ``cnn-19`` (the paper's), ``cnn-f``, ``cnn-s``.
    width : float
        Share of the channels and units, for small experiments.
    recipe : PretrainingRecipe, optional
        Default: the paper's, for 90 epochs.
    validation : optional
        As `dataset`, of the same classes. Default: ``val``, or a fifth of every class, drawn with `seed`.
    seed : int
        Of the split, the weights, the order, the crops and dropout.
    out : path, optional
        Folder for ``weights.safetensors`` and, after every epoch, ``checkpoint.pt``, ``log.jsonl`` and, where the
        package tensorboard is installed, events for it in ``tensorboard``. Without a folder nothing is written.
    resume : bool
        Go on with the checkpoint in `out`, if there is one: on a CPU the weights are those without interruption, bit
        for bit.
    device : optional
        Default: CUDA where there is a device, else the CPU.
    precision : {"float32", "bfloat16"}
        ``"bfloat16"``: autocast.
    accumulate : int
        Parts in which a batch is passed through the network, to save memory.
    workers : int, optional
        Threads that decode and cut images. Default: one a core, at most 32.
    progress : callable, optional
        Called with a `rsir_fast.Progress` after every step; returning False stops the run (the last checkpoint stays).

    Returns
    -------
    Pretrained
        On the device, in eval mode. Images that could not be read are left out and listed in ``skipped``.

    Raises
    ------
    DatasetError
        If there are no images or classes, or the validation images have others.
    TrainingError
        If there is only one class, nothing to validate with, the loss is not finite (names the batch), `progress`
        stopped the run, or the checkpoint is of another training.
    NoImageReadError
        If no image to train on, or none to validate with, could be read.
    MachineError
        If the machine failed to read an image; the last checkpoint stays.
    ValueError
        If a setting is out of range.

    Notes
    -----
    Images are decoded in every epoch, by threads, while the network works: four batches are in memory, 3 size^2 bytes
    an image. What the network needs is told in ``docs/pretraining.md``. Started by torchrun (torch.distributed set up),
    each process takes its share of every batch; only the first writes.

    Examples
    --------
    >>> import tempfile
    >>> from rsir_fast.datasets import generate_scenes
    >>> recipe = PretrainingRecipe(epochs=1, batch_size=8)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     scenes = generate_scenes(folder, classes=2, per_class=3, size=64)
    ...     made = pretrain(scenes, "cnn-f", width=0.05, recipe=recipe, device="cpu")
    >>> made.classes, made.training["images"]
    (('farmland', 'forest'), {'train': 4, 'validation': 2})
    """
    if network not in NETWORKS:
        raise ValueError(f"network: expected one of {', '.join(NETWORKS)}, got {network!r}")
    chosen = PretrainingRecipe() if recipe is None else recipe
    table = NETWORKS[network].scaled(width)
    if chosen.short_side < table.input_size:
        raise ValueError(f"short_side: expected at least {network}'s {table.input_size}, got {chosen.short_side}")
    if accumulate < 1:
        raise ValueError(f"accumulate: expected at least 1, got {accumulate}")
    target = usable_device(device)
    folder = None if out is None else Path(out)
    check_place(folder, resume=resume)
    images = open_images(dataset, validation, seed=seed)
    threads = default_workers() if workers is None else workers
    training = {
        **images.describe(),
        "recipe": asdict(chosen),
        "seed": seed,
        "precision": precision,
        "accumulate": accumulate,
        "processes": own_rank()[1],
        "cpu_threads": torch.get_num_threads() if target.type == "cpu" else None,
        "torch": str(torch.__version__),
        "rsir_fast": version("rsir-fast"),
    }
    settings = {
        **training,
        "network": network,
        "width": width,
        "classes": list(images.train.classes),
        # Not in the weight file: where and when the images were written decides nothing but whether they are the same.
        "images": {"train": fingerprint(images.train), "validation": fingerprint(images.validation)},
    }
    state = from_first(lambda: read_checkpoint(folder, settings))
    mean = (0.0, 0.0, 0.0)
    classifier = Classifier(table, len(images.train.classes))
    if state is None:
        mean = channel_means(images.train, table.input_size, chosen.short_side, threads)  # each process its share
        initialize(classifier, chosen.initialization, seed=seed, width=width)
    trainer = PretrainingTrainer(
        classifier.to(target),
        images,
        chosen,
        size=table.input_size,
        mean=mean,
        seed=seed,
        precision=precision,
        accumulate=accumulate,
        workers=threads,
    )
    last = run_epochs(trainer, folder, settings, state, progress)[-1]
    # Not its speed: the same training gives the same file.
    training["result"] = {key: value for key, value in last.items() if key not in SPEED}
    made = PreTraining(network, float(width), trainer.mean, images.train.classes, training)
    result = Pretrained(
        classifier.requires_grad_(False).eval(),
        made,
        tuple(dict.fromkeys((*images.train.unreadable, *images.validation.unreadable, *trainer.skipped))),
    )
    if folder is not None and trainer.rank == 0:
        result.save(folder / WEIGHTS)
    return result
